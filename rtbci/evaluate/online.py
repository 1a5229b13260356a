"""Judged as it would be used: every window of a recording, idle time included, through the decision's policy."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from rtbci.decide.policy import DecisionPolicy
from rtbci.evaluate.decode import Windows
from rtbci.evaluate.trials import IDLE, Trial, imagery, window_labels
from rtbci.recipes import DecisionSettings
from rtbci.stages.stage import FloatArray

__all__ = ["Counts", "Span", "count_activations", "decide", "held_labels", "thresholds"]

LATE_S = 1.0
"""False activations this soon after a trial's end are counted as late ones too: they mean that trial."""

N_THRESHOLDS = 25
HIGHEST_THRESHOLD = 0.995


@dataclass(frozen=True)
class Span:
    """Windows of one run that are judged, and the trials in them.

    Parameters
    ----------
    t_newest : ndarray of float64, shape (n_windows,)
    probs : ndarray of float64, shape (n_windows, n_classes)
        NaN where no window was full.
    trials : tuple of Trial
        Those of this run whose imagery lies in the span.
    idle : int or None
        Index of the idle class.
    """

    t_newest: FloatArray
    probs: FloatArray
    trials: tuple[Trial, ...]
    idle: int | None

    @cached_property
    def full(self) -> npt.NDArray[np.bool_]:
        """Which windows were full, shape (n_windows,)."""
        return np.asarray(np.isfinite(self.probs).all(axis=1))

    @cached_property
    def labels(self) -> npt.NDArray[np.intp]:
        """What the user did at each window, shape (n_windows,)."""
        return window_labels(self.t_newest, self.trials, self.idle)

    @classmethod
    def of(
        cls, windows: Windows, probs: FloatArray, trials: Sequence[Trial], idle: int | None, from_s: float
    ) -> "Span":
        """Windows that end after `from_s`, with other probabilities than the stored ones."""
        late = windows.t_newest > from_s
        kept = tuple(trial for trial in trials if trial.t_cue >= from_s)
        return cls(windows.t_newest[late], probs[late], kept, idle)


@dataclass
class Counts:
    """What activations did; those of several runs are added by `count_activations`.

    Parameters
    ----------
    n_trials : int
        Imagery periods with a full window.
    n_true : int
        Those with an activation for the right class.
    n_wrong_first : int
        Those whose first activation was for another class.
    n_false, n_late : int
        Activations in idle time; those among them at most 1 s after a trial's end.
    idle_s : float
        Idle time.
    first_right_s : list of float
        From each cue to the first right activation, where there is one.
    """

    n_trials: int = 0
    n_true: int = 0
    n_wrong_first: int = 0
    n_false: int = 0
    n_late: int = 0
    idle_s: float = 0.0
    first_right_s: list[float] = field(default_factory=list)

    @property
    def true_share(self) -> float:
        """Share of imagery periods with a right activation."""
        return self.n_true / self.n_trials if self.n_trials else float("nan")

    @property
    def false_per_min(self) -> float:
        """False activations in a minute of idle time."""
        return 60.0 * self.n_false / self.idle_s if self.idle_s else float("nan")


def thresholds(n_classes: int) -> FloatArray:
    """Thresholds of a sweep, from chance to almost sure, evenly spaced in log odds; shape (25,)."""
    low, high = (np.log(p / (1 - p)) for p in (1.0 / n_classes, HIGHEST_THRESHOLD))
    return np.round(1.0 / (1.0 + np.exp(-np.linspace(low, high, N_THRESHOLDS))), 4)


def decide(span: Span, classes: Sequence[str], settings: DecisionSettings) -> npt.NDArray[np.intp]:
    """What the decoder's policy decides at every window: a class, or `IDLE` for none.

    Exactly as in the decoder, but from stored probabilities: the policy never decides for the idle class.
    """
    policy = DecisionPolicy(classes, idle=span.idle, **settings.model_dump())
    index: dict[str | None, int] = {None: IDLE} | {name: i for i, name in enumerate(classes)}
    decided = np.full(len(span.t_newest), IDLE, dtype=np.intp)
    full, times, probs = span.full.tolist(), span.t_newest.tolist(), span.probs.tolist()
    for i, (is_full, t, p) in enumerate(zip(full, times, probs, strict=True)):
        if not is_full:
            policy.reset()  # a gap or the start, as in the decoder
            continue
        decided[i] = index[policy.push(p, t).decision]
    return decided


def held_labels(span: Span, classes: Sequence[str], settings: DecisionSettings) -> npt.NDArray[np.intp]:
    """The decoder's output as a state: what is decided for, as long as it holds; shape (n_windows,).

    The policy without its refractory time, which only makes a pulse of a decision.
    """
    return decide(span, classes, settings.model_copy(update={"refractory_s": 0.0}))


def count_activations(
    counts: Counts, span: Span, decided: npt.NDArray[np.intp], hop_s: float, refractory_s: float
) -> None:
    """Add a run's activations to `counts`.

    Without a refractory time a decision is repeated while it holds; then only its first window counts.
    """
    active = decided != IDLE
    if refractory_s <= hop_s:
        active[1:] &= decided[1:] != decided[:-1]
    full, labels = span.full, span.labels
    is_idle = full & (labels == IDLE)
    counts.idle_s += float(is_idle.sum()) * hop_s
    counts.n_false += int((active & is_idle).sum())
    for trial in span.trials:
        if trial.i_class == span.idle:
            continue
        after = (span.t_newest > trial.t_end) & (span.t_newest <= trial.t_end + LATE_S)
        counts.n_late += int((active & is_idle & after).sum())
        inside = imagery(span.t_newest, trial) & full
        if not inside.any():
            continue
        counts.n_trials += 1
        said = np.flatnonzero(active & inside)
        if not said.size:
            continue
        counts.n_wrong_first += int(decided[said[0]] != trial.i_class)
        right = said[decided[said] == trial.i_class]
        if right.size:
            counts.n_true += 1
            counts.first_right_s.append(float(span.t_newest[right[0]] - trial.t_cue))
