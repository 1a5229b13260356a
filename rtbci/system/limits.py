"""What the system lets one program have: open files and sockets, threads."""

import _thread
from typing import NamedTuple

try:
    import resource
except ImportError:  # Windows, which has no such limit
    resource = None  # type: ignore[assignment]

__all__ = ["OpenFiles", "open_files", "threads_to_be_had"]


class OpenFiles(NamedTuple):
    """How many files and sockets this program may have open at a time.

    Parameters
    ----------
    now : int
        As it is.
    most : int or None
        As far as its user can raise it (`ulimit -n`); None: as far as they like.
    """

    now: int
    most: int | None


def open_files() -> OpenFiles | None:
    """Look how many may be open; None where nothing limits them."""
    if resource is None:
        return None
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if now == resource.RLIM_INFINITY:
        return None
    return OpenFiles(now, None if most == resource.RLIM_INFINITY else most)


def threads_to_be_had(n: int) -> int:
    """Start `n` threads, which end at once: how many there could be, 0 to `n`.

    Nothing else says so: besides the user's limit (`ulimit -u`) there are those of a container and of the system. Half a
    millisecond for 24, and some on a busy computer; `threading.Thread.start` would wait for each.
    """
    held = _thread.allocate_lock()

    def wait() -> None:
        with held:
            pass

    with held:
        for i in range(n):
            try:
                _thread.start_new_thread(wait, ())
            except RuntimeError:
                return i
    return n
