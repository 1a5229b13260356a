"""What the user was asked to do, and when: tracks, cued trials, and which windows belong to them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rtbci.errors import ConfigError, FileFormatError
from rtbci.recipes import BandpassSettings, ParadigmRecipe, idle_class
from rtbci.replay.recording import Recording
from rtbci.stages.stage import FloatArray
from rtbci.stream.labels import canonical_label
from rtbci.stream.repeats import without_repeats
from rtbci.stream.source import UNSEEN, Marker

__all__ = [
    "FRONTAL",
    "IDLE",
    "TRACKS",
    "Track",
    "Trial",
    "active_classes",
    "check_track",
    "find_track",
    "find_trials",
    "nearest_window",
    "window_labels",
]

FRONTAL = ("FP1", "FP2", "AF7", "AF3", "AFZ", "AF4", "AF8", "F7", "F3", "FZ", "F4", "F8")
"""Electrodes that see eye movements most; what they alone can tell is not imagery."""

IDLE = -1
"""Label of a window that belongs to no imagery."""

TRIAL_S = 4.0
"""How long a cue holds when no marker ends it (Graz, EEGMMIDB: about 4 s)."""
LONGEST_TRIAL_S = 6.0
"""A next marker later than this after a cue does not end the trial; `TRIAL_S` does."""
ONSET_S = 0.5
"""Nobody imagines sooner after a cue; windows that end before are idle."""
SLOWEST_IMAGERY_HZ = 8.0
ROUNDING_S = 1e-6
JITTER = 1.5


@dataclass(frozen=True, slots=True)
class Track:
    """Where a cue-locked window must lie, in seconds after the cue."""

    name: str
    start_s: float
    end_s: float


TRACKS = {"A": Track("A", 0.0, 4.0), "B": Track("B", 1.0, 4.0)}
"""A: from the cue on, contains eye movements towards it. B: imagery only; the one that counts."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One cue.

    Parameters
    ----------
    i_run : int
        Which of the subject's runs, from 0.
    t_cue, t_end : float
        Cue and end of the trial, in seconds from the run's first sample.
    i_class : int
        Class asked for, an index into the paradigm's classes.
    """

    i_run: int
    t_cue: float
    t_end: float
    i_class: int


def active_classes(classes: Sequence[str]) -> list[str]:
    """Classes that are not idle, in order."""
    idle = idle_class(classes)
    return [name for i, name in enumerate(classes) if i != idle]


def find_track(name: str) -> Track:
    """A track by its name, or by the seconds after the cue that it goes from and to, as ``0.5-4.5``.

    Raises
    ------
    ConfigError
        When it is neither.
    """
    if name.upper() in TRACKS:
        return TRACKS[name.upper()]
    start, _, end = name.partition("-")
    try:
        found = Track(name, float(start), float(end))
    except ValueError:
        found = Track(name, 0.0, -1.0)
    if not 0.0 <= found.start_s < found.end_s < np.inf:
        raise ConfigError(
            f"--track: got '{name}', need A (from the cue on), B (imagery only, the one that counts) or seconds after the "
            "cue, as 0.5-4.5"
        )
    return found


def check_track(track: str, recipe: ParadigmRecipe) -> Track:
    """Look a track up, and refuse a paradigm that does not keep to it.

    Raises
    ------
    ConfigError
        When there is no such track, the paradigm's window does not fit into it, track B is asked for and
        the paradigm reads frontal electrodes below 8 Hz, or its windows are locked to markers.
    """
    found = find_track(track)
    where = f"track {found.name}: paradigm '{recipe.name}'"
    if recipe.window.policy != "sliding":
        raise ConfigError(f"{where} decodes windows locked to markers, need sliding windows; judge another")
    if recipe.window.length_s > found.end_s - found.start_s + ROUNDING_S:
        raise ConfigError(
            f"{where} has windows of {recipe.window.length_s:g} s, need at most {found.end_s - found.start_s:g} s "
            f"({found.start_s:g} to {found.end_s:g} s after the cue); "
            + (
                "judge it on track A"
                if recipe.window.length_s <= TRACKS["A"].end_s - TRACKS["A"].start_s
                else f"where cues hold for longer, give seconds after them, as --track 0-{recipe.window.length_s + 1.0:g}"
            )
        )
    frontal = [label for label in recipe.input.channels if canonical_label(label) in FRONTAL]
    if found.name == "B" and frontal and not _is_imagery_band(recipe):
        raise ConfigError(
            f"{where} reads {', '.join(frontal)} below {SLOWEST_IMAGERY_HZ:g} Hz, where eye movements are; need no "
            f"frontal electrodes, or a band-pass from {SLOWEST_IMAGERY_HZ:g} Hz on; judge it on track A"
        )
    return found


def _is_imagery_band(recipe: ParadigmRecipe) -> bool:
    lows = [stage.low_hz for stage in recipe.stages if isinstance(stage, BandpassSettings)]
    return bool(lows) and max(lows) >= SLOWEST_IMAGERY_HZ


def find_trials(runs: Sequence[Recording], recipe: ParadigmRecipe, where: str) -> list[Trial]:
    """Cues of all runs in time order, those of an idle class included.

    A trial ends with the next marker, or `TRIAL_S` after its cue when none comes within `LONGEST_TRIAL_S`. Where the
    recipe says how long a trial is, it ends then, or with the next marker before. A trial that `UNSEEN` ends is none, and
    a cue that was told twice is one; see `rtbci.stream.repeats`.

    Raises
    ------
    FileFormatError
        When no marker names a class; says which markers there are.
    """
    trials = [trial for i, run in enumerate(runs) for trial in _trials_of_run(i, run, recipe)]
    if not trials:
        texts = sorted({marker.value for run in runs for marker in run.markers})
        known = sorted(
            {*recipe.classes, *(text for texts_of in recipe.markers.values() for text in texts_of)}
        )
        raise FileFormatError(
            f"{where}: no cues, its markers are {', '.join(texts[:12]) or 'none'}, need some of {', '.join(known)}; "
            "name them with --map TEXT=CLASS or in [markers] of the paradigm's recipe.toml, or give recordings with cues"
        )
    return trials


def _trials_of_run(i_run: int, run: Recording, recipe: ParadigmRecipe) -> list[Trial]:
    trials: list[Trial] = []
    markers = without_repeats(run.markers, recipe.class_of)
    for i, (t_cue, text) in enumerate(markers):
        name = recipe.class_of(text)
        if name is None or t_cue < 0:
            continue
        after, ended_by = next((one for one in markers[i + 1 :] if one.t_lsl > t_cue), Marker(np.inf, ""))
        if ended_by == UNSEEN:
            continue
        longest_s = recipe.trial_s or LONGEST_TRIAL_S
        t_end = after if after - t_cue <= longest_s else t_cue + (recipe.trial_s or TRIAL_S)
        trials.append(Trial(i_run, t_cue, min(t_end, run.duration_s), recipe.classes.index(name)))
    return trials


def nearest_window(
    t_first: FloatArray, t_newest: FloatArray, t_cue: float, track: Track, hop_s: float
) -> int | None:
    """Window that a trial is judged by: its newest sample is nearest to, but not after, the track's end.

    Parameters
    ----------
    t_first, t_newest : ndarray of float64, shape (n_windows,)
        Stamps of first and newest sample of the windows, ascending, in seconds.
    t_cue : float
    track : Track
    hop_s : float

    Returns
    -------
    int or None
        None when no window ends within a hop of the track's end, as after a gap or at the recording's end, or
        when it begins more than a hop before the track does. (Windows come once a hop, so the one that ends
        last in the track begins up to a hop early.)
    """
    target = t_cue + track.end_s
    i = int(np.searchsorted(t_newest, target + ROUNDING_S, side="right")) - 1
    if i < 0 or target - t_newest[i] > JITTER * hop_s:
        return None
    return i if t_first[i] >= t_cue + track.start_s - JITTER * hop_s else None


def window_labels(
    t_newest: FloatArray, trials: Sequence[Trial], idle: int | None = None
) -> npt.NDArray[np.intp]:
    """What the user did at the newest sample of each window, shape (n_windows,): a class, or `IDLE`.

    Imagery lasts from `ONSET_S` after a cue to the trial's end; trials of the class `idle` are no imagery.
    """
    labels = np.full(len(t_newest), IDLE, dtype=np.intp)
    for trial in trials:
        if trial.i_class != idle:
            labels[imagery(t_newest, trial)] = trial.i_class
    return labels


def imagery(t_newest: FloatArray, trial: Trial) -> npt.NDArray[np.bool_]:
    """Which windows end while a trial's imagery lasts, shape (n_windows,)."""
    return np.asarray((t_newest >= trial.t_cue + ONSET_S) & (t_newest <= trial.t_end))
