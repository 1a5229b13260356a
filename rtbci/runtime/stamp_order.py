"""Stamps that tell no time: they go back from sample to sample, or stand still."""

from collections.abc import Sequence

from rtbci.errors import RateError
from rtbci.stream.source import FloatArray, StreamInfo

__all__ = ["LOOK_S", "StampOrder"]

LOOK_S = 10.0
"""As long as the rate is measured over."""
MOST_BACK = 0.5
"""Share of samples: a clock that is set back, and packets that overtake each other, are far below it."""
LEAST_PASSED = 0.1
"""Of the time that so many samples take: what sends twice is far above it, the true rate is looked at elsewhere."""


class StampOrder:
    """Finds streams of which no rate is ever measured, as each sample begins the measurement anew or adds nothing to it.

    Parameters
    ----------
    info : StreamInfo
    t_now : float
        Time of the connection, in seconds.

    Notes
    -----
    One owner.
    """

    def __init__(self, info: StreamInfo, t_now: float) -> None:
        self._info = info
        self._t_last: float | None = None
        self._begin(t_now)

    def push(self, t_lsl: FloatArray, breaks: Sequence[tuple[int, float]]) -> None:
        """Take the stamps of a chunk, without samples that came twice, and its breaks by `rtbci.stream.health`."""
        if not len(t_lsl):
            return
        self._n += len(t_lsl)
        self._n_back += sum(gap_s < 0 for _, gap_s in breaks)
        t_last = float(t_lsl[-1])
        # Whole chunks: a packet of which all samples have one stamp moves by its own length to the next one's.
        self._passed_s += 0.0 if self._t_last is None else abs(t_last - self._t_last)
        self._t_last = t_last

    def check(self, t_now: float) -> None:
        """Refuse a stream of such stamps, once in `LOOK_S`.

        Raises
        ------
        RateError
            When most samples are stamped before the one in front of them, or all have nearly the same stamp.
        """
        if t_now - self._t_begun < LOOK_S:
            return
        n, n_back, expected_s = self._n, self._n_back, self._n / self._info.rate_hz
        passed_s = self._passed_s
        self._begin(t_now)
        if expected_s < LEAST_PASSED * LOOK_S:
            return  # too little came to say so
        if n_back > MOST_BACK * n:
            fault = f"{n_back} of {n} samples are stamped before the one in front of them"
        elif passed_s < LEAST_PASSED * expected_s:
            fault = f"the stamps of {n} samples, {expected_s:.1f} s of signal, span {passed_s:.1f} s"
        else:
            return
        raise RateError(
            f"stream '{self._info.name}': {fault}, need stamps that rise by 1/rate; have the program that sends it stamp with the "
            "LSL clock (pylsl.local_clock()), or not at all"
        )

    def _begin(self, t_now: float) -> None:
        self._t_begun, self._n, self._n_back, self._passed_s = t_now, 0, 0, 0.0
