"""Scenarios and streams for tests of the faults."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from rtbci.chaos.flow import Action, Appear, Injected, Samples
from rtbci.chaos.injector import Injector
from rtbci.chaos.scenario import Scenario
from rtbci.stream.simulated_time import SimulatedClock
from rtbci.stream.source import Channel, Chunk, FloatArray, StreamInfo
from rtbci.stream.synthetic import SyntheticSource

__all__ = [
    "INFO",
    "RATE_HZ",
    "T0_LSL",
    "all_samples",
    "infos",
    "inject",
    "make_synthetic",
    "scenario",
    "signal",
]

RATE_HZ = 250.0
T0_LSL = 700.0
INFO = StreamInfo(
    "s",
    "s-id",
    RATE_HZ,
    (*(Channel(label, "uV") for label in ("C3", "CZ", "C4")), Channel("INDEX", "", "MISC")),
)


def scenario(*faults: dict[str, Any], seed: int = 1, duration_s: float = 20.0, **more: Any) -> Scenario:
    return Scenario.model_validate(
        {"schema": 1, "title": "test", "seed": seed, "duration_s": duration_s, "faults": faults, **more}
    )


def signal(seconds: float, rate_hz: float = RATE_HZ) -> Chunk:
    """Noise and, in the last channel, the number of each sample."""
    n = round(seconds * rate_hz)
    data = np.random.default_rng(5).standard_normal((n, 4))
    data[:, 3] = np.arange(n)
    return Chunk(data, T0_LSL + np.arange(n) / rate_hz)


def inject(
    what: Scenario, chunk: Chunk, cuts: Sequence[int] = (), info: StreamInfo = INFO
) -> tuple[list[Action], list[Injected]]:
    """Push a signal, cut at some places; actions and records of all pushes."""
    injector = Injector(what, info)
    actions: list[Action] = [injector.start]
    records: list[Injected] = []
    edges = [0, *sorted(cuts), len(chunk.t_lsl)]
    for first, last in itertools.pairwise(edges):
        done = injector.push(Chunk(chunk.data[first:last], chunk.t_lsl[first:last]))
        actions += done.actions
        records += done.records
    return actions, records


def all_samples(
    actions: Sequence[Action], life: int | None = None
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Samples, stamps and times of sending, of one life or all; the channels must be the same throughout."""
    kept = [one for one in actions if isinstance(one, Samples) and life in (None, one.life)]
    if not kept:
        return np.empty((0, 4)), np.empty(0), np.empty(0)
    data = np.concatenate([one.chunk.data for one in kept])
    return (
        data,
        np.concatenate([one.chunk.t_lsl for one in kept]),
        np.concatenate([one.t_due for one in kept]),
    )


def make_synthetic(clock: SimulatedClock) -> SyntheticSource:
    """A stream for `simulate`."""
    return SyntheticSource(seed=1, index_channel=True, clock=clock, sleep_until=clock.sleep_until)


def infos(actions: Sequence[Action]) -> list[StreamInfo]:
    return [one.info for one in actions if isinstance(one, Appear)]
