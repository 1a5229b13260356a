"""Faults into a stream: chunk in, what is to be sent out, with a record of what was done. No clock, no thread."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from rtbci.chaos.clock_faults import BurstFault, ClockFault, InOrder, JitterFault
from rtbci.chaos.flow import Action, Appear, Flow, Injected, Note, Scalar
from rtbci.chaos.lives import Lives, TwinFault
from rtbci.chaos.scenario import (
    ArrivalJitter,
    Burst,
    ClockJump,
    ClockReset,
    Drift,
    Dropout,
    Duplicate,
    Flat,
    LineNoise,
    Noise,
    NotFinite,
    Saturation,
    Scenario,
    Twin,
    Vanish,
)
from rtbci.chaos.schedule import Part, Schedule
from rtbci.chaos.signal_faults import DropoutFault, DuplicateFault, SignalFault
from rtbci.stream.source import Chunk, StreamInfo

__all__ = ["Injection", "Injector"]

InFlow = SignalFault | DropoutFault | DuplicateFault | ClockFault | BurstFault | JitterFault
ORDER = (
    (NotFinite, Saturation, Flat, LineNoise, Noise),
    (Dropout, Duplicate),
    (Drift, ClockJump, ClockReset),
    (Burst, ArrivalJitter),
)
"""First what samples are, then which there are, then what their stamps say, then when they come."""
TWIN_LIVES = 1_000_000
"""Lives of twins are counted from here on, a million for each."""


class Injection(NamedTuple):
    """What a chunk became, and the faults that began in it, in the order of their times."""

    actions: list[Action]
    records: list[Injected]


class Injector:
    """Injects a scenario's faults into one stream.

    Parameters
    ----------
    scenario : Scenario
    info : StreamInfo
        Of the stream that is pushed.

    Attributes
    ----------
    start : Appear
        The stream as it is at first; due before the first sample.

    Raises
    ------
    ChannelError
        When the scenario names channels that the stream lacks.

    Notes
    -----
    The same scenario and samples give the same actions and records to the bit, however the samples are cut into
    chunks. Times of faults are counted in samples of the source: sample i is at ``i / rate_hz``, its stamp says when
    it is sent. One owner.
    """

    def __init__(self, scenario: Scenario, info: StreamInfo) -> None:
        self._rate_hz = info.rate_hz
        self._n_pushed = 0
        self._records: list[Injected] = []
        faults = list(enumerate(scenario.faults))
        schedules = [Schedule(fault, scenario.seed, i) for i, fault in faults]
        notes = [self._note_for(i, fault.kind) for i, fault in faults]
        self._in_flow: list[tuple[InFlow, Note]] = [
            (_build(fault, schedules[i], info), notes[i])
            for group in ORDER
            for i, fault in faults
            if isinstance(fault, group)
        ]
        self._in_order = InOrder()
        vanishing = [(i, fault) for i, fault in faults if isinstance(fault, Vanish)]
        self._lives = Lives(
            [(fault, schedules[i]) for i, fault in vanishing], info, [notes[i] for i, _ in vanishing]
        )
        self._twins = [
            (TwinFault(fault, schedules[i], info, TWIN_LIVES * (i + 1)), notes[i])
            for i, fault in faults
            if isinstance(fault, Twin)
        ]
        self.start = Appear(-np.inf, self._lives.life, info)

    def push(self, chunk: Chunk) -> Injection:
        """Take the next samples of the source; the chunk is not changed."""
        n = len(chunk.t_lsl)
        t_s = np.arange(self._n_pushed, self._n_pushed + n) / self._rate_hz
        self._n_pushed += n
        stamps = np.array(chunk.t_lsl, np.float64)
        flow = Flow(np.array(chunk.data, np.float64), t_s, stamps, stamps.copy(), stamps.copy())
        for fault, note in self._in_flow:
            flow = fault.push(flow, note)
        flow = self._in_order.push(flow)
        actions: list[Action] = []
        for twin, note in self._twins:
            actions += twin.push(flow, note)
        actions += self._lives.push(flow)
        records, self._records = sorted(self._records, key=lambda one: (one.t_s, one.fault)), []
        return Injection(actions, records)

    def _note_for(self, i_fault: int, kind: str) -> Note:
        def note(part: Part, flow: Flow, data: Mapping[str, Scalar]) -> None:
            _, start_s, stop_s = part.occurrence
            self._records.append(
                Injected(
                    kind=kind,
                    fault=i_fault,
                    number=part.occurrence.number,
                    t_lsl=float(flow.t_source[part.first]),
                    t_s=float(flow.t_s[part.first]),
                    length_s=None if np.isinf(stop_s) else stop_s - start_s,
                    data=data,
                )
            )

        return note


def _build(fault: object, schedule: Schedule, info: StreamInfo) -> InFlow:
    if isinstance(fault, NotFinite | Saturation | Flat | LineNoise | Noise):
        return SignalFault(fault, schedule, info)
    if isinstance(fault, Dropout):
        return DropoutFault(fault, schedule)
    if isinstance(fault, Duplicate):
        return DuplicateFault(fault, schedule)
    if isinstance(fault, Burst):
        return BurstFault(fault, schedule)
    if isinstance(fault, ArrivalJitter):
        return JitterFault(fault, schedule)
    if isinstance(fault, Drift | ClockJump | ClockReset):
        return ClockFault(fault, schedule)
    raise TypeError(f"chaos: {fault!r} is no fault of the samples")
