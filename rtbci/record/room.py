"""How long a disk has room for a recording, so that it is told before it is full."""

import math
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

__all__ = ["Left", "Room", "free_bytes"]

LOOK_S = 10.0
TOLD_S = (600.0, 60.0)
"""Told once when there is room for less than this, and once more: time to free some, and then the last moment."""


class Left(NamedTuple):
    """Room on a disk: bytes that are free, and how long they last at the pace of the last seconds."""

    n_bytes: int
    left_s: float


def free_bytes(folder: Path) -> int | None:
    """Bytes that are free on a folder's disk; None where that is not known."""
    with suppress(OSError):
        return shutil.disk_usage(folder).free
    return None


class Room:
    """Looks, now and then, how long the disk of a folder has room for what is written.

    Others may write there too: where room goes faster than by what is written here, twice in a row, that is the pace.

    Parameters
    ----------
    folder : Path
    free : callable
        Bytes that are free on its disk; None: not known.
    """

    def __init__(self, folder: Path, free: Callable[[Path], int | None] = free_bytes) -> None:
        self._folder, self._free = folder, free
        self._before: tuple[float, int, int] | None = None  # time, written, free
        self._n_told = 0
        self._others_left_s = math.inf

    def look(self, t_s: float, n_written: int) -> Left | None:
        """What there is to tell now, where there is anything.

        Parameters
        ----------
        t_s : float
            Time in seconds.
        n_written : int
            Bytes that were written so far.
        """
        if self._before is not None and t_s - self._before[0] < LOOK_S:
            return None
        if (n_free := self._free(self._folder)) is None:
            return None
        before, self._before = self._before, (t_s, n_written, n_free)
        if before is None:
            return None
        past_s = t_s - before[0]
        own_left_s = n_free * past_s / max(n_written - before[1], 1)
        others_before_s, self._others_left_s = (
            self._others_left_s,
            n_free * past_s / max(before[2] - n_free, 1),
        )
        left_s = min(own_left_s, max(others_before_s, self._others_left_s))
        n_due = sum(left_s < limit_s for limit_s in TOLD_S)
        is_news = n_due > self._n_told
        self._n_told = n_due if is_news or left_s > 2 * TOLD_S[0] else self._n_told
        return Left(n_free, left_s) if is_news else None
