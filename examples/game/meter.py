"""How long frames take, and how old what they show is."""

from typing import NamedTuple

import numpy as np

__all__ = ["Meter", "Spread"]

MAX_KEPT = 200_000
"""Values kept of each kind: an hour of frames."""
SMOOTHING = 0.05


class Spread(NamedTuple):
    """Median and 99th percentile, milliseconds, of n values."""

    p50_ms: float
    p99_ms: float
    n: int

    def __str__(self) -> str:
        if not self.n:
            return "nothing was measured"
        return f"p50 {self.p50_ms:.1f} ms, p99 {self.p99_ms:.1f} ms (n = {self.n})"


class Meter:
    """Collects times; `recent_ms` is a smoothed message-to-frame time for the screen."""

    def __init__(self) -> None:
        self.recent_ms = 0.0
        self._work_s: list[float] = []
        self._cpu_s: list[float] = []
        self._interval_s: list[float] = []
        self._to_frame_s: list[float] = []

    def frame(self, work_s: float, cpu_s: float, interval_s: float) -> None:
        """Take a frame: how long it was worked on, of that on a processor, and how long after the one before it was shown."""
        if len(self._work_s) < MAX_KEPT:
            self._work_s.append(work_s)
            self._cpu_s.append(cpu_s)
            self._interval_s.append(interval_s)

    def shown(self, to_frame_s: float) -> None:
        """Take the time from a message being sent to the first frame with it being shown."""
        if len(self._to_frame_s) < MAX_KEPT:
            self._to_frame_s.append(to_frame_s)
        self.recent_ms += SMOOTHING * (1e3 * to_frame_s - self.recent_ms)

    def lines(self) -> list[str]:
        """A report."""
        return [
            f"frame work: {spread(self._work_s)}",
            f"of that on a processor: {spread(self._cpu_s)}",
            f"frame interval: {spread(self._interval_s)}",
            f"message to frame: {spread(self._to_frame_s)}",
        ]


def spread(values_s: list[float]) -> Spread:
    """Percentiles of times in seconds; zeros when there are none."""
    if not values_s:
        return Spread(0.0, 0.0, 0)
    p50, p99 = np.percentile(1e3 * np.asarray(values_s), [50, 99])
    return Spread(float(p50), float(p99), len(values_s))
