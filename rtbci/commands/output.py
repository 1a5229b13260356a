"""Output that takes nothing any more: its reader or its terminal has gone, or the disk behind it is full."""

import os
import sys
from contextlib import suppress
from typing import Any, TextIO

__all__ = ["StandardError", "flush_errors", "flush_output", "give_up_on", "give_up_output"]

PROXIED = "rich_proxied_file"
"""Attribute of rich's stand-ins for the standard streams."""


class StandardError:
    """Standard error, which what people are told goes to: whatever it does not take is left out, and nothing ends for it.

    It is that of the moment, as for `rich.console.Console` itself, and may be none (a program without a console).
    """

    def write(self, text: str) -> int:
        """Write it, or not."""
        with suppress(OSError, ValueError):  # of a file that was closed
            if (stream := _standard_error()) is not None:
                stream.write(text)
        return len(text)

    def flush(self) -> None:
        """See `write`."""
        with suppress(OSError, ValueError):
            if (stream := _standard_error()) is not None:
                stream.flush()

    def __getattr__(self, name: str) -> Any:
        if name == PROXIED:  # rich writes there and not here while it draws
            raise AttributeError(name)
        return getattr(_standard_error(), name)


def _standard_error() -> TextIO | None:
    """What is behind `sys.stderr`, which rich replaces while it draws."""
    stream: TextIO | None = getattr(sys.stderr, PROXIED, sys.stderr)
    return stream


def flush_errors() -> None:
    """Write what standard error still holds back, or give it up: at its end Python would make it the exit status."""
    if sys.stderr is not None:
        try:
            sys.stderr.flush()
        except OSError:
            give_up_on(sys.stderr)


def flush_output() -> None:
    """Write what is still held back, so that a failure is ours to tell; at its end Python would tell it in its own way.

    Raises
    ------
    OSError
        When it cannot be written.
    """
    if sys.stdout is not None:  # where there is none, as without a console on Windows
        sys.stdout.flush()


def give_up_output() -> OSError | None:
    """What keeps standard output from being written, after which nothing is written any more; None: nothing does.

    A line end is written to see it: what failed before is no longer held.
    """
    if sys.stdout is None:
        return None
    try:
        sys.stdout.write("\n")
        sys.stdout.flush()
    except OSError as error:
        give_up_on(sys.stdout)
        return error
    return None


def give_up_on(output: TextIO) -> None:
    """Send what is held back, and all that follows, nowhere; Python would complain once more when it flushes at exit."""
    with suppress(OSError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, output.fileno())
        os.close(null)
