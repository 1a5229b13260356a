"""The live run: stream in, messages out, through loss and recovery, until told to stop."""

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack

import numpy as np

from rtbci.clock import Clock, now
from rtbci.config import RunConfig
from rtbci.errors import StreamError, StreamLostError
from rtbci.memory import give_back, settled
from rtbci.publish.control import Answers
from rtbci.publish.messages import Status
from rtbci.publish.outbox import Outbox
from rtbci.publish.sink import Sink
from rtbci.runtime.backlog import Skips
from rtbci.runtime.behind import Behind
from rtbci.runtime.busy import BusyTalk
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.engine_change import Changes
from rtbci.runtime.journal import Journal
from rtbci.runtime.news import News
from rtbci.runtime.profile_swaps import ProfileSwaps
from rtbci.runtime.profile_watch import ProfileWatch
from rtbci.runtime.rehearsal import Rehearsal
from rtbci.runtime.requests import RequestHandler
from rtbci.runtime.stream_decoding import StreamDecoding
from rtbci.runtime.telemetry import Report, Telemetry, channels_found, hello_of
from rtbci.runtime.teller import Teller
from rtbci.runtime.use_watch import UseWatch
from rtbci.runtime.watch import StreamWatch
from rtbci.runtime.what_fits import open_or_tell
from rtbci.stream.acquire import Acquiring, Acquisition, AcquisitionFactory
from rtbci.stream.source import Chunk, Marker, Source, StreamInfo, is_checking

__all__ = ["LiveRun", "SourceFactory"]

SourceFactory = Callable[[StreamInfo | None], Source]
"""Makes the source; is given the metadata of the stream that was lost, None at the start."""

POLL_S = 0.25
OPENING_STOP_S = 1.0
TICK_S = 0.05
TICK_LATE_S = 0.15
"""All that is no decision is done right after one, when the next is farthest; without decisions this often."""
STATUS_S = 1.0
LISTENERS_S = 0.1
REST_S = 0.5
"""What is left at an end is told from here on: in any run the newest samples wait for late markers."""
RETRY_S = 0.25
GIVE_BACK_S = 15.0
"""So often memory is given back that a gap, a burst or a connection took for a moment, and all objects are looked through."""


class LiveRun:
    """Decode one stream and publish, from the first sample to the last.

    Parameters
    ----------
    config : RunConfig
        Everything the run can be told.
    decoder : Decoder
        Closed by its owner, not by the run.
    make_source : callable
        Called for the first connection, and again after the stream was lost.
    sinks : sequence of Sink
        Where messages go; closed with the run.
    control : Control or None
        Its requests are carried out between two hops; closed with the run.
    clock : callable
        Time in seconds of the local LSL clock.
    watch : ProfileWatch, optional
        New profiles that it tells of are put in use between two hops.
    change : Changes, optional
        Puts engines in use between two hops, as `EngineChange`; what is ready, before the first sample. Its owner's.
    news : callable
        What else there is to tell, for instance by a recorder; each becomes an event.
    acquire : callable
        Makes what drains the source; see `rtbci.stream.simulated_time` for another than `Acquisition`.
    journal : Journal, optional
        Is told what was decoded, for `rtbci verify`; says where the numbers of messages begin.
    skips : Skips, optional
        Says which windows are skipped; default: those that are late by the clock.
    decodes_late : bool
        Windows that are late are decoded and not sent, as by a decoder that needs every window.

    Notes
    -----
    Samples are decoded and published by the acquisition thread; `run` looks after it from the calling thread. A lock
    says whose turn it is, so that sinks are used by one at a time (docs/adr/0004). While a window takes long, the calling
    thread says so and the recording goes on (docs/adr/0040).
    """

    def __init__(
        self,
        config: RunConfig,
        decoder: Decoder,
        make_source: SourceFactory,
        sinks: Sequence[Sink] = (),
        control: Answers | None = None,
        clock: Clock = now,
        watch: ProfileWatch | None = None,
        change: Changes | None = None,
        news: Callable[[], Sequence[News]] = tuple,
        acquire: AcquisitionFactory = Acquisition,
        journal: Journal | None = None,
        skips: Skips | None = None,
        decodes_late: bool = False,
    ) -> None:
        self._acquire, self._journal = acquire, journal
        self._config, self._decoder, self._make_source = config, decoder, make_source
        self._control, self._clock, self._news = control, clock, news
        self._t_start = clock()
        self._watch = StreamWatch(config.watch.stale_s, config.watch.lost_s)
        self._telemetry = Telemetry(self._t_start)
        self._outbox = Outbox(
            hello_of(decoder), sinks, clock=clock, numbers=None if journal is None else journal.numbers
        )
        self._swaps = ProfileSwaps(decoder, self._outbox, clock, watch)
        self._requests = RequestHandler(decoder, self._outbox, self._swaps, self._send_status, clock)
        self._use = UseWatch(decoder, self._outbox)
        self._teller = Teller(
            decoder,
            self._outbox,
            self._telemetry,
            self._watch,
            self._use,
            lambda: self._requests.paused,
            clock,
        )
        self._teller.recording = None if config.record.enabled else ""
        self._change = change
        self._t_give_back = -np.inf
        self._info: StreamInfo | None = None
        self._state_sent = ""
        self._t_status = self._t_listeners = self._t_ticked = -np.inf
        max_s = config.watch.max_backlog_s
        self._behind = Behind(
            decoder, self._outbox, self._telemetry, journal, max_s, clock, skips, decodes_late
        )
        self._decoding = StreamDecoding(
            decoder, self._outbox, self._telemetry, self._watch, self._use, self._teller, self._behind
        )
        self._ticking = threading.Lock()  # whoever holds it may tell what is no decision
        self._busy = BusyTalk(self._outbox, control, self._requests, self._send_status)
        self._lock = threading.Lock()  # whoever holds it may use decoder, outbox and their sockets
        self._is_connected = False
        self._rehearsal = Rehearsal(self._rehearse, clock)

    def run(self, stop: threading.Event) -> Report:
        """Run until `stop` is set, a client asks to stop, the time is over, or a recording has ended.

        Raises
        ------
        StreamNotFoundError
            When there is no stream at the start (unless the configuration says to wait).
        ChannelError, RateError, UnitError, SignalError
            When the stream is not what the decoder needs.
        """
        with settled(), ExitStack() as stack:
            stack.callback(self._outbox.close)
            if self._control is not None:
                stack.callback(self._control.close)
            stack.callback(self._say_stopped)
            self._send_status()
            while self._change_engine():
                pass
            while not self._is_over(stop):
                source = self._make_source(self._info)
                acquisition = self._acquire(
                    source, clock=self._clock, receive=self._receive, ahead=self._rehearsal
                )
                self._acquisition, self._is_connected = acquisition, False
                try:
                    acquisition.start()
                    self._watch_over(acquisition, source, stop)
                except EOFError:
                    break
                except StreamLostError:
                    self._lose()
                except StreamError:
                    # At the start that is an answer; after a loss, or when told to wait, it is not yet.
                    if self._info is None and not self._config.stream.wait:
                        raise
                    if self._is_connected:
                        self._lose()
                    self._idle(RETRY_S, stop)
                finally:
                    # One that still looks for its stream would hold us up to its own timeout; it ends by itself.
                    acquisition.stop(OPENING_STOP_S)
                    self._take_leave(acquisition)
        return self.report()

    def report(self) -> Report:
        """What the run has counted so far."""
        return self._telemetry.report(self._clock())

    def _watch_over(self, acquisition: Acquiring, source: Source, stop: threading.Event) -> None:
        """Look after one connection from the calling thread, until it is lost; decoding needs none of it."""
        while not self._is_over(stop):
            acquisition.wait(POLL_S)  # for what stopped the thread; the samples go to `_receive`
            self._swaps.prepare()
            if self._clock() >= self._t_give_back:
                self._t_give_back = self._clock() + GIVE_BACK_S
                give_back()
            if not self._lock.acquire(timeout=POLL_S):
                with self._ticking:
                    self._busy.tell(self._clock(), acquisition, self._news, self._teller.tell)
                continue
            try:
                self._look_after(acquisition, source)
            finally:
                self._lock.release()

    def _look_after(self, acquisition: Acquiring, source: Source) -> None:
        t_now = self._clock()
        if t_now - self._t_ticked < POLL_S:
            return  # samples flow, and everything is done between two of them
        if self._is_connected and not is_checking(source):
            # What another thread has pulled while a decision took long is no silence.
            self._watch.heard(acquisition.t_last_received)
            self._watch.passed(t_now)
        self._tick(t_now)
        if self._is_connected and self._watch.state == "lost":
            name = self._info.name if self._info else ""
            raise StreamLostError(f"stream '{name}': no data for {self._watch.lost_s:g} s")

    def _take_leave(self, acquisition: Acquiring) -> None:
        """Count what a connection has left undecoded; one whose window never ends keeps decoder and engines."""
        n_rest = acquisition.rest.n_samples
        if self._info is not None and n_rest > REST_S * self._info.rate_hz:
            self._telemetry.n_rest += n_rest
        if acquisition.is_stuck:
            self._telemetry.is_stuck = True
            self._decoder.leave()
        elif self._journal is not None:
            self._journal.left_out(acquisition.take_left_out())

    def _receive(self, chunk: Chunk, markers: Sequence[Marker]) -> None:
        """Decode what has come; called by the acquisition thread for every chunk."""
        with self._lock:
            if not self._is_connected:
                self._connect(self._acquisition.info)
            t_taken = self._acquisition.t_last_received or self._clock()
            n_before = self._telemetry.n_predictions
            self._behind.left_out(self._acquisition.take_left_out())
            placed = self._decoding.take(chunk, markers, t_taken, self._acquisition)
            n = len(chunk.t_lsl)
            if n:
                self._rehearsal.push(float(chunk.t_lsl[-1]), t_taken, n, self._decoder.n_needed)
            skipped = self._behind.take(t_taken)
            if self._journal is not None:
                self._journal.note(chunk, placed, t_taken, self._outbox.n_sent, skipped)
            if not n:
                return  # markers that still come are no sign of life: `_watch_over` looks at the time
            t_now = self._clock()
            due_s = TICK_S if self._telemetry.n_predictions > n_before else TICK_LATE_S
            if t_now - self._t_ticked >= due_s or self._watch.state != self._state_sent:
                self._tick(t_now)

    def _connect(self, info: StreamInfo) -> None:
        """Get the decoder ready for a stream, new or come back."""
        t_now = self._clock()
        self._is_connected = True
        came_back = self._info is not None
        usual = self._decoder.pipeline.baseline if came_back else None
        channel_map = open_or_tell(self._decoder, info, self._config.stream.unit)
        if usual is not None:  # of the user, who has not changed
            self._decoder.pipeline.baseline = usual
        if self._journal is not None:
            self._journal.opened()
        self._info = info
        self._decoding.opened(info, t_now)
        self._rehearsal.close()
        window = self._decoder.recipe.window
        if self._config.engine.rehearse and window.policy == "sliding":
            self._rehearsal.open(info.rate_hz, window.hop_s)
        self._outbox.announce(hello_of(self._decoder))
        if came_back:
            self._outbox.event("stream_recovered", t_now, info.name)
        else:
            self._outbox.event("stream_found", t_now, info.name, channels_found(channel_map))
        self._send_status()

    def _lose(self) -> None:
        with self._lock:
            t_now = self._clock()
            self._watch.passed(t_now + self._config.watch.lost_s)
            self._outbox.event("stream_lost", t_now, self._info.name if self._info else "")
            self._send_status()

    def _rehearse(self) -> None:
        with self._lock:
            if self._watch.state == "running" and not self._requests.paused:
                self._decoder.rehearse()
                self._decoding.check_not_left()
                self._outbox.rehearse()

    def _tick(self, t_now: float) -> None:
        """Everything that is not a decision: requests, new listeners, status."""
        with self._ticking:
            self._do_tick(t_now)

    def _do_tick(self, t_now: float) -> None:
        self._t_ticked = t_now
        for item in self._news():
            self._teller.tell(item, t_now)
        if self._control is not None:
            self._control.answer(self._requests)
        self._swaps.advance()
        self._change_engine()
        if t_now - self._t_listeners >= LISTENERS_S:
            self._t_listeners = t_now
            self._outbox.poll()
        if self._watch.state != self._state_sent or t_now - self._t_status >= STATUS_S:
            self._use.look(t_now)
            self._send_status()
            if self._info is not None:
                self._decoding.intake.check_rate(t_now)
                self._teller.say_duplicates(t_now)
                self._teller.say_clock(t_now)
            self._teller.say_missing(t_now)

    def _change_engine(self) -> bool:
        return self._change is not None and self._change.advance(self._outbox)

    def _send_status(self) -> Status:
        t_now = self._clock()
        self._t_status, self._state_sent = t_now, self._watch.state
        return self._teller.status(t_now)

    def _say_stopped(self) -> None:
        self._decoding.end()
        self._watch.state = "stopped"
        self._send_status()

    def _idle(self, seconds: float, stop: threading.Event) -> None:
        t_end = self._clock() + seconds
        while self._clock() < t_end and not self._is_over(stop):
            stop.wait(POLL_S)
            self._swaps.prepare()
            self._tick(self._clock())

    def _is_over(self, stop: threading.Event) -> bool:
        duration_s = self._config.duration_s
        late = duration_s is not None and self._clock() - self._t_start >= duration_s
        return late or stop.is_set() or self._requests.stopped
