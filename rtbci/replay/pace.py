"""When each sample is due: a schedule on a target clock, which never drifts."""

import threading

from rtbci.clock import Clock, now
from rtbci.errors import ConfigError

__all__ = ["BUFFER_S", "MAX_SPEED", "Pace"]

BUFFER_S = 360.0
"""What an LSL inlet buffers unless told otherwise, in seconds of stream time."""
MAX_SPEED = 32.0
"""How fast ``speed=inf`` goes once half of the receiver's buffer has been filled."""


class Pace:
    """Schedule of a stream: sample time `t_s` is due at ``t0 + t_s / speed`` of the clock.

    Deadlines are computed from the start, never from the last chunk, so lateness does not add up and a
    late chunk is followed by others without a wait until the schedule is met again.

    Parameters
    ----------
    speed : float
        Stream seconds per second. Infinity: the first half of an LSL inlet's buffer (180 s of stream)
        at once, then 32 times real time; LSL has no way to ask a receiver how much it still holds.
    clock : Clock
        Seconds of the local LSL clock.

    Raises
    ------
    ConfigError
        When `speed` is not above 0.
    """

    def __init__(self, speed: float = 1.0, clock: Clock = now) -> None:
        if not speed > 0:
            raise ConfigError(f"Pace: speed is {speed}, need a number above 0 or 'max'; 1 is real time")
        self._clock = clock
        self._head_start_s = BUFFER_S / 2 if speed == float("inf") else 0.0
        self._speed = min(speed, MAX_SPEED) if self._head_start_s else speed
        self.t0_lsl = clock()

    def start(self) -> None:
        """Begin now: stream time 0 is due at this moment."""
        self.t0_lsl = self._clock()

    def due(self, t_s: float) -> float:
        """Clock time at which stream time `t_s` (seconds) is due."""
        return self.t0_lsl + max(0.0, t_s - self._head_start_s) / self._speed

    def wait(self, t_s: float, stop: threading.Event) -> bool:
        """Wait until stream time `t_s` is due; False when `stop` was set first."""
        while (left_s := self.due(t_s) - self._clock()) > 0:
            if stop.wait(left_s):
                return False
        return not stop.is_set()
