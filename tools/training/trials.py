"""Trials cut from the decoder's signal, for training and for judging."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rtbci.stages.filter import SosFilter
from rtbci.stages.stage import FloatArray
from tools.training.signals import RATE_HZ, Signal

__all__ = [
    "BANDS_HZ",
    "BAND_ORDER",
    "CONTEXT",
    "ENDS_SLIDING",
    "END_TRACK_B",
    "FIRST_END",
    "HOP",
    "LAST_END",
    "PATCH",
    "WINDOW",
    "Trials",
    "band_covariances",
    "band_signals",
    "cut_trials",
    "usable",
]

HOP = 16
PATCH = 64
WINDOW = 12 * PATCH
CONTEXT = 64
"""Samples kept before the cue, so that filters inside a branch see what they would have seen live."""

FIRST_END = WINDOW
LAST_END = round(4.1 * RATE_HZ)
END_TRACK_B = round(4.0 * RATE_HZ)
"""End of the window of track B, 1 to 4 s after the cue, in samples after the cue."""

ENDS_SLIDING = tuple(range(round(0.5 * RATE_HZ) + WINDOW, LAST_END + 1, HOP))
"""Ends of all windows on a grid of hops that lie inside 0.5 to 4.1 s: what a live user sees."""

BANDS_HZ = ((8.0, 11.0), (11.0, 14.0), (14.0, 20.0), (20.0, 30.0))
BAND_ORDER = 2


@dataclass(frozen=True, slots=True)
class Trials:
    """Cued trials of many subjects.

    Parameters
    ----------
    x : ndarray of float32, shape (n_trials, n_channels, CONTEXT + LAST_END)
        Aligned signal from `CONTEXT` samples before the cue to 4.1 s after it.
    classes : ndarray of int64, shape (n_trials,)
        0 left, 1 right.
    subjects : ndarray of int, shape (n_trials,)
    """

    x: npt.NDArray[np.float32]
    classes: npt.NDArray[np.int64]
    subjects: npt.NDArray[np.intp]

    def windows(self, end: int, context: int = 0) -> npt.NDArray[np.float32]:
        """Windows that end `end` samples after the cue, with `context` samples before them; a view."""
        stop = CONTEXT + end
        return self.x[:, :, stop - WINDOW - context : stop]


def usable(signal: Signal) -> npt.NDArray[np.bool_]:
    """Which cues have enough signal around them; the last trial of some runs has not."""
    return usable_cues(signal.i_cue, len(signal.data))


def usable_cues(i_cue: npt.NDArray[np.intp], n_samples: int) -> npt.NDArray[np.bool_]:
    """The same of cues in a signal of so many samples, both at `RATE_HZ`."""
    return (i_cue >= CONTEXT) & (i_cue + LAST_END <= n_samples)


def cut_trials(signals: Sequence[Signal]) -> Trials:
    """Cut all usable trials out of aligned signals."""
    parts = []
    for signal in signals:
        cues = signal.i_cue[usable(signal)]
        parts += [signal.data[i - CONTEXT : i + LAST_END].T.astype(np.float32) for i in cues]
    return Trials(
        np.stack(parts),
        np.concatenate([signal.classes[usable(signal)] for signal in signals]).astype(np.int64),
        np.concatenate([np.full(usable(signal).sum(), signal.subject) for signal in signals]).astype(np.intp),
    )


def band_covariances(
    signals: Sequence[Signal], spans: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], FloatArray]:
    """Second moments in each band, the bands filtered over whole runs as the live branch does.

    Parameters
    ----------
    signals : sequence of Signal
        Aligned.
    spans : sequence of (int, int)
        Start and end of windows, in samples after the cue.

    Returns
    -------
    dict
        By span: ndarray of float64, shape (n_trials, n_bands, n_channels, n_channels).
    """
    found: dict[tuple[int, int], list[FloatArray]] = {span: [] for span in spans}
    for signal in signals:
        bands = band_signals(signal)
        for i_cue in signal.i_cue[usable(signal)]:
            for start, end in spans:
                window = bands[:, :, i_cue + start : i_cue + end]
                found[start, end].append(window @ window.transpose(0, 2, 1) / (end - start))
    return {span: np.stack(covariances) for span, covariances in found.items()}


def band_signals(signal: Signal) -> FloatArray:
    """A whole run in each band, as the live branch filters it; shape (n_bands, n_channels, n_samples)."""
    n = signal.data.shape[1]
    filters = [SosFilter.bandpass(low, high, RATE_HZ, n, BAND_ORDER) for low, high in BANDS_HZ]
    return np.stack([one.push(signal.data).T for one in filters])
