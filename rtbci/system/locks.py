"""A lock of the operating system on an open file, which ends with the process that holds it."""

import ctypes
from importlib import import_module
from typing import Any

from rtbci.system.windows import is_windows

__all__ = ["take_lock"]

FAIL_IMMEDIATELY, EXCLUSIVE = 0x1, 0x2
"""Of `LockFileEx`."""
LOCK_VIOLATION, IO_PENDING = 33, 997
"""What `LockFileEx` says of a range that another handle holds."""
PLACE = 1 << 62
"""Byte that is locked on Windows, where nobody else can read what is locked: behind the end of any file."""


class _Overlapped(ctypes.Structure):
    _fields_ = (
        ("internal", ctypes.c_size_t),
        ("internal_high", ctypes.c_size_t),
        ("offset", ctypes.c_uint32),
        ("offset_high", ctypes.c_uint32),
        ("event", ctypes.c_void_p),
    )


def take_lock(descriptor: int) -> bool:
    """Lock an open file until it is closed; does not wait.

    Reading and writing go on, for this process and others: it is for those who ask for the same lock.

    Parameters
    ----------
    descriptor : int
        Of the file.

    Returns
    -------
    bool
        False: another process has the lock, or this one through another descriptor.

    Raises
    ------
    OSError
        When the file cannot be locked, as on some network disks.
    """
    return _take_windows(descriptor) if is_windows() else _take_posix(descriptor)


def _take_posix(descriptor: int) -> bool:
    fcntl: Any = import_module("fcntl")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _take_windows(descriptor: int) -> bool:
    windows: Any = ctypes
    msvcrt: Any = import_module("msvcrt")
    lock = windows.WinDLL("kernel32", use_last_error=True).LockFileEx
    lock.argtypes = (
        ctypes.c_void_p,
        *(ctypes.c_uint32,) * 4,
        ctypes.POINTER(_Overlapped),
    )
    place = _Overlapped(offset=PLACE & 0xFFFFFFFF, offset_high=PLACE >> 32)
    if lock(msvcrt.get_osfhandle(descriptor), FAIL_IMMEDIATELY | EXCLUSIVE, 0, 1, 0, ctypes.byref(place)):
        return True
    error = windows.get_last_error()
    if error in (LOCK_VIOLATION, IO_PENDING):
        return False
    raise windows.WinError(error)
