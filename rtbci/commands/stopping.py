"""Ctrl-C, SIGTERM, a terminal that has gone and, on Windows, Ctrl-Break set an event; nothing is torn down in the middle."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from rtbci.clock import Clock, now
from rtbci.system.processes import stop_signals

__all__ = ["Stop", "stop_on_signals"]


class Stop(threading.Event):
    """Set by the first signal; says what a second SIGINT does.

    It interrupts, for whatever hangs. Where an end has something to lose, `be_patient` gives the end time first, and then
    interrupts once; from `hold` on nothing is interrupted.

    Parameters
    ----------
    clock : callable
        Time in seconds.
    """

    def __init__(self, clock: Clock = now) -> None:
        super().__init__()
        self._clock = clock
        self._t_asked = 0.0
        self._patience_s = 0.0
        self._is_held = False

    def be_patient(self, patience_s: float) -> None:
        """From now on a SIGINT interrupts only where the first signal was `patience_s` seconds ago, and only once."""
        self._patience_s = patience_s

    def hold(self) -> None:
        """From now on no signal interrupts: what is left to do has a limit in time of its own."""
        self._is_held = True

    def ask(self, number: int) -> None:
        """Take a signal.

        Raises
        ------
        KeyboardInterrupt
            Where it interrupts.
        """
        if not self.is_set():
            self._t_asked = self._clock()
            self.set()
        elif number == signal.SIGINT and not self._is_held:
            if self._clock() - self._t_asked < self._patience_s:
                return
            self._is_held = self._patience_s > 0.0
            raise KeyboardInterrupt


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """Yield an event that is set by `stop_signals`; a second SIGINT interrupts as `Stop` says.

    Only for the main thread. The handlers before are put back at the end.
    """
    stop = Stop()

    def on_signal(number: int, _frame: FrameType | None) -> None:
        stop.ask(number)

    before = {number: signal.signal(number, on_signal) for number in stop_signals()}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
