"""How long the flicker that a user may look at has run, by its own count: what phases follow from."""

import math
from bisect import insort
from collections import deque
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from rtbci.stages.stage import FloatArray
from rtbci.stream.source import Marker

__all__ = ["FLICKER_AT", "FLICKER_ON", "HOLD_S", "FlickerClock", "flicker_seconds", "steady_time"]

FLICKER_ON = "flicker_on"
"""Marker: all targets begin now, with phase zero."""
FLICKER_AT = "flicker_at/"
"""Begins a marker: the flicker has run so many seconds of its own time now, frames counted and divided by the nominal refresh rate."""
HOLD_S = 10.0
"""Longer after a marker the phase is not known: refresh rates are wrong by a part in a thousand, 10 ms by then."""


class _Anchor(NamedTuple):
    t_lsl: float
    flicker_s: float


def flicker_seconds(text: str) -> float | None:
    """What a marker says of the flicker's own time; None where it says nothing of it.

    Examples
    --------
    >>> flicker_seconds("flicker_on"), flicker_seconds("flicker_at/12.5"), flicker_seconds("rest")
    (0.0, 12.5, None)
    """
    if text == FLICKER_ON:
        return 0.0
    if not text.startswith(FLICKER_AT):
        return None
    try:
        seconds = float(text[len(FLICKER_AT) :])
    except ValueError:
        return None
    return seconds if 0.0 <= seconds < math.inf else None


def steady_time(t_hops: FloatArray, hop_s: float) -> float:
    """When the newest of a row of hops was, by all of their stamps: each says it, and jitters.

    Examples
    --------
    >>> steady_time(np.array([1.0, 2.0, 3.2, 4.0]), 1.0)
    4.0
    """
    return float(np.median(t_hops + hop_s * np.arange(len(t_hops))[::-1]))


class FlickerClock:
    """Brings the flicker's own time to the hops of a signal.

    Parameters
    ----------
    n_hops : int
        Of a window.
    hop_s : float

    Notes
    -----
    Stamps jitter: a hop's time is that of `steady_time` over the window. The constant delay of filters, display and
    amplifier is in here; whoever learnt from these times has it too. Not thread-safe.
    """

    def __init__(self, n_hops: int, hop_s: float) -> None:
        self._window_s, self._hop_s = n_hops * hop_s, hop_s
        self._t_hops: deque[float] = deque(maxlen=n_hops)
        self._anchors: list[_Anchor] = []  # in the order of their times

    def mark(self, marker: Marker) -> None:
        """Take a marker; before or after the hops that it belongs to."""
        seconds = flicker_seconds(marker.value)
        if seconds is not None and math.isfinite(marker.t_lsl):
            insort(self._anchors, _Anchor(marker.t_lsl, seconds))

    def hop(self, t_newest: float) -> None:
        """Take the stamp of the next hop's newest sample, in seconds of the LSL clock."""
        self._t_hops.append(t_newest)
        # those that a later one has followed are of no use to later hops
        n_old = sum(after.t_lsl <= t_newest for _, after in pairwise(self._anchors))
        del self._anchors[:n_old]

    @property
    def elapsed_s(self) -> float:
        """Flicker's own time at the newest hop's newest sample, in seconds.

        NaN where it is not known, and where the window that ends there began before the flicker: nothing was heard, or
        nothing in the last `HOLD_S`.
        """
        if not self._anchors or not self._t_hops:
            return math.nan
        first = self._anchors[0]
        since_s = steady_time(np.array(self._t_hops), self._hop_s) - first.t_lsl
        if not 0.0 <= since_s <= HOLD_S or first.flicker_s + since_s < self._window_s:
            return math.nan
        return first.flicker_s + since_s

    def reset(self) -> None:
        """The stream begins anew; what was heard of the flicker holds."""
        self._t_hops.clear()
