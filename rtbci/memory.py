"""How a run's memory is kept from growing with every loss of its stream."""

import ctypes
import sys
from functools import cache
from typing import Any

__all__ = ["give_back", "share_arena"]

M_ARENA_MAX = -8
"""Of glibc's `mallopt`."""


def share_arena() -> None:
    """Let all threads of this process share one pool of memory; does nothing where the C library has no pools.

    Glibc gives threads pools of their own, and each keeps the most that it ever held. A run has new threads with every connection, few
    of them allocate much, and none at the same time as others. Pools that are there stay: to be called before there are threads.
    """
    libc = _libc()
    if libc is not None and hasattr(libc, "mallopt"):
        libc.mallopt(M_ARENA_MAX, 1)


def give_back() -> None:
    """Give the allocator's free pages back to the system; does nothing where the C library cannot.

    After a gap or a burst the samples that piled up are decoded as one large chunk, and an old and a new connection hold what comes at
    the same time. Glibc keeps what was freed in between, also with `share_arena`: a process would grow by megabytes with some losses,
    for good. Takes up to some tenths of a millisecond.
    """
    libc = _libc()
    if libc is not None and hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)


@cache
def _libc() -> Any:
    """The C library on Linux, elsewhere None."""
    return ctypes.CDLL(None) if sys.platform == "linux" else None
