"""The file of a session, as its writer needs it: pieces at stated places, and on the disk when it says so."""

import errno
import os
import shutil
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import IO, Protocol

from rtbci.errors import FileFormatError
from rtbci.files import free_name, sync_folder
from rtbci.system.locks import take_lock
from rtbci.system.names import give_name

__all__ = ["FULL", "Disk", "OpenDisk", "ResumedFile", "SyncedFile", "is_being_written"]

COPY_BYTES = 2**20
FULL = tuple(getattr(errno, name) for name in ("ENOSPC", "EDQUOT") if hasattr(errno, name))
"""What a disk without room says, or a quota that is used up, which not every system knows."""


class Disk(Protocol):
    """Where a session is written to; every call may take as long as the disk takes, and raise `OSError`."""

    def write(self, at: int, content: bytes) -> None:
        """Put all of `content` at byte `at`; what a write that failed has left there is written over."""
        ...

    def sync(self) -> None:
        """Have the disk keep everything written so far."""
        ...

    def is_gone(self) -> bool:
        """Whether the file is not at its path any more: it was removed or moved, its disk unmounted, or another file is there."""
        ...

    def put_back(self) -> None:
        """Write all that was written anew at the path of a file that is gone, and go on there; another file there gets another name."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


class OpenDisk(Protocol):
    """Makes a new file."""

    def __call__(self, path: Path) -> Disk:
        """Make it; raise `OSError` when that cannot be, or it is there already."""
        ...


class SyncedFile:
    """A new file without a buffer of ours: what is written survives the end of this process.

    Raises
    ------
    OSError
        When it is there already, or cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = _new_file(path)

    def write(self, at: int, content: bytes) -> None:
        """See `Disk.write`."""
        self._file.seek(at)
        left = memoryview(content)
        while left:  # the system may take a part only; the next write then says why
            left = left[self._file.write(left) or 0 :]

    def sync(self) -> None:
        """See `Disk.sync`."""
        os.fsync(self._file.fileno())

    def is_gone(self) -> bool:
        """See `Disk.is_gone`."""
        try:
            there, ours = self._path.stat(), os.fstat(self._file.fileno())
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError:  # of a network disk, or no right to look: what is written may well be there
            return False
        # Some network disks number their files anew from time to time: one that is as long is ours.
        return not os.path.samestat(there, ours) and there.st_size != ours.st_size

    def put_back(self) -> None:
        """See `Disk.put_back`; a file without a name keeps what is in it for as long as it is open (POSIX)."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self._path.exists():  # an earlier state of it, from a disk that was away and is back
            give_name(self._path, free_name(self._path, "displaced"))
        nameless, named = self._file, _new_file(self._path)
        try:
            nameless.seek(0)
            shutil.copyfileobj(nameless, named, COPY_BYTES)
            os.fsync(named.fileno())
        except OSError:
            named.close()
            self._path.unlink(missing_ok=True)
            raise
        self._file = named
        nameless.close()

    def close(self) -> None:
        """See `Disk.close`."""
        self._file.close()


class ResumedFile(SyncedFile):
    """A file that is there, to be gone on with: nobody else may, as long as it is open.

    Raises
    ------
    FileFormatError
        When somebody writes it, or it cannot be opened for writing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = path.open("r+b", buffering=0)
        except OSError as error:
            raise FileFormatError(
                f"{path}: cannot be gone on with ({error.strerror}); check the path and its permissions"
            ) from error
        # What was renamed or made anew since it was opened is another file.
        is_the_same = os.fstat(self._file.fileno()).st_ino == path.stat().st_ino
        if not _lock(self._file) or not is_the_same:
            self._file.close()
            raise FileFormatError(
                f"{path}: is being recorded by another process, need a session that was cut short; stop that one first"
            )

    def cut(self, n_bytes: int) -> None:
        """Leave out what is behind so many bytes."""
        self._file.truncate(n_bytes)


def is_being_written(path: Path) -> bool:
    """Whether a `SyncedFile` of this path is open, in this process or another."""
    with path.open("rb") as file:
        return not _lock(file)


def _new_file(path: Path) -> FileIO:
    file = path.open("x+b", buffering=0)
    _lock(file)
    with suppress(OSError):  # some network disks cannot; the file itself is synced all the time
        sync_folder(path.parent)
    return file


def _lock(file: IO[bytes]) -> bool:
    """Whether the file can be locked, which it stays until it is closed; where locks are unknown, yes."""
    try:
        return take_lock(file.fileno())
    except OSError:
        return True
