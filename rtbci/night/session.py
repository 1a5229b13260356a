"""The hypnogram of a recorded session: what the decoder said while the night lasted."""

from collections.abc import Sequence

import numpy as np

from rtbci.night.hypnogram import EPOCH_S, STAGES, Hypnogram, from_windows
from rtbci.publish.messages import Prediction
from rtbci.stream.source import Marker

__all__ = ["hypnogram_of", "marked_stages"]


def hypnogram_of(predictions: Sequence[Prediction]) -> Hypnogram | None:
    """Make a hypnogram of a run's predictions.

    Returns
    -------
    Hypnogram or None
        Its epochs begin with the first sample that was decoded. None where the classes are not the stages of sleep, or no
        window was full.
    """
    full = sorted((one for one in predictions if one.probs), key=lambda one: one.t_window[1])
    if not full or set(full[0].classes) != set(STAGES):
        return None
    t = np.array([one.t_window[1] for one in full])
    t0_s = min(one.t_window[0] for one in full)
    hop_s = float(np.median(np.diff(t))) if len(t) > 1 else EPOCH_S
    n_epochs = int((t[-1] - t0_s + 0.5 * hop_s) / EPOCH_S)
    probs = np.array([one.probs for one in full], dtype=np.float64)
    return from_windows(t, probs, full[0].classes, t0_s, n_epochs, hop_s)


def marked_stages(markers: Sequence[Marker], hypnogram: Hypnogram) -> Hypnogram | None:
    """What markers that are named as stages said of the same epochs: a stage holds until the next marker of one.

    Returns
    -------
    Hypnogram or None
        None where there is no such marker.
    """
    known = [one for one in markers if one.value in STAGES]
    if not known:
        return None
    times = np.array([one.t_lsl for one in known])
    middles = hypnogram.t0_s + hypnogram.starts_s + 0.5 * EPOCH_S
    at = np.searchsorted(times, middles, side="right") - 1
    stages = tuple(known[i].value if i >= 0 else None for i in at.tolist())
    return Hypnogram(stages, hypnogram.t0_s)
