"""How a run's memory is kept from growing with every loss of its stream."""

import ctypes
import gc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

__all__ = ["give_back", "settled", "share_arena"]

_settling = threading.Lock()
_n_settled = [0]
"""How many hold it settled at the moment."""

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


@contextmanager
def settled() -> Iterator[None]:
    """While it lasts, the collector leaves alone what start-up has made: that stays, and need not be gone through again and again.

    Of several at a time the first freezes and the last thaws: `gc.unfreeze` knows only all objects of a process.
    """
    with _settling:
        if not _n_settled[0]:
            gc.collect()
            gc.freeze()
        _n_settled[0] += 1
    try:
        yield
    finally:
        with _settling:
            _n_settled[0] -= 1
            if not _n_settled[0]:
                gc.unfreeze()


def give_back() -> None:
    """Free what only the collector finds, and give the allocator's free pages back to the system, where the C library can.

    A run makes and frees as many objects in a second as in any other, so that Python's collector, which counts how many more were made
    than freed, hardly ever looks at all of them. Until it does, what hangs on itself of connections that have ended stays, and so do
    the free lists that a full collection clears: CPython 3.11 and 3.12 put tuples of exactly 20 items on one and never take them from there,
    up to 2000 of 208 bytes. Each call with 20 keywords makes one, as each `Status` is made.

    After a gap or a burst the samples that piled up are decoded as one large chunk, and an old and a new connection hold what comes at
    the same time. Glibc keeps what was freed in between, also with `share_arena`: a process would grow by megabytes with some losses,
    for good. Giving back takes up to some tenths of a millisecond, collecting 0.7 ms with the 2000 objects of a run, whose start-up's are
    frozen; other threads wait for it.
    """
    gc.collect()
    libc = _libc()
    if libc is not None and hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)


@cache
def _libc() -> Any:
    """The C library on Linux, elsewhere None."""
    return ctypes.CDLL(None) if sys.platform == "linux" else None
