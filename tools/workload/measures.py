"""How well something tells rest from arithmetic in one person, window by window, and what it does within each."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.signal import butter, find_peaks, sosfiltfilt

from rtbci.recipes import ParadigmRecipe
from rtbci.replay.recording import Recording
from rtbci.runtime.decoder import Decoder
from rtbci.stages.stage import FloatArray

__all__ = ["Told", "auc", "decoded", "heart_rate", "said"]


class Told(NamedTuple):
    """What there is to say of one person.

    Parameters
    ----------
    rest, task : ndarray of float64, shape (n,)
        Of each window that is all in one of them, behind the baseline.
    """

    rest: FloatArray
    task: FloatArray

    def row(self) -> dict[str, float]:
        """AUC of task against rest, and of the second half against the first within each."""
        return {
            "auc": auc(self.rest, self.task),
            "rest_halves": auc(*np.array_split(self.rest, 2)),
            "task_halves": auc(*np.array_split(self.task, 2)),
        }


def auc(low: FloatArray, high: FloatArray) -> float:
    """How often one of `high` is above one of `low`; equal ones count half."""
    return float((high[:, None] > low).mean() + 0.5 * (high[:, None] == low).mean())


def decoded(recipe: ParadigmRecipe, session: Recording, profile: Any = None) -> tuple[Told, Told]:
    """Log odds and value of every window of a session, streamed; the first of the task begins behind the gap."""
    (gap_s, _), *_ = session.gaps()
    with Decoder(recipe, profile=profile) as decoder:
        verdicts = [one for one in decoder.decode(session) if one.value is not None]
    i_class = recipe.classes.index(recipe.value.of if recipe.value else recipe.classes[-1])
    t_first = np.array([one.estimate.t_window[0] for one in verdicts])
    logits = np.stack([one.estimate.logits for one in verdicts if one.estimate.logits is not None])
    odds = logits[:, i_class] - logits[:, 1 - i_class]
    value = np.array([one.value for one in verdicts], dtype=np.float64)
    is_task = t_first > gap_s
    return said(odds, is_task), said(value, is_task)


def said(numbers: FloatArray, is_task: npt.NDArray[np.bool_]) -> Told:
    """Numbers of windows, by what was done in them."""
    return Told(numbers[~is_task], numbers[is_task])


def heart_rate(ecg: FloatArray, rate_hz: float, window_s: float, hop_s: float) -> FloatArray:
    """Beats a minute in each window, from R peaks; for a control, so the filter may look ahead.

    NaN where a window has fewer than three beats.
    """
    sos = butter(2, (5.0, 20.0), "bandpass", fs=rate_hz, output="sos")
    band = np.asarray(sosfiltfilt(sos, ecg))
    band = band * np.sign(np.abs(np.percentile(band, 99.5)) - np.abs(np.percentile(band, 0.5)))
    peaks, _ = find_peaks(band, height=0.5 * float(np.percentile(band, 99.0)), distance=round(0.35 * rate_hz))
    t_s = peaks / rate_hz
    ends = np.arange(window_s, len(ecg) / rate_hz + 1e-9, hop_s)
    return np.array([_rate(t_s[(t_s >= end - window_s) & (t_s < end)]) for end in ends])


def _rate(t_s: FloatArray) -> float:
    return 60.0 / float(np.median(np.diff(t_s))) if len(t_s) > 2 else float("nan")
