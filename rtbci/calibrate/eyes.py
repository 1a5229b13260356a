"""Did the eyes give the class away? The eye check of a calibration, for one person."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import pearsonr

from rtbci.calibrate.enough import interval
from rtbci.calibrate.trial import CalibrationTrial
from rtbci.evaluate.frontal import BASELINE_S, SACCADE_S, eye_rule, side_classes
from rtbci.probe.calibration_record import EyeNote
from rtbci.stages.stage import FloatArray
from rtbci.stream.labels import canonical_label

__all__ = ["check_eyes", "follow_the_eyes", "lateral_uv"]

SIDES = (("F7", "F8"), ("AF7", "AF8"), ("FP1", "FP2"))
"""Left and right electrode by how well they see the eyes turn; the first pair that the stream has is taken."""
WARN_R = 0.5
"""A quarter of the output's variance; chance stays below 0.45 in 20 trials."""


def check_eyes(
    trials: Sequence[CalibrationTrial],
    labels: Sequence[str],
    classes: Sequence[str],
    margins: FloatArray,
) -> EyeNote:
    """Compare the eyes' movement after each cue with the class asked for, and with the decoder's output.

    Parameters
    ----------
    trials : sequence of CalibrationTrial
        Accepted ones.
    labels : sequence of str
        Of the columns of their raw signals.
    classes : sequence of str
        Of the paradigm, what `i_class` counts.
    margins : ndarray of float64, shape (n_trials,)
        Log odds of the right-hand side class by a decoder that did not see the trial; empty when there is none.

    Returns
    -------
    EyeNote
        Of the trials that asked for the left or the right side: a rule that names a side is never right in others. With a
        note instead of numbers where the check cannot be made.
    """
    sides = side_classes(classes)
    if sides is None:
        return EyeNote(note="not checked: classes are not one left and one right")
    asked = np.array([trial.i_class for trial in trials], dtype=np.intp)
    uv = np.array([lateral_uv(trial, labels) for trial in trials])
    guessed = eye_rule(uv, classes)
    known = np.isfinite(uv) & np.isin(asked, sides)
    if guessed is None or known.sum() < 4:
        few = np.isfinite(uv).any() or not len(uv)
        why = (
            "fewer than four trials asked for the left or the right"
            if few
            else "no pair of frontal electrodes"
        )
        return EyeNote(note=f"not checked: {why}")
    share = float((guessed == asked)[known].mean())
    low, high = interval(share, int(known.sum()))
    r = p = None
    if len(margins) == len(uv) and np.ptp(margins[known]) > 0 and np.ptp(uv[known]) > 0:
        r, p = (float(x) for x in pearsonr(uv[known], margins[known]))
    note = _warning(low, r, p)
    return EyeNote(accuracy=100 * share, low=100 * low, high=100 * high, r=r, p=p, note=note)


def _warning(low: float, r: float | None, p: float | None) -> str:
    """What to be warned of; low is the lower bound of the eye rule's share."""
    if _follows(r, p):
        return "the decoder's output follows the eyes: it may be gaze, not imagery; keep them in the middle"
    if low > 0.5:
        return "the eyes turn with the cue, though the decoder's output does not follow them closely; keep them in the middle"
    return ""


def _follows(r: float | None, p: float | None) -> bool:
    return r is not None and p is not None and abs(r) > WARN_R and p < 0.01


def follow_the_eyes(note: EyeNote | None) -> bool:
    """Whether what a decoder says moves with the eyes, so that its accuracy may be theirs."""
    return note is not None and _follows(note.r, note.p)


def lateral_uv(trial: CalibrationTrial, labels: Sequence[str]) -> float:
    """Right less left frontal electrode at 0.25 to 0.5 s after the cue, less its mean of the 0.25 s before; NaN without.

    As `rtbci.evaluate.frontal.FrontalRun.lateral_uv`, from the raw signal that a trial keeps.
    """
    columns = {canonical_label(label): i for i, label in enumerate(labels)}
    pair = next(((a, b) for a, b in SIDES if a in columns and b in columns), None)
    before = (trial.t_raw >= -BASELINE_S) & (trial.t_raw < 0.0)
    turn = (trial.t_raw >= SACCADE_S[0]) & (trial.t_raw <= SACCADE_S[1])
    if pair is None or not before.any() or not turn.any():
        return float("nan")
    left, right = (np.asarray(trial.raw_uv[:, columns[name]], dtype=np.float64) for name in pair)
    side = right - left
    return float(side[turn].mean() - side[before].mean())
