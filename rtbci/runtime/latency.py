"""Percentiles of the newest latencies."""

import numpy as np

from rtbci.publish.messages import Latency

__all__ = ["RecentLatency"]


class RecentLatency:
    """Keeps the newest values and says their percentiles.

    Parameters
    ----------
    n_kept : int
        How many; 1024 predictions are a minute at 16 Hz.
    """

    def __init__(self, n_kept: int = 1024) -> None:
        self._kept_ms = np.empty(n_kept)
        self.n_pushed = 0

    def push(self, latency_ms: float) -> None:
        """Take a value, in milliseconds."""
        self._kept_ms[self.n_pushed % self._kept_ms.size] = latency_ms
        self.n_pushed += 1

    def percentiles(self) -> Latency | None:
        """p50, p95 and p99 of the values kept, in milliseconds; None before the first."""
        kept = self._kept_ms[: self.n_pushed]
        if not kept.size:
            return None
        p50, p95, p99 = np.percentile(kept, [50, 95, 99])
        return Latency(p50=float(p50), p95=float(p95), p99=float(p99))
