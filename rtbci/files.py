"""Files that a reader sees whole or not at all, and that are on the disk when it says so."""

import os
from collections.abc import Iterable
from pathlib import Path

__all__ = ["sync_folder", "unfinished", "write_synced", "write_whole"]


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
    temporary.replace(path)
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
    """Have the disk keep a folder's names."""
    if os.name != "posix":  # a folder cannot be opened on Windows
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
