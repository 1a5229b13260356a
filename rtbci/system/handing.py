"""A listening socket is handed to a process that is started: by its number, or on Windows in words."""

import os
import socket
import subprocess
from base64 import b64decode, b64encode
from contextlib import suppress
from typing import Any, NamedTuple

from rtbci.system.windows import is_windows

__all__ = ["IN_WORDS", "Handing", "hand_over", "handing_of", "take_over"]

IN_WORDS = -1
"""In the place of a descriptor: the socket comes as a line on standard input."""


class Handing(NamedTuple):
    """How a socket is given to a process.

    Parameters
    ----------
    number : int
        For its command line, and `take_over` there.
    options : dict
        Arguments of `subprocess.Popen`.
    """

    number: int
    options: dict[str, Any]


def handing_of(listening: socket.socket) -> Handing:
    """How the process is to be started; it gets the socket by inheritance or, on Windows, from `hand_over`."""
    if is_windows():
        return Handing(IN_WORDS, {})
    return Handing(listening.fileno(), {"pass_fds": (listening.fileno(),)})


def hand_over(listening: socket.socket, popen: "subprocess.Popen[str]") -> None:
    """Give the socket to a process that was started so, through its standard input, which stays open.

    One that has ended already gets nothing; whoever waits for it sees that.
    """
    if not is_windows() or popen.stdin is None:
        return
    windows: Any = listening
    try:
        popen.stdin.write(b64encode(windows.share(popen.pid)).decode("ascii") + "\n")
        popen.stdin.flush()
    except OSError:
        with suppress(OSError):
            popen.stdin.close()  # where it lives after all it does not wait for the socket


def take_over(number: int) -> socket.socket:
    """The socket, in the process that was started; reads a line from standard input where it comes in words."""
    if number != IN_WORDS:
        return socket.socket(fileno=number)
    line = b""
    while not line.endswith(b"\n"):  # byte by byte: what comes after is not ours
        line += (byte := os.read(0, 1))
        if not byte:
            raise EOFError("standard input has ended before the socket came")
    windows: Any = socket
    return windows.fromshare(b64decode(line))  # type: ignore[no-any-return]
