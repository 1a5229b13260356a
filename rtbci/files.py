"""Files that a reader sees whole or not at all, and that are on the disk when it says so; and files of lines."""

import errno
import os
from collections.abc import Iterable
from pathlib import Path

from rtbci.system.names import give_name
from rtbci.system.windows import is_windows

__all__ = ["LineFile", "sync_folder", "unfinished", "write_synced", "write_whole"]

NO_SYNC = (
    errno.EACCES,
    errno.EBADF,
    errno.EINVAL,
    errno.ENOSYS,
    errno.ENOTSUP,
    errno.EOPNOTSUPP,
    errno.EPERM,
)
"""What a file system says that keeps its folders by itself, or a folder that may be written to and not be read."""


def write_whole(path: Path, content: bytes, *, private: bool = False) -> None:
    """Write a file under another name, to the disk, then rename it; an earlier one is replaced.

    Parameters
    ----------
    path : Path
        File.
    content : bytes
        All of it.
    private : bool
        Only its owner may read it, at no time anybody else.

    Raises
    ------
    OSError
        When it cannot be written; the earlier one stays, and what there is of the new one is `unfinished`.
    """
    temporary = unfinished(path)
    write_synced(temporary, content, private=private)
    give_name(temporary, path, replace=True)
    sync_folder(path.parent)


def unfinished(path: Path) -> Path:
    """What a write that was cut short leaves: ``.<name>.new`` beside the file."""
    return path.with_name(f".{path.name}.new")


def write_synced(path: Path, content: bytes | Iterable[bytes], *, private: bool = False) -> None:
    """Write a file, at once or part by part, and have the disk keep it; `private` as in `write_whole`."""
    if private:
        path.unlink(missing_ok=True)  # what was left there may be readable by others
    with open(path, "wb", opener=_open_private if private else None) as file:
        file.writelines([content] if isinstance(content, bytes) else content)
        file.flush()
        os.fsync(file.fileno())


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_EXCL, 0o600)


def sync_folder(folder: Path) -> None:
    """Have the disk keep a folder's names, where it can be told to: some network and shared disks cannot, and files are written
    there all the same.

    Raises
    ------
    OSError
        When the disk fails.
    """
    if is_windows():  # a folder cannot be opened there
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in NO_SYNC:
            raise


class LineFile:
    """A new file of lines, each of them in the operating system's hands as soon as `append` returns.

    A process that is killed leaves whole lines, and at most a part of the one that it was writing; what a
    power cut leaves is the operating system's affair.

    Parameters
    ----------
    path : Path
        Must not be there yet.

    Raises
    ------
    OSError
        When it is there, or cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("xb", buffering=0)
        self._n_bytes = 0

    def append(self, line: bytes) -> None:
        """Write a line; the end of line is added.

        Raises
        ------
        OSError
            When it cannot be written (a full disk); the file then ends with the line before.
        """
        left = memoryview(line + b"\n")
        n_bytes = self._n_bytes + len(left)
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError:
            self._file.truncate(self._n_bytes)
            self._file.seek(self._n_bytes)
            raise
        self._n_bytes = n_bytes

    def close(self) -> None:
        """Close the file; may be called more than once."""
        self._file.close()
