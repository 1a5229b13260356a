"""A live run against a scenario in simulated time: the whole run, no network, no thread, no waiting."""

from collections.abc import Callable
from typing import NamedTuple

from rtbci.chaos.flow import Injected
from rtbci.chaos.scenario import Scenario
from rtbci.chaos.source import FaultyStreams
from rtbci.clock import Clock
from rtbci.config import RunConfig
from rtbci.errors import RtbciError
from rtbci.publish.control import Answers
from rtbci.publish.messages import Message
from rtbci.publish.sink import Sink
from rtbci.record.kept_profiles import ProfileKeeper
from rtbci.record.recorder import SessionRecorder
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.engine_change import Changes
from rtbci.runtime.journal import Journal
from rtbci.runtime.live import LiveRun
from rtbci.runtime.telemetry import Report
from rtbci.stream.simulated_time import T_START_LSL, SimulatedClock, SimulatedStop, SteppedAcquisition
from rtbci.stream.source import Source, StreamInfo

__all__ = ["Outcome", "simulate"]

OPEN_S = 0.25
"""How long one look for the stream takes in simulated time; the run looks again by itself."""


class Outcome(NamedTuple):
    """What a run made of a scenario.

    Parameters
    ----------
    records : list of Injected
        What was done to the stream.
    messages : list of Message
        What the run published.
    report : Report or None
        Its own summary; None when it ended with `error`.
    error : RtbciError or None
        Why it gave up.
    t_start_lsl : float
        Stamp of the source's first sample, in seconds.
    """

    records: list[Injected]
    messages: list[Message]
    report: Report | None
    error: RtbciError | None
    t_start_lsl: float


class _Keep:
    def __init__(self) -> None:
        self.messages: list[Message] = []

    def send(self, message: Message) -> None:
        self.messages.append(message)

    def poll(self) -> bool:
        return False

    def close(self) -> None:
        pass


def simulate(
    scenario: Scenario,
    decoder: Decoder,
    make_source: Callable[[SimulatedClock], Source],
    config: RunConfig,
    *,
    record: Callable[[Clock], SessionRecorder] | None = None,
    control: Callable[[Clock], Answers] | None = None,
    change: Changes | None = None,
) -> Outcome:
    """Run a decoder on a faulty stream for the scenario's duration.

    Parameters
    ----------
    scenario : Scenario
    decoder : Decoder
        Of the configuration's paradigm; stays open.
    make_source : callable
        Makes the stream without faults, paced by the clock that it is given.
    config : RunConfig
        Its `duration_s` is the scenario's.
    record : callable, optional
        Makes a recorder on the simulated clock; started and closed here.
    control : callable, optional
        Makes what stands for clients on that clock.
    change : Changes, optional
        See `LiveRun`.
    """
    clock, kept = SimulatedClock(), _Keep()
    recorder, journal = (None if record is None else record(clock)), None
    sinks: list[Sink] = [kept]
    if recorder is not None:
        recorder.start()
        sinks += [ProfileKeeper(decoder, recorder), recorder]
        journal = Journal(decoder, recorder.take)
    config = config.model_copy(update={"duration_s": scenario.duration_s})
    report: Report | None = None
    error: RtbciError | None = None
    with FaultyStreams(make_source(clock), scenario, clock=clock) as streams:

        def connect(lost: StreamInfo | None) -> Source:
            source = streams.receiver(lost, OPEN_S)
            return source if recorder is None else recorder.tap(source)

        run = LiveRun(
            config,
            decoder,
            connect,
            sinks,
            None if control is None else control(clock),
            clock,
            change=change,
            acquire=SteppedAcquisition,
            journal=journal,
            news=tuple if recorder is None else recorder.news,
        )
        try:
            report = run.run(SimulatedStop(clock))
        except RtbciError as refused:
            error = refused
    return Outcome(streams.records, kept.messages, report, error, T_START_LSL)
