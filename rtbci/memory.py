"""Memory that is free inside the process goes back to the system."""

import ctypes
import sys
from functools import cache
from typing import Any

__all__ = ["give_back"]


def give_back() -> None:
    """Give the allocator's free pages back to the system; does nothing where the C library cannot.

    After a gap the samples that piled up are decoded as one large chunk, and liblsl's threads of an old and of a new connection hold
    what comes at the same time, each in an arena of its own. Glibc keeps what was freed in between: a process would grow by megabytes
    with some losses, for good. Takes up to some tenths of a millisecond, so it is for moments when no decision is due.
    """
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> Any:
    """`malloc_trim` of glibc, or None."""
    return getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
