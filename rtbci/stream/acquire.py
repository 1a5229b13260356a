"""The one thread that owns a source: opens it, drains it from start to stop, closes it.

It queues what comes, up to a bound, and wakes the consumer. Nothing that the consumer does or fails to do
keeps the source from being drained.
"""

import threading
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Protocol, Self

import numpy as np

from rtbci.clock import Clock, now
from rtbci.errors import StreamError
from rtbci.stream.source import Chunk, Marker, Source, StreamInfo

__all__ = ["THREAD_NAME", "Acquiring", "Acquisition", "AcquisitionFactory", "Ahead", "Sink"]

THREAD_NAME = "rtbci-acquire"
Sink = Callable[[Chunk, Sequence[Marker]], None]
PULL_S = 0.2
"""Longest single pull, so the longest that `stop` waits for an open source."""
MAX_MARKERS = 10_000


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

    def wait(self, timeout_s: float, n_samples: int = 1) -> bool: ...  # noqa: D102

    def stop(self, timeout_s: float | None = None) -> None: ...  # noqa: D102


class AcquisitionFactory(Protocol):
    """Makes what drains a source and hands its chunks to `sink`."""

    def __call__(self, source: Source, *, clock: Clock, sink: Sink, ahead: Ahead | None) -> Acquiring: ...  # noqa: D102


class Acquisition:
    """Drains a source in a thread of its own and hands the samples to one consumer.

    As a context manager it starts, waits until the source is open, and stops.

    Parameters
    ----------
    source : Source
        Not open; from `start` on it belongs to the thread.
    capacity_s : float, default 10
        How far the consumer may fall behind before the oldest samples are dropped and counted, seconds.
    clock : Clock
        For `t_last_received`.
    sink : callable, optional
        Called in the thread with each chunk that is not empty and the markers that came with it (and with an
        empty chunk when only markers came), instead of queueing them for `wait`, `read` and `markers`. Saves
        the hand-over; while it runs nothing is drained, so it must not take longer than the source buffers
        (60 s for LSL). What it raises ends the thread and is raised again by `wait`.
    ahead : Ahead, optional
        Asked before every pull; a pull does not wait beyond its `t_due`, and `rehearse` is called then.

    Attributes
    ----------
    t_last_received : float or None
        When the newest chunk came, seconds of the local LSL clock; None before the first.
    n_markers_lost : int
        Markers dropped because nobody took them (more than 10000 waiting).

    Raises
    ------
    StreamError
        When `capacity_s` is not above 0. From `wait`, `read` and `wait_open`, also any error of the source
        that ended the thread, once all samples have been read; EOFError at the end of a recording.

    Notes
    -----
    `wait`, `read` and `markers` are for one consumer thread; counters and `stop` for any.
    The hand-over is a plain lock used as a binary semaphore. Measured with 250 hand-overs a second on two busy
    cores, median from signal to awake in three rounds: this 29 to 41 µs, SimpleQueue 24 to 30 µs, Condition
    28 to 41 µs, Event 38 to 85 µs, Semaphore 39 to 64 µs; the queue could not wait for a number of samples.

    What it costs, 22 channels at 250 Hz in chunks of one sample from LSL, same machine, four rounds: a bare
    loop over ``pull_chunk`` takes 3.0 to 3.7 % of a core; with `sink` 3.3 to 4.4 %; waiting for 24 samples
    4.1 to 5.4 %; waiting for each sample 4.4 to 6.1 % and 56 to 74 µs (median) from the pull to the consumer.
    So a decoder that must be both early and cheap is a `sink`, and all else waits for as many samples as it
    has a use for.
    """

    def __init__(
        self,
        source: Source,
        capacity_s: float = 10.0,
        clock: Clock = now,
        sink: Sink | None = None,
        ahead: Ahead | None = None,
    ) -> None:
        if not capacity_s > 0:
            raise StreamError(f"Acquisition: capacity_s is {capacity_s}, need more than 0 seconds")
        self._source = source
        self._capacity_s = capacity_s
        self._clock = clock
        self._sink = sink
        self._ahead = ahead
        self._lock = threading.Lock()  # guards all below that both threads touch
        self._info: StreamInfo | None = None  # set once the source is open
        self._chunks: deque[Chunk] = deque()
        self._n_unread = 0
        self._n_most = 1
        self._n_received = 0
        self._n_overflow = 0
        self._markers: deque[Marker] = deque()
        self.n_markers_lost = 0
        self.t_last_received: float | None = None
        self._error: BaseException | None = None
        self._ended = False
        # The semaphore: locked but for the moment between a wake-up and its consumer. Only released while
        # `_asleep`, which is only set with the lock held and the semaphore locked.
        self._wake = threading.Lock()
        self._wake.acquire()
        self._asleep = False
        self._n_needed = 1
        self._stopping = False
        self._opened = threading.Event()
        self._thread = threading.Thread(target=self._run, name=THREAD_NAME, daemon=True)

    # -- life ------------------------------------------------------------------------------------------

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

    def wait_open(self, timeout_s: float | None = None) -> bool:
        """Wait until the source is open, or for `timeout_s` seconds; return whether it is.

        Raises
        ------
        StreamError
            Or whatever else the source raised on opening.
        """
        self._opened.wait(timeout_s)
        with self._lock:
            is_open, error = self._info is not None, self._error
        if not is_open and error is not None:
            raise error
        return is_open

    def stop(self, timeout_s: float | None = None) -> None:
        """End the thread and wait for it, at most `timeout_s` seconds; may be called more than once.

        Takes up to 0.2 s, or up to the source's own timeout while it is still opening.
        """
        self._stopping = True
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def __enter__(self) -> Self:
        self.start()
        try:
            self.wait_open()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # -- consumer --------------------------------------------------------------------------------------

    def wait(self, timeout_s: float, n_samples: int = 1) -> bool:
        """Wait until `n_samples` unread samples are there, or for `timeout_s` seconds.

        Parameters
        ----------
        timeout_s : float
            Seconds; 0 only looks.
        n_samples : int, default 1
            How many the consumer needs before there is anything to do. At 250 Hz in chunks of one sample,
            a consumer that needs 24 is woken 10 times a second instead of 250.

        Returns
        -------
        bool
            Whether so many are there; when the source has ended, whether any is left. False at once after
            `stop` when none is.

        Raises
        ------
        StreamError
            Or whatever else stopped the thread, when no sample is left.
        """
        with self._lock:
            if self._is_ready(n_samples) or self._ended:
                return self._left_or_raise()
            self._n_needed = n_samples
            self._wake.acquire(blocking=False)  # a wake-up that came just after an earlier wait timed out
            self._asleep = True
        self._wake.acquire(timeout=max(timeout_s, 0.0))
        with self._lock:
            self._asleep = False
            return self._left_or_raise() if self._ended else self._is_ready(n_samples)

    def read(self) -> Chunk:
        """Take all samples since the last read; does not wait.

        Returns
        -------
        Chunk
            Owned by the caller; may be empty. When samples had to be dropped (see `n_overflow`), they are
            those before the first of this chunk, and its stamp shows the gap.

        Raises
        ------
        StreamError
            Or whatever else stopped the thread, when no sample is left. Also when the source is not open yet.
        """
        with self._lock:
            if not self._n_unread and self._error is not None:
                raise self._error
            chunks, self._chunks = self._chunks, deque()
            self._n_unread = 0
        if len(chunks) == 1:
            return chunks[0]
        if chunks:
            data, t_lsl = zip(*chunks, strict=True)
            return Chunk(np.concatenate(data), np.concatenate(t_lsl))
        if self._info is None:
            raise StreamError("Acquisition: read before the source is open; call wait or wait_open first")
        return Chunk(np.empty((0, self._info.n_channels)), np.empty(0))

    def markers(self) -> list[Marker]:
        """Take the markers that came since the last call, oldest first; does not wait."""
        if not self._markers:  # the usual case, without the lock: a marker just missed is taken next time
            return []
        with self._lock:
            taken = list(self._markers)
            self._markers.clear()
        return taken

    # -- counters --------------------------------------------------------------------------------------

    @property
    def info(self) -> StreamInfo:
        """Metadata of the source, once it is open."""
        return self._source.info

    @property
    def n_received(self) -> int:
        """Samples that came from the source."""
        return self._n_received

    @property
    def n_overflow(self) -> int:
        """Samples dropped because the consumer fell behind by more than `capacity_s`."""
        return self._n_overflow

    @property
    def error(self) -> BaseException | None:
        """What stopped the thread, or None."""
        return self._error

    @property
    def is_running(self) -> bool:
        """Whether the thread lives."""
        return self._thread.is_alive()

    # -- with the lock held ----------------------------------------------------------------------------

    def _is_ready(self, n_samples: int) -> bool:
        # More than the queue holds can never be unread all at once: a full one is always ready.
        return self._n_unread >= min(n_samples, self._n_most)

    def _left_or_raise(self) -> bool:
        if self._n_unread:
            return True
        if self._error is not None:
            raise self._error
        return False

    # -- the thread ------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            with self._source as source:
                self._begin(source.info)
                while not self._stopping:
                    self._drain(source)
        except BaseException as error:  # not handled here: raised again in the consumer's thread
            self._error = error
            # The error keeps the frames that it went through, and these what the source had in its hands: an inlet that
            # nobody drains would connect again, and hold a minute of the stream.
            traceback.clear_frames(error.__traceback__)
        finally:
            with self._lock:
                self._ended = True
                self._signal()
            self._opened.set()

    def _begin(self, info: StreamInfo) -> None:
        with self._lock:
            self._n_most = max(1, round(self._capacity_s * info.rate_hz))
            self._info = info
        self._opened.set()

    def _drain(self, source: Source) -> None:
        try:
            chunk = self._pull(source)
        except EOFError:  # the last markers of a recording come with its end
            if markers := source.pull_markers():
                self._take(Chunk(np.empty((0, source.info.n_channels)), np.empty(0)), markers)
            raise
        markers = source.pull_markers()
        if len(chunk.t_lsl):
            self.t_last_received = self._clock()
            self._n_received += len(chunk.t_lsl)
            self._take(chunk, markers)
        elif markers:
            self._take(chunk, markers)

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

    def _take(self, chunk: Chunk, markers: Sequence[Marker]) -> None:
        if self._sink is not None:
            self._sink(chunk, markers)
            return
        with self._lock:
            if markers:
                self._keep_markers(markers)
            if n := len(chunk.t_lsl):
                self._chunks.append(chunk)
                self._n_unread += n
                if self._n_unread > self._n_most:
                    self._drop_oldest()
            # Last of all, so that this thread is soon back in the pull, without the interpreter's lock, when
            # the consumer wakes.
            if self._asleep and self._is_ready(self._n_needed):
                self._signal()

    def _drop_oldest(self) -> None:
        # Whole chunks, as long as the queue stays full without them.
        while self._n_unread - (n := len(self._chunks[0].t_lsl)) >= self._n_most:
            self._chunks.popleft()
            self._n_unread -= n
            self._n_overflow += n

    def _keep_markers(self, markers: Sequence[Marker]) -> None:
        self._markers.extend(markers)
        while len(self._markers) > MAX_MARKERS:
            self._markers.popleft()
            self.n_markers_lost += 1

    def _signal(self) -> None:
        if self._asleep:
            self._asleep = False
            self._wake.release()
