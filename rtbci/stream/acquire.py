"""The one thread that owns a source: opens it, drains it from start to stop, closes it.

Whoever has a use for the samples gets them in this thread, as they come.
"""

import threading
import traceback
from collections.abc import Callable, Sequence
from typing import Protocol, Self

import numpy as np

from rtbci.clock import Clock, now
from rtbci.errors import StreamError
from rtbci.stream.source import Chunk, Marker, Source, StreamInfo

__all__ = ["THREAD_NAME", "Acquiring", "Acquisition", "AcquisitionFactory", "Ahead", "Receive"]

THREAD_NAME = "rtbci-acquire"
Receive = Callable[[Chunk, Sequence[Marker]], None]
"""Takes each chunk that is not empty and the markers that came with it; an empty one when only markers came."""
PULL_S = 0.2
"""Longest single pull, so the longest that `stop` waits for an open source."""


class Ahead(Protocol):
    """What to do shortly before samples come that matter more than others."""

    @property
    def t_due(self) -> float | None:
        """When, in seconds of the local LSL clock; None: nothing to do."""
        ...

    def rehearse(self) -> None:
        """Do it; called in the acquisition thread, between two pulls."""
        ...


class Acquiring(Protocol):
    """What a run needs of an `Acquisition`, and says so there; runs in simulated time have one without a thread."""

    t_last_received: float | None

    @property
    def info(self) -> StreamInfo: ...  # noqa: D102 - as of Acquisition, like all that follow

    def start(self) -> None: ...  # noqa: D102

    def wait(self, timeout_s: float) -> None: ...  # noqa: D102

    def stop(self, timeout_s: float | None = None) -> None: ...  # noqa: D102


class AcquisitionFactory(Protocol):
    """Makes what drains a source and hands its chunks to `receive`."""

    def __call__(  # noqa: D102
        self, source: Source, *, clock: Clock, receive: Receive, ahead: Ahead | None
    ) -> Acquiring: ...


class Acquisition:
    """Drains a source in a thread of its own and hands the samples to whoever receives them.

    Parameters
    ----------
    source : Source
        Not open; from `start` on it belongs to the thread.
    receive : callable
        Called in the thread. While it runs nothing is drained, so it must not take longer than the source buffers (60 s for
        LSL). What it raises ends the thread and is raised again by `wait`.
    clock : Clock
        For `t_last_received`.
    ahead : Ahead, optional
        Asked before every pull; a pull does not wait beyond its `t_due`, and `rehearse` is called then.

    Attributes
    ----------
    t_last_received : float or None
        When the newest chunk came, seconds of the local LSL clock; None before the first.

    Notes
    -----
    A context manager, which starts and stops. All calls from outside may come from any thread.

    What it costs, 22 channels at 250 Hz in chunks of one sample from LSL, four rounds: a bare loop over ``pull_chunk``
    takes 3.0 to 3.7 % of a core, this 3.3 to 4.4 %. Handing every sample over to another thread took 4.4 to 6.1 %, and 56 to
    74 µs (median) from the pull to that thread.
    """

    def __init__(
        self, source: Source, receive: Receive, *, clock: Clock = now, ahead: Ahead | None = None
    ) -> None:
        self._source, self._receive, self._clock, self._ahead = source, receive, clock, ahead
        self.t_last_received: float | None = None
        self._error: BaseException | None = None
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=THREAD_NAME, daemon=True)

    @property
    def info(self) -> StreamInfo:
        """Metadata of the source, once it is open."""
        return self._source.info

    def start(self) -> None:
        """Start the thread; returns at once, the source may take its own timeout to open.

        Raises
        ------
        StreamError
            When it has been started before.
        """
        if self._thread.ident is not None:
            raise StreamError(
                "Acquisition: started a second time, need a new one for each run; make a new one"
            )
        self._thread.start()

    def wait(self, timeout_s: float) -> None:
        """Wait until the thread ends, at most `timeout_s` seconds.

        Raises
        ------
        StreamError
            Or whatever else ended the thread; EOFError at the end of a recording. Again with each call.
        """
        self._thread.join(timeout_s)
        if self._error is not None and not self._thread.is_alive():
            raise self._error

    def stop(self, timeout_s: float | None = None) -> None:
        """End the thread and wait for it, at most `timeout_s` seconds; may be called more than once.

        Takes up to 0.2 s, or up to the source's own timeout while it is still opening. What a source that takes longer than
        `timeout_s` brings then is handed to nobody: whoever received it has gone on, or is closed.
        """
        self._stopping = True
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        if self._thread.is_alive():
            self._receive = _nobody

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    # -- the thread ------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            with self._source as source:
                while not self._stopping:
                    self._drain(source)
        except BaseException as error:  # not handled here: raised again by `wait`
            self._error = error
            # The error keeps the frames that it went through, and these what the source had in its hands: an inlet that
            # nobody drains would connect again, and hold a minute of the stream.
            traceback.clear_frames(error.__traceback__)

    def _drain(self, source: Source) -> None:
        try:
            chunk = self._pull(source)
        except EOFError:  # the last markers of a recording come with its end
            if markers := source.pull_markers():
                self._receive(Chunk(np.empty((0, source.info.n_channels)), np.empty(0)), markers)
            raise
        markers = source.pull_markers()
        if len(chunk.t_lsl):
            self.t_last_received = self._clock()
        if len(chunk.t_lsl) or markers:
            self._receive(chunk, markers)

    def _pull(self, source: Source) -> Chunk:
        t_due = None if self._ahead is None else self._ahead.t_due
        if self._ahead is not None and t_due is not None:
            left_s = t_due - self._clock()
            if left_s < PULL_S:
                chunk = source.pull(max(left_s, 0.0))
                if len(chunk.t_lsl):
                    return chunk
                self._ahead.rehearse()
        return source.pull(PULL_S)


def _nobody(_chunk: Chunk, _markers: Sequence[Marker]) -> None:
    """Receive nothing."""
