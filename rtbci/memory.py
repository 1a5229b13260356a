"""Memory that is free inside the process goes back to the system."""

import ctypes
import sys
from functools import cache
from typing import Any

__all__ = ["give_back"]


def give_back() -> None:
    """Give the allocator's free pages back to the system; does nothing where the C library cannot.

    While a lost stream is looked for, liblsl's threads of the old and of the new connection hold what comes at the same time, each in an
    arena of its own, and glibc keeps the pages of what was freed behind blocks that are still in use: a process grows by some megabytes
    with some losses, for good. Takes a millisecond or so, so it is for moments when nothing is decoded.
    """
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> Any:
    """Glibc's `malloc_trim`, or None."""
    return getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
