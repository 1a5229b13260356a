"""The thread that a source belongs to: opens it, drains it from start to stop, closes it.

Whoever has a use for the samples gets them in this thread, as they come. While they are used for long, another thread
drains the source and keeps what comes (docs/adr/0040-the-recording-does-not-wait.md).
"""

import threading
import traceback
from collections.abc import Callable, Sequence
from typing import Protocol, Self

import numpy as np

from rtbci.clock import Clock, now
from rtbci.errors import StreamError
from rtbci.stream.source import Chunk, Marker, Source, StreamInfo
from rtbci.stream.waiting import Counted, Waiting

__all__ = [
    "RELIEF_NAME",
    "RELIEF_S",
    "THREAD_NAME",
    "Acquiring",
    "Acquisition",
    "AcquisitionFactory",
    "Ahead",
    "Receive",
]

THREAD_NAME = "rtbci-acquire"
RELIEF_NAME = "rtbci-relief"
Receive = Callable[[Chunk, Sequence[Marker]], None]
"""Takes each chunk that is not empty and the markers that came with it; an empty one when only markers came."""
PULL_S = 0.2
"""Longest single pull, so the longest that `stop` waits for an open source."""
RELIEF_S = 0.2
"""So long nobody has drained the source when another thread does; it looks as often, and each look takes Python's lock."""
REST_S = 1.0
"""How long the end of a run may take to drain a source that gives more and more."""
N_REST = 1000
"""And how often it pulls at most: a clock of a test may stand still."""
MARKERS_S = 0.03
"""Markers are looked for every 20 ms (`rtbci.stream.lsl_markers`): so long after the last samples theirs can be had."""


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
    rest: Counted
    is_stuck: bool

    @property
    def info(self) -> StreamInfo: ...  # noqa: D102 - as of Acquisition, like all that follow

    @property
    def t_waiting(self) -> float | None: ...  # noqa: D102

    def busy_s(self, t_now: float) -> float: ...  # noqa: D102

    def take_left_out(self) -> Counted: ...  # noqa: D102

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
        Called in the thread. When it takes longer than `RELIEF_S`, a second thread drains the source meanwhile; what that
        finds waits, within the bounds of `rtbci.stream.waiting.Waiting`, and is handed over chunk by chunk. What it raises
        ends the thread and is raised again by `wait`.
    clock : Clock
        For `t_last_received`, and for how long `receive` takes.
    ahead : Ahead, optional
        Asked before every pull; a pull does not wait beyond its `t_due`, and `rehearse` is called then.

    Attributes
    ----------
    t_last_received : float or None
        When the newest chunk came, seconds of the local LSL clock; None before the first.
    rest : Counted
        What was pulled and handed to nobody because of `stop`: it waited, or was still in the source.
    is_stuck : bool
        Whether `receive` had not returned when `stop` gave up waiting for it; its thread goes on until it does.

    Notes
    -----
    A context manager, which starts and stops. All calls from outside may come from any thread. The source is used by one
    thread at a time, in the order of its samples; all is pulled through it, so a source that records what passes has everything.

    What it costs, 22 channels at 250 Hz in chunks of one sample from LSL, four rounds: a bare loop over ``pull_chunk``
    takes 3.0 to 3.7 % of a core, this 3.3 to 4.4 %. Handing every sample over to another thread took 4.4 to 6.1 %, and 56 to
    74 µs (median) from the pull to that thread.
    """

    def __init__(
        self, source: Source, receive: Receive, *, clock: Clock = now, ahead: Ahead | None = None
    ) -> None:
        self._source, self._receive, self._clock, self._ahead = source, receive, clock, ahead
        self.t_last_received: float | None = None
        self.rest, self.is_stuck = Counted(0, 0), False
        self._error: BaseException | None = None
        self._relief_error: BaseException | None = None
        self._stopping = self._is_open = False
        self._waiting = Waiting()
        self._pulling = threading.Lock()  # whoever holds it may use the source and add to what waits
        self._t_given: float | None = None  # since when the receiver has been busy with one chunk
        self._t_pulled = 0.0
        self._is_away = False  # between two pulls
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=THREAD_NAME, daemon=True)
        self._relief = threading.Thread(target=self._relieve, name=RELIEF_NAME, daemon=True)

    @property
    def info(self) -> StreamInfo:
        """Metadata of the source, once it is open."""
        return self._source.info

    @property
    def t_waiting(self) -> float | None:
        """Stamp of the newest sample that waits to be handed over; None: none does."""
        return self._waiting.t_newest

    def busy_s(self, t_now: float) -> float:
        """How long the receiver has been busy with one chunk, in seconds; 0: it is not."""
        t_given = self._t_given
        return 0.0 if t_given is None else t_now - t_given

    def take_left_out(self) -> Counted:
        """What was left out in front of the chunk that has been handed over last, because too much waited.

        It has passed through the source all the same. After `stop`, all that was not handed over.
        """
        return self._waiting.take_left_out()

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
        self._relief.start()

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
        `timeout_s` brings then is handed to nobody: whoever received it has gone on, or is closed. What is in an open source
        is pulled to the end, in at most `REST_S`, also where the receiver does not return.
        """
        self._stopping = True
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        if self._thread.is_alive():
            self._receive = _nobody
            self.is_stuck = self._t_given is not None
            if self.is_stuck:
                with self._pulling:
                    self._pull_rest(self._source)
                    self._source.close()
        self._over.set()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    # -- the thread ------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            with self._source as source:
                self._is_open = True
                while not self._stopping:
                    self._drain(source)
                with self._pulling:
                    self._pull_rest(source)
        except BaseException as error:  # not handled here: raised again by `wait`
            self._error = error
            # The error keeps the frames that it went through, and these what the source had in its hands: an inlet that
            # nobody drains would connect again, and hold a minute of the stream.
            traceback.clear_frames(error.__traceback__)
        finally:
            self._waiting.leave_out_all()
            self._over.set()

    def _drain(self, source: Source) -> None:
        """Wait for what comes and hand it over, with all that has come by then."""
        if self._relief_error is not None:
            raise self._relief_error
        try:
            self._pull(source)
        except EOFError:  # the last markers of a recording come with its end
            if markers := source.pull_markers():
                self._hand_over(Chunk(np.empty((0, source.info.n_channels)), np.empty(0)), markers)
            raise
        self._is_away = True
        while not self._stopping and (item := self._waiting.take()) is not None:
            self._hand_over(*item)
            if self._waiting.n_items and self._clock() - self._t_pulled > RELIEF_S / 2:
                # Nothing is the newest while the source has more.
                self._pull_now(source)
        self._is_away = False

    def _hand_over(self, chunk: Chunk, markers: Sequence[Marker]) -> None:
        self._t_given = self._clock()
        self._receive(chunk, markers)
        self._t_given = None

    def _pull(self, source: Source) -> None:
        t_due = None if self._ahead is None else self._ahead.t_due
        if self._ahead is not None and t_due is not None:
            left_s = t_due - self._clock()
            if left_s < PULL_S:
                if self._take_in(source, max(left_s, 0.0)):
                    return
                self._is_away, self._t_given = True, self._clock()
                self._ahead.rehearse()
                self._is_away, self._t_given = False, None
        self._take_in(source, PULL_S)

    def _take_in(self, source: Source, timeout_s: float) -> bool:
        """Pull once and add what came to what waits; whether samples came."""
        with self._pulling:
            if self._waiting.n_items or self._stopping:  # there is something to do already
                timeout_s = 0.0
            chunk = source.pull(timeout_s)
            return self._add(chunk, source.pull_markers())

    def _add_now(self, source: Source) -> bool:
        return self._add(source.pull(0.0), source.pull_markers())

    def _add(self, chunk: Chunk, markers: Sequence[Marker]) -> bool:
        self._t_pulled = self._clock()
        has_samples = len(chunk.t_lsl) > 0
        if has_samples:
            self.t_last_received = self._t_pulled
        if has_samples or markers:
            self._waiting.add(chunk, markers)
        return has_samples

    def _pull_now(self, source: Source) -> None:
        if self._relief_error is None:
            try:
                self._take_in(source, 0.0)
            except BaseException as error:  # raised when what waits has been handed over
                self._relief_error = error

    def _pull_rest(self, source: Source) -> None:
        """Pull what is in the source, once, for whoever looks at what passes; it is handed to nobody."""
        if self._is_open:
            self._is_open = False
            t_end, n_most = self._clock() + REST_S, N_REST
            try:
                while self._add_now(source) and self._clock() < t_end and n_most:
                    n_most -= 1
                self._over.wait(MARKERS_S)
                self._add_now(source)
            except Exception as error:  # the run has ended, whatever became of the stream
                self._relief_error = error
            self.rest = self._waiting.leave_out_all()

    # -- the other thread ------------------------------------------------------------------------------

    def _relieve(self) -> None:
        """Drain the source while the receiver is busy for long."""
        while not self._over.wait(RELIEF_S):
            is_due = self._is_away and self._clock() - self._t_pulled >= RELIEF_S
            if not is_due or self._relief_error is not None or not self._pulling.acquire(blocking=False):
                continue
            try:
                if self._is_away and not self._stopping:
                    self._add_now(self._source)
            except BaseException as error:  # raised by the other thread when it is back
                self._relief_error = error
            finally:
                self._pulling.release()


def _nobody(_chunk: Chunk, _markers: Sequence[Marker]) -> None:
    """Receive nothing."""
