"""A stream in memory that a test feeds while something else drains it, and what has passed through it."""

import threading
from collections import deque
from collections.abc import Sequence

import numpy as np

from rtbci.stream.source import Chunk, Marker, Source, StreamInfo
from tests.integration.live_runs import wait_for

__all__ = ["FedSource"]


class FedSource(Source):
    """Gives what `feed` was given, a pull all that is there; any thread may feed.

    Attributes
    ----------
    pulled : list of Chunk
        What has been pulled, in order.
    pulled_by : list of str
        Names of the threads that did.
    markers : list of str
        Texts of the markers that were pulled.
    """

    def __init__(self, info: StreamInfo) -> None:
        self._info = info
        self._chunks: deque[Chunk | BaseException] = deque()
        self._markers: deque[Marker] = deque()
        self._changed = threading.Condition()
        self.pulled: list[Chunk] = []
        self.pulled_by: list[str] = []
        self.markers: list[str] = []
        self.n_closed = 0

    @property
    def info(self) -> StreamInfo:
        return self._info

    def feed(self, *what: Chunk | Marker | BaseException) -> None:
        """Let these be pulled; an error is raised by the pull that comes to it."""
        with self._changed:
            for one in what:
                if isinstance(one, Marker):
                    self._markers.append(one)
                else:
                    self._chunks.append(one)
            self._changed.notify_all()

    @property
    def n_pulled(self) -> int:
        """Samples that have been pulled."""
        return sum(len(chunk.t_lsl) for chunk in self.pulled)

    def open(self) -> None:
        pass

    def close(self) -> None:
        self.n_closed += 1

    def pull(self, timeout_s: float) -> Chunk:
        with self._changed:
            if not self._chunks:
                self._changed.wait(timeout_s)
            taken: list[Chunk] = []
            while self._chunks:
                if isinstance(error := self._chunks[0], BaseException):
                    if taken:
                        break
                    raise error
                one = self._chunks.popleft()
                assert isinstance(one, Chunk)
                taken.append(one)
        if not taken:
            return Chunk(np.empty((0, self._info.n_channels)), np.empty(0))
        chunk = Chunk(*(np.concatenate(parts) for parts in zip(*taken, strict=True)))
        self.pulled.append(chunk)
        self.pulled_by.append(threading.current_thread().name)
        return chunk

    def pull_markers(self) -> Sequence[Marker]:
        with self._changed:
            taken = list(self._markers)
            self._markers.clear()
        self.markers += [marker.value for marker in taken]
        return taken

    def wait_pulled(self, n: int) -> None:
        """Wait until all of `n` samples have been pulled."""
        wait_for(lambda: self.n_pulled == n, f"{n} samples to be pulled")
