"""When the samples of a source that is not a device are due."""

from collections.abc import Callable

from rtbci.clock import Clock, now, sleep_until
from rtbci.errors import RateError, ShapeError

__all__ = ["ChunkPace", "SleepUntil"]

SleepUntil = Callable[[float, Clock], None]


class ChunkPace:
    """Releases samples in whole chunks, either as fast as asked or as a device would.

    Parameters
    ----------
    rate_hz : float
        Above 0.
    chunk : int
        Samples in a chunk, at least 1.
    realtime : bool
        Whether a chunk is due only when the clock has reached the time after its last sample.
    clock, sleep_until : callable
        What the time is, and how to wait for one; see `rtbci.clock`.

    Attributes
    ----------
    t_start_lsl : float
        When sample 0 was due, seconds of `clock`; targets are counted from it, so that nothing drifts.
    """

    def __init__(
        self,
        rate_hz: float,
        chunk: int,
        *,
        realtime: bool,
        clock: Clock = now,
        sleep_until: SleepUntil = sleep_until,
    ) -> None:
        if not rate_hz > 0:
            raise RateError(f"ChunkPace: rate_hz is {rate_hz}, need more than 0")
        if chunk < 1:
            raise ShapeError(f"ChunkPace: chunk is {chunk} samples, need at least 1")
        self.rate_hz = rate_hz
        self.chunk = chunk
        self._realtime = realtime
        self._clock = clock
        self._sleep_until = sleep_until
        self._n_given = 0
        self.t_start_lsl = 0.0

    def start(self) -> None:
        """Begin at sample 0, now."""
        self._n_given = 0
        self.t_start_lsl = self._clock() if self._realtime else 0.0

    def take(self, timeout_s: float) -> int:
        """Return how many samples to give now; wait for the first chunk up to `timeout_s` seconds.

        Without `realtime` that is always one chunk, at once.
        """
        n = self.chunk
        if self._realtime:
            t_due = self.t_start_lsl + (self._n_given + self.chunk) / self.rate_hz
            self._sleep_until(min(t_due, self._clock() + max(timeout_s, 0.0)), self._clock)
            n_due = int((self._clock() - self.t_start_lsl) * self.rate_hz + 1e-6) - self._n_given
            n = n_due - n_due % self.chunk
        self._n_given += n
        return n
