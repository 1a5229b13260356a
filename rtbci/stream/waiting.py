"""Samples that wait for whoever uses them: bounded, in order, and what was left out is counted."""

import threading
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from rtbci.stream.source import Chunk, Marker

__all__ = ["MAX_WAITING_BYTES", "Counted", "Waiting"]

MAX_WAITING_BYTES = 32 * 2**20
"""A minute of 64 channels at 1000 Hz, ten of 22 at 250 Hz. Beyond it the oldest are left out: a window is a few seconds."""
ITEM_BYTES = 512
"""Python's own objects around a chunk and its markers."""


class Counted(NamedTuple):
    """Chunks, and samples in them."""

    n_chunks: int
    n_samples: int

    def and_also(self, other: "Counted") -> "Counted":
        """Both together."""
        return Counted(self.n_chunks + other.n_chunks, self.n_samples + other.n_samples)


class Waiting:
    """Chunks with the markers that came with them, first in, first out.

    Parameters
    ----------
    max_bytes : int
        Where chunks would take more, the oldest are left out. Their markers are not: they wait for the next chunk.

    Notes
    -----
    Any thread. `add` and `take` cost 0.4 us together.
    """

    def __init__(self, max_bytes: int = MAX_WAITING_BYTES) -> None:
        self._max_bytes = max_bytes
        self._items: deque[tuple[Chunk, Sequence[Marker]]] = deque()
        self._lock = threading.Lock()
        self._n_bytes = 0
        self._left_out, self._taken_left_out = Counted(0, 0), Counted(0, 0)

    @property
    def n_items(self) -> int:
        """Chunks that wait; some may have markers only."""
        return len(self._items)

    @property
    def t_newest(self) -> float | None:
        """Stamp of the newest sample that waits, in seconds; None when there is none."""
        if not self._items:
            return None
        with self._lock:
            return next(
                (float(chunk.t_lsl[-1]) for chunk, _ in reversed(self._items) if len(chunk.t_lsl)), None
            )

    def add(self, chunk: Chunk, markers: Sequence[Marker]) -> None:
        """Add the next chunk; neither is copied."""
        with self._lock:
            self._items.append((chunk, markers))
            self._n_bytes += _bytes_of(chunk, markers)
            while self._n_bytes > self._max_bytes and len(self._items) > 1:
                self._leave_out_oldest()

    def take(self) -> tuple[Chunk, Sequence[Marker]] | None:
        """Take the oldest chunk and its markers; None when there is none."""
        if not self._items:
            return None
        with self._lock:
            chunk, markers = self._items.popleft()
            self._n_bytes -= _bytes_of(chunk, markers)
            if self._left_out.n_chunks:
                self._taken_left_out = self._taken_left_out.and_also(self._left_out)
                self._left_out = Counted(0, 0)
        return chunk, markers

    def take_left_out(self) -> Counted:
        """What was left out in front of what has been taken, since the last call."""
        found = self._taken_left_out
        if found.n_chunks:
            self._taken_left_out = Counted(0, 0)
        return found

    def leave_out_all(self) -> Counted:
        """Leave out all that waits; returns how much that is."""
        with self._lock:
            rest = Counted(
                sum(len(chunk.t_lsl) > 0 for chunk, _ in self._items),
                sum(len(chunk.t_lsl) for chunk, _ in self._items),
            )
            self._taken_left_out = self._taken_left_out.and_also(self._left_out).and_also(rest)
            self._items.clear()
            self._n_bytes, self._left_out = 0, Counted(0, 0)
        return rest

    def _leave_out_oldest(self) -> None:
        chunk, markers = self._items.popleft()
        next_chunk, next_markers = self._items.popleft()
        self._items.appendleft((next_chunk, [*markers, *next_markers]))
        self._n_bytes -= _bytes_of(chunk, ())
        self._left_out = self._left_out.and_also(Counted(len(chunk.t_lsl) > 0, len(chunk.t_lsl)))


def _bytes_of(chunk: Chunk, markers: Sequence[Marker]) -> int:
    return chunk.data.nbytes + chunk.t_lsl.nbytes + ITEM_BYTES * (1 + len(markers))
