"""Single keys from a terminal, as they are pressed."""

import os
import select
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, TextIO

from rtbci.system.windows import is_windows

__all__ = ["ReadKeys", "single_keys"]

ReadKeys = Callable[[float], str | None]
"""Waits so many seconds at most for keys; returns them, an empty string when none came, None when the terminal has been closed."""

LOOK_S = 0.02
"""Between two looks on Windows, where nothing waits for keys and time."""
ARROWS = {"H": "\x1b[A", "P": "\x1b[B", "M": "\x1b[C", "K": "\x1b[D"}
"""What POSIX terminals send for what Windows does: up, down, right, left."""
MARKS = "\x00\xe0"
"""On Windows either comes before the code of an arrow or function key."""


@contextmanager
def single_keys(keys: TextIO) -> Iterator[ReadKeys]:
    """Keys come one by one and are not echoed; Ctrl-C works as ever.

    What was typed before is dropped.

    Parameters
    ----------
    keys : TextIO
        A terminal. On Windows the keys are those of the process's console, whatever this is.
    """
    with _windows_keys() if is_windows() else _posix_keys(keys.fileno()) as read:
        yield read


@contextmanager
def _posix_keys(descriptor: int) -> Iterator[ReadKeys]:
    termios: Any = import_module("termios")
    tty: Any = import_module("tty")
    before = termios.tcgetattr(descriptor)

    def read(wait_s: float) -> str | None:
        if not select.select([descriptor], [], [], wait_s)[0]:
            return ""
        return os.read(descriptor, 64).decode(errors="replace") or None

    try:
        tty.setcbreak(descriptor)
        termios.tcflush(descriptor, termios.TCIFLUSH)
        yield read
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


@contextmanager
def _windows_keys() -> Iterator[ReadKeys]:
    msvcrt: Any = import_module("msvcrt")

    def pressed() -> str:
        text = ""
        while msvcrt.kbhit():
            key = msvcrt.getwch()
            text += ARROWS.get(msvcrt.getwch(), "") if key in MARKS else key
        return text

    def read(wait_s: float) -> str:
        for _ in range(round(wait_s / LOOK_S)):
            if text := pressed():
                return text
            time.sleep(LOOK_S)
        return pressed()

    pressed()
    yield read
