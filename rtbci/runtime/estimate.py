"""Which windows are decoded, and what one of them gave."""

import math
from dataclasses import dataclass
from typing import NamedTuple

from rtbci.stages.stage import FloatArray
from rtbci.stream.source import Marker

__all__ = ["Estimate", "WindowGrid"]


@dataclass(frozen=True, slots=True)
class WindowGrid:
    """Which windows are decoded, in samples at the decoder's rate.

    Parameters
    ----------
    length, hop : int
        Window length, and distance between the ends of two windows.
    marker_policy : bool
        Windows start `t_min_s` after each marker instead of every hop.
    t_min_s : float
        Start of a marker-locked window relative to its marker, in seconds.
    """

    length: int
    hop: int
    marker_policy: bool = False
    t_min_s: float = 0.0


class Estimate(NamedTuple):
    """What one window gave.

    Parameters
    ----------
    t_window : tuple of float
        Stamps of the first and the newest sample, seconds of the LSL clock.
    probs : ndarray of float64, shape (n_classes,), or None
        Calibrated probabilities; None while the window is not full, and of one that is refused.
    logits : ndarray of float64, shape (n_classes,), or None
        The fused logits that `probs` come from, recentred where the pipeline recentres.
    marker : Marker or None
        The marker that the window is locked to.
    filter_s, encode_s, probe_s : float
        Time spent in the stages on the window's last chunk, in the branches' features, in heads and fusion [s].
    clean : float
        What the guard says of the signal at the window's end, 1 where it finds nothing; see `rtbci.stages.guard`.
    is_refused : bool
        Whether the window is full, but no signal to a branch, or none that a baseline may be learnt from; see
        `rtbci.probe.branches.Refusing`.
    flicker_s : float
        Flicker's own time at the window's end, NaN where it is not known; see `rtbci.probe.flicker_clock`.
    """

    t_window: tuple[float, float]
    probs: FloatArray | None
    logits: FloatArray | None
    marker: Marker | None
    filter_s: float
    encode_s: float
    probe_s: float
    clean: float = 1.0
    is_refused: bool = False
    flicker_s: float = math.nan
