"""Standard output that takes nothing any more: its reader has gone, or the disk behind it is full."""

import os
import sys
from contextlib import suppress
from typing import TextIO

__all__ = ["flush_output", "give_up_on", "give_up_output"]


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
