"""A recorded run through the live run's own code, in simulated time: every chunk as it was received."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from rtbci.clock import Clock
from rtbci.config import RunConfig
from rtbci.errors import ProfileError, RateError, StreamLostError
from rtbci.publish.control import Handler
from rtbci.publish.control_messages import Mark, Pause, Resume
from rtbci.publish.messages import Event, Message, Prediction
from rtbci.publish.outbox import Outbox
from rtbci.runtime.backlog import KnownSkips
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.journal import Journal, Taken
from rtbci.runtime.live import LiveRun
from rtbci.runtime.successor import Successor
from rtbci.runtime.telemetry import hello_of
from rtbci.stream.acquire import Ahead, Receive
from rtbci.stream.simulated_time import SimulatedClock
from rtbci.stream.source import Chunk, Marker, StreamInfo
from rtbci.stream.waiting import Counted
from rtbci.verify.script import Run, Take

__all__ = ["Engines", "ReadProfile", "Replayed", "replay"]

NEVER_S = 1e12
ALL_HOPS = 10**9
"""What a new profile's branches are depends on the first hop that they saw, not on when they saw the others."""

ReadProfile = Callable[[Event], Any]
"""Reads the profile that an event names."""


class Engines:
    """What is done to a decoder's engines while a run is replayed; this one leaves them as they are."""

    def change(self, decoder: Decoder, branch: str, event: Event) -> None:
        """Put the engine in use that an event names."""

    def fall_back(self, decoder: Decoder, branch: str) -> None:
        """Put the first engine in use again."""


class Replayed(NamedTuple):
    """What a take gave when it was decoded again.

    Parameters
    ----------
    take : Take
        What it was in the session.
    predictions : list of Prediction
    windows : tuple of str
        Checksums.
    part_names : list of str
        What these are of.
    """

    take: Take
    predictions: list[Prediction]
    windows: tuple[str, ...]
    part_names: list[str]


def replay(
    run: Run,
    config: RunConfig,
    decoder: Decoder,
    read_profile: ReadProfile,
    engines: Engines,
    judge: Callable[[Replayed], None],
) -> None:
    """Decode a run again, and hand every take to `judge` as it has been decoded.

    Parameters
    ----------
    run : Run
    config : RunConfig
        As it was recorded.
    decoder : Decoder
        As at the start of the run; stays open.
    read_profile : callable
        Gives the profile that an event names.
    engines : Engines
    judge : callable

    Raises
    ------
    RtbciError
        What the run itself raises.
    """
    watch = config.watch.model_copy(update={"stale_s": NEVER_S, "lost_s": 2 * NEVER_S})
    config = config.model_copy(update={"duration_s": None, "watch": watch})
    player = _Player(run.takes, decoder, read_profile, engines, judge)
    LiveRun(
        config,
        decoder,
        player.connect,
        [player],
        player,
        clock=player.clock,
        change=player,
        acquire=player.acquire,
        journal=Journal(decoder, player.keep_windows),
        skips=player.skips if run.says_skipped else None,
        decodes_late=not run.says_skipped,
    ).run(threading.Event())


class _Player:
    """Plays the parts of everybody that a live run has to do with: stream, clients, engines, listeners.

    It does what was done, where it was done: between two chunks, when the run waits for samples.
    """

    def __init__(
        self,
        takes: Sequence[Take],
        decoder: Decoder,
        read_profile: ReadProfile,
        engines: Engines,
        judge: Callable[[Replayed], None],
    ) -> None:
        self.clock = SimulatedClock(takes[0].t_taken if takes else 0.0)
        self._takes: Iterator[Take] = iter(takes)
        self._decoder, self._read_profile, self._engines, self._judge = decoder, read_profile, engines, judge
        self._outbox: Outbox | None = None
        self._handler: Handler | None = None
        self._next: Take | None = next(self._takes, None)
        self._prepared: Successor | None = None
        self._paused = False
        self._said: list[Prediction] = []
        self._windows: tuple[str, ...] = ()
        self.info: StreamInfo | None = None
        self.skips = KnownSkips()
        self.t_last_received: float | None = None
        self.t_waiting: float | None = None
        self.rest, self.is_stuck = Counted(0, 0), False
        self._receive: Receive | None = None
        self._is_connected = False
        self._begun: Take | None = None  # whose earlier chunks have been decoded

    # -- the stream ------------------------------------------------------------------------------------

    def connect(self, _lost: StreamInfo | None) -> Any:
        """Stand for the source of the next connection."""
        return self

    def acquire(self, source: object, *, clock: Clock, receive: Receive, ahead: Ahead | None) -> Any:  # noqa: ARG002
        """Stand for the acquisition of the next connection."""
        self._receive, self._is_connected = receive, False
        return self

    def busy_s(self, t_now: float) -> float:  # noqa: ARG002
        """Decoding takes no time."""
        return 0.0

    def take_left_out(self) -> Counted:
        """What was left out then is not given to the run."""
        return Counted(0, 0)

    def start(self) -> None:
        """Nothing: everything is here."""

    def stop(self, timeout_s: float | None = None) -> None:
        """Nothing."""

    def wait(self, timeout_s: float) -> None:  # noqa: ARG002
        """Let the run decode until a connection ends.

        Raises
        ------
        StreamLostError
            At the end of a connection.
        EOFError
            At the end of the run.
        """
        if self._handler is None:
            return  # first let the run ask what clients want
        while (take := self._next) is not None:
            if self.info is None and take.info is None:
                unknown = take._replace(unsure="the file does not say how the stream was opened")
                self._judge(Replayed(unknown, [], (), []))
                self._next = next(self._takes, None)
                continue
            self._decode_earlier(take)
            if take.info is not None:
                if self._is_connected:
                    raise StreamLostError("verify: here the stream was lost")
                self.info = take.info
            self._decode(take)
            self._next = next(self._takes, None)
        raise EOFError("verify: the session ends here")

    def _decode_earlier(self, take: Take) -> None:
        """What came since the take before, once."""
        if take is self._begun or self._receive is None:
            return
        self._begun, self._windows = take, ()
        self.clock.t_lsl = self.t_last_received = take.t_taken
        self.skips.expect(())
        for chunk in take.chunks[:-1]:
            self._give(chunk.received(), ())

    def _decode(self, take: Take) -> None:
        """What was done then, and the take's own samples and markers."""
        self._prepare(take)
        self.clock.t_lsl = self.t_last_received = take.t_taken
        self.skips.expect(take.skipped)
        self._give(take.chunks[-1].received(), take.markers)
        digests = self._decoder.pipeline.digests
        said, self._said = self._said, []
        self._judge(Replayed(take, said, self._windows, digests.part_names if digests is not None else []))

    def _give(self, chunk: Chunk, markers: Sequence[Marker]) -> None:
        """Let the run decode a chunk.

        When it looks whether the stream has the rate that it states hangs on the moment, and nothing that was decoded
        hangs on it: a session that ended by that is compared to its end.
        """
        if self._receive is None:
            return
        was_connected, self._is_connected = self._is_connected, True
        try:
            self._receive(chunk, markers)
        except RateError:
            if not was_connected:  # the decoder cannot open the stream
                raise

    def keep_windows(self, row: Taken) -> None:
        """Take the checksums that the run's own journal has."""
        self._windows += row.windows

    # -- clients, profiles, engines ----------------------------------------------------------------------

    def advance(self, outbox: Outbox) -> bool:
        """Take note of where to tell what is done; nothing is prepared beside a replay."""
        self._outbox = outbox
        return False

    def answer(self, handler: Handler) -> None:
        """Take note of what carries out requests."""
        self._handler = handler

    def _prepare(self, take: Take) -> None:
        """Do what was done in front of a take."""
        if take.paused != self._paused and self._handler is not None:
            self._handler(Pause() if take.paused else Resume())
            self._paused = take.paused
        for event in take.ops:
            self._do(event)
        for branch in take.failed:
            self._engines.fall_back(self._decoder, branch)
            self._announce()
        if self._prepared is not None:
            self._decoder.warm(self._prepared, ALL_HOPS)

    def _do(self, event: Event) -> None:
        if event.kind == "marker" and self._handler is not None:
            self.clock.t_lsl = event.t_lsl
            self._handler(Mark(value=event.value))
        elif event.kind == "engine_changed":
            self._engines.change(self._decoder, str(event.data["branch"]), event)
            self._announce()
        elif event.kind == "profile_warming":
            self._prepared = None
            with suppress(
                ProfileError
            ):  # of one that was never in use there is no copy; of others it is told then
                self._prepared = self._decoder.prepare(self._read_profile(event))
        elif event.kind == "profile_swapped":
            self._decoder.use(self._prepared or self._decoder.prepare(self._read_profile(event)))
            self._prepared = None
            self._announce()

    def _announce(self) -> None:
        if self._outbox is not None:
            self._outbox.announce(hello_of(self._decoder))

    # -- listeners ---------------------------------------------------------------------------------------

    def send(self, message: Message) -> None:
        """Keep predictions."""
        if isinstance(message, Prediction) and message.why != "stream_lost":
            self._said.append(message)

    def poll(self) -> bool:
        """Nobody here needs a hello."""
        return False

    def close(self) -> None:
        """Nothing to let go of."""
