"""One writer for a folder: a lock of the operating system, which ends with the process that holds it."""

import os
from collections.abc import Callable
from pathlib import Path

from rtbci.errors import ConfigError
from rtbci.system.locks import take_lock

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
        is_ours = take_lock(descriptor)
    except OSError:  # nobody can have it
        is_ours = False
    if not is_ours:
        holder = os.read(descriptor, PID_BYTES).decode(errors="replace").strip()
        os.close(descriptor)
        raise ConfigError(
            f"calibration {path.parent}: is being written by process {holder or '(unknown)'}, need one calibration "
            "of a user at a time; end that one first"
        )
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
    return lambda: os.close(descriptor)
