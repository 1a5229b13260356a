"""Ctrl-C, SIGTERM, a terminal that has gone and, on Windows, Ctrl-Break set an event; nothing is torn down in the middle."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from rtbci.system.processes import stop_signals

__all__ = ["stop_on_signals"]


@contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """Yield an event that is set by `stop_signals`; a second SIGINT interrupts as usual.

    Only for the main thread. The handlers before are put back at the end.
    """
    stop = threading.Event()

    def on_signal(number: int, _frame: FrameType | None) -> None:
        if stop.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, on_signal) for number in stop_signals()}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
