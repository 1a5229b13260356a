"""Files that a reader sees whole or not at all, and that are on the disk when it says so."""

import os
from collections.abc import Iterable
from pathlib import Path

__all__ = ["sync_folder", "unfinished", "write_synced", "write_whole"]


def write_whole(path: Path, content: bytes) -> None:
    """Write a file under another name, to the disk, then rename it; an earlier one is replaced.

    Raises
    ------
    OSError
        When it cannot be written; the earlier one stays, and what there is of the new one is `unfinished`.
    """
    temporary = unfinished(path)
    write_synced(temporary, content)
    temporary.replace(path)
    sync_folder(path.parent)


def unfinished(path: Path) -> Path:
    """What a write that was cut short leaves: ``.<name>.new`` beside the file."""
    return path.with_name(f".{path.name}.new")


def write_synced(path: Path, content: bytes | Iterable[bytes]) -> None:
    """Write a file, at once or part by part, and have the disk keep it."""
    with path.open("wb") as file:
        file.writelines([content] if isinstance(content, bytes) else content)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Have the disk keep a folder's names."""
    if os.name != "posix":  # a folder cannot be opened on Windows
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
