"""Small files of what was found out about engines: to lose one costs time, and nothing else."""

from pathlib import Path

from filelock import FileLock

from rtbci.files import write_whole

__all__ = ["keep"]


def keep(path: Path, content: bytes) -> str:
    """Write such a file whole, one process at a time; returns why it could not be, empty when it was.

    The folder is made, and the lock is a file beside it that stays.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            write_whole(path, content)
    except OSError as error:
        return error.strerror or str(error)
    except NotImplementedError as error:  # a file system without locks
        return str(error)
    return ""
