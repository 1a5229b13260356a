"""A calibration on a live stream: the run in a thread of its own, the user led by the calling one."""

import threading
from collections.abc import Callable
from contextlib import suppress

import numpy as np

from rtbci.calibrate.collector import Collector
from rtbci.calibrate.cutter import CalibrationDecoder, TrialCutter
from rtbci.calibrate.presenter import Presenter, guide
from rtbci.calibrate.schedule import Schedule
from rtbci.clock import Clock, now
from rtbci.config import RunConfig
from rtbci.errors import StreamNotFoundError
from rtbci.publish.messages import Event, Message
from rtbci.runtime.live import LiveRun, SourceFactory
from rtbci.stages.stage import FloatArray
from rtbci.stream.source import Marker, Source, StreamInfo

__all__ = ["LiveStream", "follow_markers", "look_at_stream", "run_guided"]

READY_S = 30.0
"""A window is full long before, or the stream has nothing to give."""
POLL_S = 0.1
LOOK_S = 10.0


class _Losses:
    """A sink that gives up pending trials when the stream is lost."""

    def __init__(self, cutter: TrialCutter, say: Callable[[str], None]) -> None:
        self._cutter, self._say = cutter, say

    def send(self, message: Message) -> None:
        """Take a message; see `rtbci.publish.sink.Sink`."""
        if not isinstance(message, Event):
            return
        if message.kind == "stream_lost":
            self._cutter.abandon("stream lost")
            self._say("stream lost: trials are repeated when it is back")
        elif message.kind == "stream_recovered":
            self._say("stream is back")

    def poll(self) -> bool:
        """Nobody listens."""
        return False

    def close(self) -> None:
        """Nothing to let go of."""


class LiveStream:
    """A `LiveRun` in a thread; a context manager that ends it.

    Parameters
    ----------
    config : RunConfig
    decoder : CalibrationDecoder
        With its cutter attached.
    make_source : callable
        See `rtbci.runtime.live.LiveRun`.
    cutter : TrialCutter
    stop : threading.Event
        Set when the run ends by itself, so that whoever leads the user stops too.
    say : callable
        Takes one line for the user; called in the run's thread.

    Raises
    ------
    StreamNotFoundError
        From `wait_ready`, when nothing comes. Also whatever ended the run.
    """

    def __init__(
        self,
        config: RunConfig,
        decoder: CalibrationDecoder,
        make_source: SourceFactory,
        cutter: TrialCutter,
        stop: threading.Event,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._run = LiveRun(config, decoder, make_source, [_Losses(cutter, say)])
        self._decoder, self._stop = decoder, stop
        self._end = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._live, name="rtbci-live", daemon=True)

    def wait_ready(self, clock: Clock = now) -> None:
        """Return when the first window is full; raise what went wrong."""
        t_last = clock() + READY_S
        while not self._is_ready():
            self.check()
            if self._stop.is_set():
                return
            if clock() > t_last:
                raise StreamNotFoundError(
                    f"calibrate: no full window in {READY_S:g} s, need a stream that sends without breaks; look at it "
                    "with rtbci streams"
                )
            self._stop.wait(POLL_S)

    def check(self) -> None:
        """Raise what ended the run, if anything did."""
        if self._error is not None:
            raise self._error

    def _is_ready(self) -> bool:
        # Asked before the stream is open, the decoder says so by an exception.
        with suppress(Exception):
            memory = self._decoder.memory
            i = memory.i_hop_until(np.inf)
            return i >= 0 and bool(np.isfinite(memory.logits(i, i + 1)).all())
        return False

    def _live(self) -> None:
        try:
            self._run.run(self._end)
        except BaseException as error:  # raised again by `check`, in the thread that leads the user
            self._error = error
        finally:
            self._stop.set()

    def __enter__(self) -> "LiveStream":
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._end.set()
        self._thread.join()


def look_at_stream(
    source: Source, seconds: float = LOOK_S, clock: Clock = now
) -> tuple[StreamInfo, FloatArray]:
    """Some seconds of a stream before anything else, for finding bad electrodes.

    Returns
    -------
    info : StreamInfo
    data : ndarray of float64, shape (n_samples, n_channels)
        In the stream's units; shorter when it ends or falls silent.

    Raises
    ------
    StreamError
        When there is no stream.
    """
    with source:
        info, parts, n = source.info, [], 0
        t_last = clock() + 2.0 * seconds
        with suppress(EOFError):
            while n < seconds * info.rate_hz and clock() < t_last:
                chunk = source.pull(POLL_S)
                parts.append(chunk.data)
                n += len(chunk.data)
    return info, np.concatenate(parts) if parts else np.empty((0, info.n_channels))


def run_guided(
    stream: LiveStream,
    schedule: Schedule,
    presenter: Presenter,
    cutter: TrialCutter,
    collector: Collector,
    stop: threading.Event,
    clock: Clock = now,
) -> bool:
    """Lead the user through a schedule while the stream runs.

    Returns
    -------
    bool
        Whether it came to its end, early stopping included; False when it was interrupted.
    """
    tail_s = schedule.protocol.timing.imagery_s + 2.0
    finished = guide(
        schedule, presenter, cutter.cue, stop, clock, on_unseen=lambda _: cutter.abandon("not seen")
    )
    stream.check()
    if collector.error is not None:
        raise collector.error
    _wait_for_last(cutter, stop, clock() + tail_s, clock)
    return finished


def follow_markers(
    stream: LiveStream,
    decoder: CalibrationDecoder,
    cutter: TrialCutter,
    collector: Collector,
    n_wanted: int,
    stop: threading.Event,
    clock: Clock = now,
) -> bool:
    """Take the cues from markers of somebody else's experiment until there are enough accepted trials of each class.

    Returns
    -------
    bool
        Whether there are; False when it was stopped before.
    """
    n_cues, i_first = 0, 1 + max((one.i_trial for one in collector.collected.trials), default=-1)

    def on_marker(marker: Marker) -> None:
        nonlocal n_cues
        name = decoder.recipe.class_of(marker.value)
        if name is not None:
            cutter.cue(i_first + n_cues, decoder.classes.index(name), marker.t_lsl)
            n_cues += 1

    decoder.on_marker = on_marker
    try:
        while not stop.wait(POLL_S):
            stream.check()
            if collector.error is not None:
                raise collector.error
            counts = collector.collected.n_accepted(len(decoder.classes))
            asked = [n for i, n in enumerate(counts) if decoder.recipe.markers.get(decoder.classes[i])]
            if asked and min(asked) >= n_wanted:
                return True
    finally:
        decoder.on_marker = None
    stream.check()
    _wait_for_last(cutter, threading.Event(), clock() + 1.0, clock)
    return False


def _wait_for_last(cutter: TrialCutter, stop: threading.Event, t_last: float, clock: Clock) -> None:
    """Give trials that were announced the time to come in; what is missing then is given up."""
    while cutter.n_pending and clock() < t_last and not stop.wait(POLL_S):
        pass
    cutter.abandon("stopped")
