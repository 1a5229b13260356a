"""A file or folder gets another name, also where somebody looks into it at that moment."""

import os
import time
from pathlib import Path

from rtbci.system.windows import is_windows

__all__ = ["give_name"]

WAITS_S = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.3)
"""One second together."""


def give_name(old: Path, new: Path, *, replace: bool = False) -> None:
    """Rename a file or folder.

    Windows refuses for as long as a program has the file, one in the folder or the one to be replaced open: somebody who reads
    it just now, a virus scanner, an indexer. There it is tried again for a second.

    Parameters
    ----------
    old, new : Path
        On one disk.
    replace : bool
        Whether a file that is there is replaced; folders never are.

    Raises
    ------
    OSError
        When it cannot be renamed; both are as they were.
    """
    rename = os.replace if replace else os.rename
    for wait_s in WAITS_S if is_windows() else ():
        try:
            rename(old, new)
        except PermissionError:
            time.sleep(wait_s)
        else:
            return
    rename(old, new)
