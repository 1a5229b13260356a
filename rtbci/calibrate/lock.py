"""One writer for a folder: a lock of the operating system, which ends with the process that holds it."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from rtbci.errors import ConfigError

__all__ = ["lock_file"]

PID_BYTES = 32


def lock_file(path: Path) -> Callable[[], None]:
    """Lock a file, made where it is not there; it holds the process's id, for messages.

    Returns
    -------
    callable
        Lets go of the lock; the file stays.

    Raises
    ------
    ConfigError
        When another process, or this one, holds the lock.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _lock(descriptor)
    except OSError:
        holder = (
            os.pread(descriptor, PID_BYTES, 0).decode(errors="replace").strip()
            if hasattr(os, "pread")
            else ""
        )
        os.close(descriptor)
        raise ConfigError(
            f"calibration {path.parent}: is being written by process {holder or '(unknown)'}, need one calibration "
            "of a user at a time; end that one first"
        ) from None
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
    return lambda: os.close(descriptor)


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        # Behind the process's id, which others may read.
        os.lseek(descriptor, PID_BYTES, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        os.lseek(descriptor, 0, os.SEEK_SET)
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
