"""Simulated time: a clock that goes on only when somebody waits, and what waits on it."""

import threading

from rtbci.clock import Clock
from rtbci.stream.acquire import Ahead, Receive
from rtbci.stream.source import Source, StreamInfo
from rtbci.stream.waiting import Counted

__all__ = ["T_START_LSL", "SimulatedClock", "SimulatedStop", "SteppedAcquisition"]

T_START_LSL = 1000.0
"""When simulated time begins, in seconds of its clock."""


class SimulatedClock:
    """A clock that goes on only when somebody waits for it."""

    def __init__(self, t_start_lsl: float = T_START_LSL) -> None:
        self.t_lsl = t_start_lsl

    def __call__(self) -> float:
        """Return the time, in seconds."""
        return self.t_lsl

    def sleep_until(self, t_lsl: float, _clock: Clock | None = None) -> None:
        """Let the time be `t_lsl`, unless it is later already; stands for `rtbci.clock.sleep_until`."""
        self.t_lsl = max(self.t_lsl, t_lsl)


class SimulatedStop(threading.Event):
    """An event whose waiting takes simulated time; set, too, while another is."""

    def __init__(self, clock: SimulatedClock, other: threading.Event | None = None) -> None:
        super().__init__()
        self._sim, self._other = clock, other

    def is_set(self) -> bool:
        """Return whether this or the other event is set."""
        return super().is_set() or (self._other is not None and self._other.is_set())

    def wait(self, timeout: float | None = None) -> bool:
        """Let the time go on by `timeout` seconds, unless it is set; return whether it is."""
        if not self.is_set():
            self._sim.sleep_until(self._sim() + (timeout or 0.0))
        return self.is_set()


class SteppedAcquisition:
    """Stands for `rtbci.stream.acquire.Acquisition`: drains the source in the calling thread, while it waits.

    `ahead` is not asked: nothing gets cold in simulated time.
    """

    def __init__(
        self,
        source: Source,
        *,
        clock: Clock,
        receive: Receive,
        ahead: Ahead | None = None,  # noqa: ARG002
    ) -> None:
        self._source, self._clock, self._receive = source, clock, receive
        self._is_open = False
        self.t_last_received: float | None = None
        self.rest, self.is_stuck = Counted(0, 0), False

    @property
    def info(self) -> StreamInfo:
        """Metadata of the source."""
        return self._source.info

    @property
    def t_waiting(self) -> float | None:
        """Nothing ever waits: the receiver takes no time."""
        return None

    def busy_s(self, t_now: float) -> float:  # noqa: ARG002
        """The receiver takes no time."""
        return 0.0

    def take_left_out(self) -> Counted:
        """Nothing is left out."""
        return Counted(0, 0)

    def start(self) -> None:
        """Nothing: the source is opened by the first `wait`."""

    def wait(self, timeout_s: float) -> None:
        """Hand over what comes in the next `timeout_s` seconds; what the source raises is raised here."""
        t_end = self._clock() + timeout_s
        if not self._is_open:
            self._source.open()
            self._is_open = True
        while (left_s := t_end - self._clock()) > 0:
            chunk = self._source.pull(left_s)
            markers = self._source.pull_markers()
            if len(chunk.t_lsl):
                self.t_last_received = self._clock()
            if len(chunk.t_lsl) or markers:
                self._receive(chunk, markers)

    def stop(self, timeout_s: float | None = None) -> None:  # noqa: ARG002
        """Close the source."""
        self._source.close()
