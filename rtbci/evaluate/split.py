"""Which trials calibrate and which are judged: in the order of time, never a label before it would exist."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rtbci.evaluate.trials import Trial

__all__ = ["Remaining", "Split", "first_trials"]

Remaining = Literal["later", "all"]
"""Judged are trials after the last calibration trial, or all that do not calibrate."""


@dataclass(frozen=True, slots=True)
class Split:
    """Indices into a subject's usable trials, and when calibration ended.

    Parameters
    ----------
    calibration, judged : tuple of int
    i_run, t_s : int, float
        Run and time at which the last calibration trial ended.
    """

    calibration: tuple[int, ...]
    judged: tuple[int, ...]
    i_run: int
    t_s: float


def first_trials(
    trials: Sequence[Trial], k: int, classes: Sequence[int], remaining: Remaining
) -> Split | None:
    """Take the first `k` trials of each class in time for calibration.

    Parameters
    ----------
    trials : sequence of Trial
        Usable ones, in time order.
    k : int
        0: nothing calibrates, all are judged.
    classes : sequence of int
        Each must have `k` trials.
    remaining : {'later', 'all'}
        With 'later' a trial that lies between the calibration trials is not judged: live it would have come
        before the calibration's end.

    Returns
    -------
    Split or None
        None when a class has fewer trials, or none is left to judge.
    """
    taken: list[int] = []
    for i_class in classes:
        mine = [i for i, trial in enumerate(trials) if trial.i_class == i_class][:k]
        if len(mine) < k:
            return None
        taken += mine
    taken.sort()
    last = trials[taken[-1]] if taken else None
    i_run, t_s = (last.i_run, last.t_end) if last is not None else (0, -1.0)
    first_later = taken[-1] + 1 if taken and remaining == "later" else 0
    judged = tuple(i for i in range(first_later, len(trials)) if i not in set(taken))
    return Split(tuple(taken), judged, i_run, t_s) if judged else None
