"""A calibration on a live stream: the run in a thread of its own, the user led by the calling one."""

import math
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

import numpy as np

from rtbci.calibrate.calibration_decoder import CalibrationDecoder
from rtbci.calibrate.collector import Collector
from rtbci.calibrate.cutter import TrialCutter
from rtbci.calibrate.presenter import Presenter, PresenterAround, Step, guide
from rtbci.calibrate.schedule import Schedule, ScheduledTrial
from rtbci.clock import Clock, now
from rtbci.config import RunConfig
from rtbci.errors import StreamNotFoundError
from rtbci.publish.messages import Event, Message
from rtbci.publish.sink import Sink
from rtbci.recipes import ParadigmRecipe
from rtbci.record.recorder import SessionRecorder
from rtbci.runtime.live import LiveRun, SourceFactory
from rtbci.stages.stage import FloatArray
from rtbci.stream.repeats import Repeats
from rtbci.stream.source import UNSEEN, Marker, Source, StreamInfo

__all__ = ["LiveStream", "PatientPresenter", "follow_markers", "look_at_stream", "n_least", "run_guided"]

READY_S = 30.0
"""A window is full long before, or the stream has nothing to give."""
POLL_S = 0.1
LOOK_S = 10.0
LOST, STOPPED = "stream lost", "stopped"
TAIL_S = 1.5
"""What a trial needs behind its imagery, and the way through the network."""
SILENT_S = 30.0
NOT_SEEN = "not seen"
MOST_UNKNOWN = 10


class _Losses(Sink):
    """A sink that gives up pending trials when the stream is lost, and remembers that it is."""

    def __init__(self, cutter: TrialCutter, say: Callable[[str, bool], None]) -> None:
        self._cutter, self._say = cutter, say
        self.is_lost = False

    def send(self, message: Message) -> None:
        """Take a message; see `rtbci.publish.sink.Sink`."""
        if not isinstance(message, Event):
            return
        if message.kind == "stream_lost":
            self.is_lost = True
            self._cutter.abandon(LOST)
            self._say("The stream is lost: look at the amplifier. It goes on when the stream is back.", False)
        elif message.kind == "stream_recovered":
            self.is_lost = False
            self._say("The stream is back.", True)


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
        Set when the run ends by itself, so that whoever leads the user stops too; the run ends with the context, not
        with this.
    say : callable
        Takes one line for the user, and whether the stream is there; called in the run's thread.
    recorder : SessionRecorder, optional
        Keeps what the run says; its owner's.

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
        say: Callable[[str, bool], None] = lambda _line, _is_there: None,
        recorder: SessionRecorder | None = None,
    ) -> None:
        self._losses = _Losses(cutter, say)
        sinks: list[Sink] = [self._losses] if recorder is None else [self._losses, recorder]
        news = tuple if recorder is None else recorder.news
        self._run = LiveRun(config, decoder, make_source, sinks, news=news)
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

    @property
    def is_lost(self) -> bool:
        """Whether there was a stream that has gone."""
        return self._losses.is_lost

    def ends_within(self, seconds: float) -> bool:
        """Wait that long for the end of the run; whether it has ended."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

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


class PatientPresenter(PresenterAround):
    """A `Presenter` that shows no trial while the stream is lost: the trial is repeated when the user goes on.

    Parameters
    ----------
    presenter : Presenter
        What shows the steps; not closed here.
    stream : LiveStream
    """

    def __init__(self, presenter: Presenter, stream: LiveStream) -> None:
        super().__init__(presenter)
        self._stream = stream

    def wait_for_start(self, stop: threading.Event) -> bool:
        """Wait for the user, and for the stream."""
        while self._presenter.wait_for_start(stop):
            if not self._stream.is_lost:
                return True
            while self._stream.is_lost:
                if stop.wait(POLL_S):
                    return False
        return False

    def present(self, step: Step, trial: ScheduledTrial | None) -> float:
        """Show a step; NaN, for one that is worth nothing, in a trial without a stream."""
        if trial is not None and step != "break" and self._stream.is_lost:
            return math.nan
        return self._presenter.present(step, trial)


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
    finished = guide(
        schedule, presenter, cutter.cue, stop, clock, on_unseen=lambda _: cutter.abandon(NOT_SEEN)
    )
    _check(stream, collector)
    _wait_for_last(stream, cutter, clock() + (schedule.protocol.timing.imagery_s if finished else 0.0), clock)
    return finished


def follow_markers(
    stream: LiveStream,
    decoder: CalibrationDecoder,
    cutter: TrialCutter,
    collector: Collector,
    n_wanted: int,
    stop: threading.Event,
    say: Callable[[str], None] = lambda _: None,
    clock: Clock = now,
) -> bool:
    """Take the cues from markers of somebody else's experiment until there are enough accepted trials of each class.

    `UNSEEN` takes the cue before it back. Texts that name no class are told once each, and it is told when no marker comes at all.

    Returns
    -------
    bool
        Whether there are enough; False when it was stopped before.
    """
    cues = _MarkerCues(
        decoder, cutter, 1 + max((one.i_trial for one in collector.collected.trials), default=-1), say
    )
    t_silent = clock() + SILENT_S
    decoder.on_marker = cues.take
    try:
        while not stop.wait(POLL_S):
            _check(stream, collector)
            counts = collector.collected.n_accepted(len(decoder.classes))
            if n_least(decoder.recipe, counts) >= n_wanted:
                cutter.abandon(STOPPED)
                return True
            if clock() > t_silent and not cues.n_markers:
                say(
                    f"no marker has come in {SILENT_S:g} s; `rtbci streams` lists marker streams, --markers names one"
                )
                t_silent = math.inf
    finally:
        decoder.on_marker = None
    _check(stream, collector)
    _wait_for_last(stream, cutter, clock(), clock)
    return False


def n_least(recipe: ParadigmRecipe, n_accepted: Sequence[int]) -> int:
    """Trials of the class that has the fewest, of those that markers ask for: that the recipe has texts of, or that came by
    their own names; 0 while that is but one.
    """
    asked = [n for n, name in zip(n_accepted, recipe.classes, strict=True) if n or recipe.markers.get(name)]
    return min(asked) if len(asked) > 1 else 0


class _MarkerCues:
    """Announces the trials that markers name."""

    def __init__(
        self, decoder: CalibrationDecoder, cutter: TrialCutter, i_first: int, say: Callable[[str], None]
    ) -> None:
        self._decoder, self._cutter, self._i_next, self._say = decoder, cutter, i_first, say
        self._unknown: set[str] = set()
        self._repeats = Repeats()
        self.n_markers = 0

    def take(self, marker: Marker) -> None:
        """Take a marker, in the stream's thread."""
        self.n_markers += 1
        if marker.value == UNSEEN:
            self._cutter.abandon(NOT_SEEN)
            return
        name = self._decoder.recipe.class_of(marker.value)
        if name is not None and self._repeats.is_repeat(marker.t_lsl, name):
            if self._repeats.n == 1:
                self._say(
                    f"cue '{marker.value}' tells again what another marker told just before, and counts once; --markers NAME "
                    "reads one stream alone"
                )
        elif name is not None:
            self._cutter.cue(self._i_next, self._decoder.classes.index(name), marker.t_lsl)
            self._i_next += 1
        elif marker.value not in self._unknown and len(self._unknown) < MOST_UNKNOWN:
            self._unknown.add(marker.value)
            self._say(
                f"marker '{marker.value}' names no class, so it is no cue; if it is one: --map TEXT=CLASS"
            )


def _check(stream: LiveStream, collector: Collector) -> None:
    """Raise what ended the stream or the collector."""
    stream.check()
    if collector.error is not None:
        raise collector.error


def _wait_for_last(stream: LiveStream, cutter: TrialCutter, t_last: float, clock: Clock) -> None:
    """Give trials that were announced the time to come in; what is missing then is given up."""
    while cutter.n_pending and clock() < t_last + TAIL_S and not stream.ends_within(POLL_S):
        pass
    cutter.abandon(STOPPED)
