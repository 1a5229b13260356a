"""What a calibration found, as it is kept beside the profile (`calibration.json`) and shown in the report."""

from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

from rtbci.errors import FileFormatError
from rtbci.files import write_whole

__all__ = [
    "RECORD_NAME",
    "SCHEMA",
    "CalibrationRecord",
    "CandidateScore",
    "Confidence",
    "CurvePoint",
    "EyeNote",
    "StreamRecord",
    "TrialNote",
    "has_record",
    "read_json",
    "read_record",
    "write_record",
]

SCHEMA = 1
RECORD_NAME = "calibration.json"
SELDOM = 0.5
"""Where a smaller share of the trials leads to a decision, it is said how more of them would."""


class _Versioned(Protocol):
    """Says of which schema it is."""

    @property
    def schema_version(self) -> int:
        """Number of the schema."""
        ...


VersionedT = TypeVar("VersionedT", bound=_Versioned)


class _Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all parts: keyword arguments, unknown fields refused."""


class StreamRecord(_Record, frozen=True, kw_only=True):
    """The stream (or recording) that the trials came from.

    Parameters
    ----------
    name, source_id : str
    rate_hz : float
        Nominal.
    labels : list of str
        Of all channels of the stream, as given: the columns of the raw signal.
    found, inferred, interpolated : list of str
        Electrodes of the decoder's layout that were found; the others, by what became of them.
    bad : list of str
        Found, but masked as bad before the start.
    """

    name: str
    source_id: str
    rate_hz: float
    labels: list[str]
    found: list[str]
    inferred: list[str] = []
    interpolated: list[str] = []
    bad: list[str] = []


class TrialNote(_Record, frozen=True, kw_only=True):
    """One trial, without its signal.

    Parameters
    ----------
    i_trial : int
    cue : str
        Class asked for.
    t_cue : float
        Seconds of the local LSL clock.
    accepted : bool
    reason : str
        Why it was rejected, or empty.
    log_probs_population, log_probs : list of float
        Of the active classes, by the population decoder as it is, and by the chosen decoder when this trial was left
        out of its fit (cross-validation); empty for rejected trials.
    """

    i_trial: int
    cue: str
    t_cue: float
    accepted: bool
    reason: str = ""
    log_probs_population: list[float] = []
    log_probs: list[float] = []


class CandidateScore(_Record, frozen=True, kw_only=True):
    """One row of the bake-off; all on the same trials and folds.

    Parameters
    ----------
    name : str
        For people: "population" or, without one, "blank"; "conv-probe", "tangent space", "CSP + LDA", "augmented covariance".
    accuracy, low, high : float
        Balanced accuracy in percent, cross-validated, and its 95 % interval.
    loss : float
        Cross-validated cross-entropy, nats a trial.
    difference, p : float or None
        Accuracy less the population's, in percent, and the p value of the paired test; None for the population.
    seconds : float
        What its fits took.
    chosen : bool
    note : str
        Why it could not be fitted, was chosen, or was not though it would stand in the population's place; else empty.
    """

    name: str
    accuracy: float | None
    low: float | None
    high: float | None
    loss: float | None
    difference: float | None = None
    p: float | None = None
    seconds: float = 0.0
    chosen: bool = False
    note: str = ""


class CurvePoint(_Record, frozen=True, kw_only=True):
    """Accuracy of the decoder that would be used with this many trials.

    Parameters
    ----------
    n_trials : int
        Accepted trials so far.
    accuracy, low, high : float
        Balanced accuracy in percent, cross-validated, and its 95 % interval.
    """

    n_trials: int
    accuracy: float
    low: float
    high: float


class Confidence(_Record, frozen=True, kw_only=True):
    """How far probabilities can be believed, cross-validated on the trials.

    Parameters
    ----------
    temperature : float
        Of the profile.
    ece_before, ece_after : float
        Expected calibration error with the population's temperature, and with the fitted one.
    threshold, dwell_s, refractory_s, smoothing_s : float
        Of the decision policy that was written into the profile.
    false_per_minute : float or None
        Decisions in a minute of idle time of the calibration; None when there was none.
    wished_per_minute : float or None
        How many of them were put up with. Where `false_per_minute` is above it no policy that kept to it decided in a
        single trial, and the policy is the paradigm's.
    hits : float or None
        Share of trials with a decision for the right class at that threshold.
    coverage : list of (float, float)
        Share of trials answered, surest first, and accuracy on these.
    reliability : list of (float, float, float)
        Mean confidence, accuracy, count of each bin.
    """

    temperature: float
    ece_before: float
    ece_after: float
    threshold: float
    dwell_s: float
    refractory_s: float
    smoothing_s: float
    false_per_minute: float | None = None
    wished_per_minute: float | None = None
    hits: float | None = None
    coverage: list[tuple[float, float]] = []
    reliability: list[tuple[float, float, float]] = []

    @property
    def policy_note(self) -> str:
        """What is to be said of the policy, where it is not what was wished or decides seldom; empty otherwise."""
        if self.hits is None or self.false_per_minute is None or self.wished_per_minute is None:
            return ""
        if self.false_per_minute > self.wished_per_minute:
            return (
                f"none that keeps to {self.wished_per_minute:g} false ones a minute decides in any trial, so it is the "
                "paradigm's own"
            )
        if self.hits < SELDOM:
            return f"more with more than {self.wished_per_minute:g} false ones a minute (--false-per-minute)"
        return ""


class EyeNote(_Record, frozen=True, kw_only=True):
    """What eye movements right after the cue tell; see `rtbci.calibrate.eyes`.

    Parameters
    ----------
    accuracy, low, high : float or None
        How often an untrained rule on them names the side, of trials that asked for one, percent, and its 95 % interval.
    r, p : float or None
        Correlation of the movement with the decoder's output, and its p value.
    note : str
        A warning, or why it was not checked; empty when all is well.
    """

    accuracy: float | None = None
    low: float | None = None
    high: float | None = None
    r: float | None = None
    p: float | None = None
    note: str = ""


class CalibrationRecord(_Record, frozen=True, kw_only=True):
    """Everything that a calibration found.

    Parameters
    ----------
    created : str
        ISO 8601, UTC.
    paradigm, user : str
    generation : int
        Of the profile that it led to; 0 when none was written.
    classes : list of str
        Active ones, in the order of `log_probs`.
    seed : int
    stream : StreamRecord
    trials : list of TrialNote
        In the order of their cues.
    candidates : list of CandidateScore
    curve : list of CurvePoint
    confidence : Confidence or None
    confusion : list of list of float
        Counts, row class asked for, column answer, cross-validated with the chosen decoder.
    usable : bool
        Whether the decoder is better than chance (lower end of the interval above it).
    advice : list of str
        What to do next, in words.
    cues : dict of str to float
        What was measured of the display path: ``frame_ms``, ``offset_ms``, ...; empty without a page.
    eyes : EyeNote or None
    versions : dict of str to str
    """

    created: str
    paradigm: str
    user: str
    generation: int
    classes: list[str]
    seed: int
    stream: StreamRecord
    trials: list[TrialNote]
    candidates: list[CandidateScore]
    curve: list[CurvePoint]
    confidence: Confidence | None
    confusion: list[list[float]]
    usable: bool
    advice: list[str]
    cues: dict[str, float] = {}
    eyes: EyeNote | None = None
    versions: dict[str, str] = {}
    schema_version: int = msgspec.field(default=SCHEMA, name="schema")


def write_record(folder: Path, record: CalibrationRecord) -> Path:
    """Write `calibration.json` into a folder, atomically; returns its path."""
    path = folder / RECORD_NAME
    write_whole(path, msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n")
    return path


def has_record(folder: Path) -> bool:
    """Whether a folder has a `calibration.json`."""
    return (folder / RECORD_NAME).is_file()


def read_record(folder: Path) -> CalibrationRecord:
    """Read `calibration.json` of a folder.

    Raises
    ------
    FileFormatError
        When it is missing or says something else.
    """
    return read_json(folder / RECORD_NAME, CalibrationRecord, SCHEMA)


def read_json(path: Path, kind: type[VersionedT], schema: int) -> VersionedT:
    """Read a file that a calibration wrote, of the schema that this rtbci writes.

    Raises
    ------
    FileFormatError
        When it is missing or says something else.
    """
    try:
        found = msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError) as error:
        raise FileFormatError(
            f"calibration {path}: cannot be read ({error}), need what `rtbci calibrate` writes; calibrate again"
        ) from error
    if found.schema_version != schema:
        raise FileFormatError(
            f"calibration {path}: schema is {found.schema_version}, need {schema}; use the rtbci that wrote it"
        )
    return found
