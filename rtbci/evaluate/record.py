"""An evaluation as it is written: one JSON file with everything that a table or a plot is made of."""

from pathlib import Path
from typing import Any

import msgspec

from rtbci.errors import FileFormatError
from rtbci.evaluate.statistics import Difference, Summary
from rtbci.files import write_whole

__all__ = [
    "KIND",
    "SCHEMA",
    "Condition",
    "DecoderUsed",
    "Evaluation",
    "EyeCheck",
    "OperatingPoint",
    "SubjectRecord",
    "SubjectScore",
    "TrialRecord",
    "read_evaluation",
    "write_evaluation",
]

KIND = "rtbci evaluation"
SCHEMA = 1
"""Version of the file; a file of another schema is refused."""


class SubjectScore(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One subject in one condition.

    Parameters
    ----------
    n_trials : int
        Trials judged, cue-locked.
    metrics : dict
        Numbers by name; None where undefined (a class that never occurs, no idle time).
    trial_bins, window_bins : list of (float, float, float)
        Reliability of the judged trials, and of all windows of imagery: see `metrics.reliability`.
    sweep_true, sweep_false : list of float
        Share of true activations, and false activations a minute, at every threshold of the sweep.
    """

    n_trials: int
    metrics: dict[str, float | None]
    trial_bins: list[tuple[float, float, float]]
    window_bins: list[tuple[float, float, float]]
    sweep_true: list[float | None] = []
    sweep_false: list[float | None] = []


class TrialRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One cue-locked trial.

    Parameters
    ----------
    run : int
        Which of the subject's runs, from 0.
    t_cue_s : float
        In seconds from the run's first sample.
    cue : str
        Class asked for.
    t_window_s : (float, float) or None
        First and newest sample of the window that it was judged by; None when there was none.
    log_probs : dict of list of float
        By condition: logarithms of the probabilities of the active classes, in their order.
    margin : dict of float
        By condition, for two active classes: the difference of their logarithms, second less first.
    lateral_uv : float or None
        F8 less F7 right after the cue, for the eye rule.
    """

    run: int
    t_cue_s: float
    cue: str
    t_window_s: tuple[float, float] | None
    log_probs: dict[str, list[float]]
    margin: dict[str, float]
    lateral_uv: float | None = None


class SubjectRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One subject.

    Parameters
    ----------
    name, fold : str
    seen : str
        Whether the weights were trained on the subject: no, yes, unknown.
    n_runs : int
    recorded_s, decoding_s, wall_s : float
        Signal decoded; time spent decoding it once, and in all.
    interpolated, inferred : list of str
        Electrodes that the paradigm needs and the recording lacks, by what became of them.
    scores : dict of SubjectScore
        By condition; a condition that the subject has too few trials for is missing.
    trials : list of TrialRecord
    """

    name: str
    fold: str
    seen: str
    n_runs: int
    recorded_s: float
    decoding_s: float
    wall_s: float
    interpolated: list[str]
    inferred: list[str] = []  # records from before there was this have none
    scores: dict[str, SubjectScore]
    trials: list[TrialRecord]


class OperatingPoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The best that the threshold can do within a limit of false activations.

    Parameters
    ----------
    limit_per_min : float
    threshold : float or None
        The one with the most true activations whose mean rate of false ones keeps the limit; None when none does.
    true_activation, false_per_min : Summary or None
        At that threshold, over subjects.
    held_out_true, held_out_false : Summary or None
        The same with each subject's threshold chosen on the other subjects only.
    """

    limit_per_min: float
    threshold: float | None
    true_activation: Summary | None
    false_per_min: Summary | None
    held_out_true: Summary | None
    held_out_false: Summary | None


class Condition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A way of using the decoder, over all subjects.

    Parameters
    ----------
    name : str
        ``k0``: all trials without calibration. ``k5``: calibrated on 5 trials a class, judged on later ones.
        ``k5_base``: without calibration, on the same later ones.
    k : int
    is_calibrated : bool
    n_trials : int
    metrics : dict of Summary
    itr_of_mean : float or None
        Information transfer rate of the mean accuracy; the mean of the subjects' rates is higher, because the rate
        is convex and clamped at chance.
    ece_trials, ece_windows : float or None
        Expected calibration error over all trials, and over all windows of imagery.
    trial_bins, window_bins : list of (float, float, float)
        Reliability, summed over subjects.
    coverage : list of (float, float, float)
        Coverage, accuracy, least confidence, over all trials; see `metrics.coverage_accuracy`.
    sweep_true, sweep_false : list of float
        Means over subjects at every threshold.
    operating_point : OperatingPoint or None
    """

    name: str
    k: int
    is_calibrated: bool
    n_trials: int
    metrics: dict[str, Summary]
    itr_of_mean: float | None
    ece_trials: float | None
    ece_windows: float | None
    trial_bins: list[tuple[float, float, float]]
    window_bins: list[tuple[float, float, float]]
    coverage: list[tuple[float, float, float]]
    sweep_true: list[float | None] = []
    sweep_false: list[float | None] = []
    operating_point: OperatingPoint | None = None


class EyeCheck(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far frontal electrodes alone explain the decoder's output; see docs/evaluation.md.

    Parameters
    ----------
    channels : list of str
        Frontal electrodes that all recordings have.
    n_trials, n_features : int
    r2 : float or None
        Cross-validated share of the margins' variance that a ridge regression explains.
    frontal_accuracy : Summary or None
        Balanced accuracy of the class predicted from frontal electrodes alone, other subjects' weights.
    eye_rule : Summary or None
        Balanced accuracy of the untrained rule.
    limit_r2 : float
    is_above : bool
        Whether `r2` is above the limit.
    note : str
        What it means, or why it could not be checked.
    """

    channels: list[str]
    n_trials: int
    n_features: int
    r2: float | None
    frontal_accuracy: Summary | None
    eye_rule: Summary | None
    limit_r2: float
    is_above: bool
    note: str


class DecoderUsed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Weights that were judged.

    Parameters
    ----------
    fold : str
    profile, profile_sha256 : str
        Its folder, and the hash of its `profile.json`, which holds that of the weights.
    chain_hash : str
    engine, engine_sha256 : str
    n_trained_on : int
        Subjects that its profile says it was trained on.
    user, generation, n_trials : str, int, int
        Of its profile: whose it is, which of theirs (0: kept with no user's), and trials that it was fitted on. Files from
        before there were these have none.
    """

    fold: str
    profile: str
    profile_sha256: str
    chain_hash: str
    engine: str
    engine_sha256: str
    n_trained_on: int
    user: str = ""
    generation: int = 0
    n_trials: int = 0


class Evaluation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file.

    Parameters
    ----------
    kind, schema : str, int
        `KIND` and `SCHEMA`.
    created : str
        ISO 8601, UTC.
    versions : dict
        Of rtbci and the libraries that numbers depend on.
    settings : dict
        What was asked for, and the rules in force.
    paradigm : dict
        The recipe's classes, channels, window, recentring, decision.
    data : dict
        Name, place, subjects, runs, channels, rates, trials, trials left out.
    seen : str
        ``no``, ``yes``, ``unknown`` or ``some``: whether weights were trained on the subjects they judge.
    decoders : list of DecoderUsed
    thresholds : list of float
        Of the sweep.
    conditions : list of Condition
    tests : list of Difference
        Calibrated against not, on the same trials.
    eye : EyeCheck
    subjects : list of SubjectRecord
    warnings : list of str
        What people should know before they believe a number.
    """

    kind: str
    schema_version: int = msgspec.field(name="schema")
    created: str
    versions: dict[str, str]
    settings: dict[str, Any]
    paradigm: dict[str, Any]
    data: dict[str, Any]
    seen: str
    decoders: list[DecoderUsed]
    thresholds: list[float]
    conditions: list[Condition]
    tests: list[Difference]
    eye: EyeCheck
    subjects: list[SubjectRecord]
    warnings: list[str]


def write_evaluation(path: Path, evaluation: Evaluation) -> None:
    """Write an evaluation as JSON, all or nothing.

    Raises
    ------
    FileFormatError
        When the place cannot be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, msgspec.json.format(msgspec.json.encode(evaluation), indent=1) + b"\n")
    except OSError as error:
        raise FileFormatError(
            f"{path}: cannot be written ({error.strerror}); choose another place"
        ) from error


def read_evaluation(path: Path) -> Evaluation:
    """Read what `write_evaluation` wrote.

    Raises
    ------
    FileFormatError
        When it is missing, or no evaluation of this schema.
    """
    remedy = "give a file that `rtbci eval --json` wrote"
    try:
        content = path.read_bytes()
        head = msgspec.json.decode(content)
        if not isinstance(head, dict) or head.get("kind") != KIND:
            raise FileFormatError(f"{path}: is no evaluation, need JSON of kind '{KIND}'; {remedy}")
        if head.get("schema") != SCHEMA:
            raise FileFormatError(
                f"{path}: is an evaluation of schema {head.get('schema')}, need {SCHEMA}; evaluate again"
            )
        return msgspec.json.decode(content, type=Evaluation)
    except OSError as error:
        raise FileFormatError(f"{path}: cannot be read ({error.strerror}); {remedy}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FileFormatError(f"{path}: is no evaluation ({error}); {remedy}") from error
