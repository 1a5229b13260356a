"""Files that a reader sees whole or not at all, and that are on the disk when it says so; and files of lines."""

import errno
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from rtbci.system.names import give_name
from rtbci.system.windows import is_windows

__all__ = [
    "LineFile",
    "free_name",
    "made",
    "move_in",
    "staged",
    "sync_folder",
    "unfinished",
    "write_synced",
    "write_together",
    "write_whole",
]

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
        When it cannot be written; the earlier one stays, and nothing of the new one. Only a process that is killed
        leaves what there is of it, `unfinished`, which the next write of that file replaces.
    """
    write_together({path: content}, private=private)


def write_together(contents: Mapping[Path, bytes], *, private: bool = False) -> None:
    """Write files as `write_whole` does; none gets its name before all are on the disk.

    Raises
    ------
    OSError
        When one cannot be written.
    """
    try:
        for path, content in contents.items():
            write_synced(unfinished(path), content, private=private)
        for path in contents:
            give_name(unfinished(path), path, replace=True)
    except BaseException:
        for path in contents:
            with suppress(OSError):
                unfinished(path).unlink(missing_ok=True)
        raise
    for folder in {path.parent for path in contents}:
        sync_folder(folder)


def unfinished(path: Path) -> Path:
    """Name of what is being written: ``.<name>.new`` beside the file; a process that is killed leaves it."""
    return path.with_name(f".{path.name}.new")


def free_name(path: Path, why: str) -> Path:
    """A name beside a file that is not taken yet: ``session.damaged.xdf`` where `why` is damaged."""
    number, name = 1, path.with_name(f"{path.stem}.{why}{path.suffix}")
    while name.exists():
        number += 1
        name = path.with_name(f"{path.stem}.{why}-{number}{path.suffix}")
    return name


@contextmanager
def made(folder: Path) -> Iterator[None]:
    """Make a folder, and those above it, for what is then written there; where that fails, the new ones that hold nothing are gone again.

    Raises
    ------
    OSError
        When it cannot be made.
    """
    new = _missing(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        _remove_empty(new)
        raise


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """Yield an empty folder beside a file or folder to be written, for what writes its files itself; see `move_in`.

    It is gone afterwards, and so are folders above that were made for it and hold nothing. What a killed process left of it is
    removed first.

    Raises
    ------
    OSError
        When it cannot be made.
    """
    folder = unfinished(target)
    new = _missing(target.parent)
    with suppress(FileNotFoundError):
        shutil.rmtree(folder)
    try:
        folder.mkdir(parents=True)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _remove_empty(new)


def move_in(folder: Path, target: Path) -> list[Path]:
    """Give each file of a `staged` folder its place below another folder: all of them, or none. Files that are there are replaced.

    Parameters
    ----------
    folder : Path
        On one disk with `target`. Files that are replaced are held in memory for a moment.
    target : Path
        Made where it is not there.

    Returns
    -------
    list of Path
        Files below `target`, sorted.

    Raises
    ------
    OSError
        When one cannot be placed; `target` is then as it was.
    """
    inside = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    places = {folder / one: target / one for one in inside}
    for path in places:
        with path.open("rb+") as file:
            os.fsync(file.fileno())
    before = {place: place.read_bytes() for place in places.values() if place.exists()}
    done: list[Path] = []
    new: list[Path] = []
    try:
        for path, place in places.items():
            new += _missing(place.parent)
            place.parent.mkdir(parents=True, exist_ok=True)
            done.append(place)
            give_name(path, place, replace=True)
    except BaseException:
        for place in done:
            with suppress(OSError):
                if place in before:
                    write_whole(place, before[place])
                else:
                    place.unlink(missing_ok=True)
        _remove_empty(new)
        raise
    for parent in {place.parent for place in done}:
        sync_folder(parent)
    return done


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


def _missing(folder: Path) -> list[Path]:
    """Which of a folder and those above it are not there."""
    return [one for one in (folder, *folder.parents) if not one.exists()]


def _remove_empty(folders: Iterable[Path]) -> None:
    for one in sorted(folders, key=lambda one: -len(one.parts)):
        with suppress(OSError):
            one.rmdir()  # refused where something is in it


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
