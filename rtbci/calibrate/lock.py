"""One writer for a folder: a lock of the operating system, which ends with the process that holds it."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from rtbci.errors import ConfigError
from rtbci.system.locks import take_lock

__all__ = ["lock_file"]

PID_BYTES = 32


def lock_file(path: Path) -> Callable[[], None]:
    """Lock a file, made where it is not there; it holds the process's id, for messages.

    Whoever holds the lock may remove the file, and its folder: who opened it meanwhile locks the new one.

    Returns
    -------
    callable
        Lets go of the lock; the file stays.

    Raises
    ------
    ConfigError
        When another process, or this one, holds the lock.
    OSError
        When it cannot be made or written; one that was not there is gone again.
    """
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        _take(descriptor, path)
        if _is_there(descriptor, path):
            break
        os.close(descriptor)
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
    except OSError:
        with suppress(OSError):  # Windows removes no open file
            path.unlink()
        os.close(descriptor)
        raise
    return lambda: os.close(descriptor)


def _take(descriptor: int, path: Path) -> None:
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


def _is_there(descriptor: int, path: Path) -> bool:
    """Whether an open file still has its name."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
