"""The untrained eye rule: which side do the eyes turn to? Right when F8 is more positive than F7."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rtbci.stages.stage import FloatArray
from tools.training.judge import subject_accuracies
from tools.training.signals import read_runs

__all__ = ["EARLY_S", "LATE_S", "eye_rule"]

EARLY_S = (0.25, 0.5)
"""Where the saccade towards the cue is; track A contains it."""

LATE_S = (1.0, 4.0)
"""Track B's window."""

BASELINE_S = 0.25


def eye_rule(paths: Sequence[Path], span_s: tuple[float, float]) -> FloatArray:
    """Balanced accuracy of each subject, in percent, of the sign of F8 less F7.

    Parameters
    ----------
    paths : sequence of Path
        Subjects' npz files; the raw signal is read, so that slow eye potentials are in it.
    span_s : (float, float)
        Mean from here to here, in seconds after the cue, less the mean of the 0.25 s before the cue.
    """
    subjects: list[int] = []
    classes: list[int] = []
    margins: list[float] = []
    for run in (run for path in paths for run in read_runs(path)):
        lateral = run.data_uv[:, run.labels.index("F8")] - run.data_uv[:, run.labels.index("F7")]
        n_before = round(BASELINE_S * run.rate_hz)
        start, stop = (round(at_s * run.rate_hz) for at_s in span_s)
        for i_cue, side in zip(run.i_cue, run.classes, strict=True):
            if i_cue < n_before or i_cue + stop > len(lateral):
                continue
            margins.append(
                float(lateral[i_cue + start : i_cue + stop].mean() - lateral[i_cue - n_before : i_cue].mean())
            )
            classes.append(int(side))
            subjects.append(run.subject)
    return subject_accuracies(_integers(subjects), _integers(classes), np.array(margins))


def _integers(values: list[int]) -> npt.NDArray[np.int64]:
    return np.array(values, dtype=np.int64)
