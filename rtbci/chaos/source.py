"""Any source with faults, as a receiver would see it: what LSL does, in this process and on any clock."""

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, Self

import numpy as np

from rtbci.chaos.deliveries import Deliveries
from rtbci.chaos.flow import Action, Appear, Disappear, Injected, Samples
from rtbci.chaos.injector import Injector
from rtbci.chaos.scenario import Scenario
from rtbci.clock import Clock, now
from rtbci.errors import StreamError, StreamLostError, StreamNotFoundError
from rtbci.stream.source import Chunk, Marker, Source, StreamInfo

__all__ = ["FaultySource", "FaultyStreams", "Receiver"]

PULL_S = 0.1
BUFFER_S = 60.0
"""What a receiver keeps while nobody pulls, as the LSL source asks of liblsl."""


class Receiver(Protocol):
    """Somebody who is given what the streams do."""

    def receive(self, action: Action) -> None:
        """Take one action; called when it is due."""
        ...


class FaultyStreams:
    """The streams that a scenario makes of one source, like a small network.

    Parameters
    ----------
    source : Source
        Paced by the same clock; opened and closed with this object.
    scenario : Scenario
    clock : Clock
        Seconds of the local LSL clock, on which the source stamps.
    log : callable, optional
        Is given a record of each fault as it is injected.
    name, source_id : str
        Of the faulty stream; empty: the source's.

    Attributes
    ----------
    records : list of Injected
        All so far.
    there : dict of int to StreamInfo
        Streams that can be found now, by their life.

    Notes
    -----
    Time goes on only while somebody pulls from one of its sources. One thread.
    """

    def __init__(
        self,
        source: Source,
        scenario: Scenario,
        *,
        clock: Clock = now,
        log: Callable[[Injected], None] | None = None,
        name: str = "",
        source_id: str = "",
    ) -> None:
        self._name, self._source_id = name, source_id
        self._source, self._scenario, self._clock, self._log = source, scenario, clock, log
        self._deliveries = Deliveries()
        self.records: list[Injected] = []
        self.there: dict[int, StreamInfo] = {}
        self._markers: list[Marker] = []
        self._receivers: list[Receiver] = []

    def receiver(self, lost: StreamInfo | None = None, timeout_s: float = 2.0) -> "FaultySource":
        """Return a source for one connection: of the stream that was lost, or of the only one there is."""
        return FaultySource(self, "" if lost is None else lost.source_id, timeout_s)

    def advance(self, timeout_s: float) -> None:
        """Let the source go on for up to `timeout_s` seconds, at most to the next time that something is due.

        Raises
        ------
        EOFError
            When the source has ended; what was held back is lost with it.
        """
        wait_s = min(timeout_s, PULL_S, self._deliveries.t_next - self._clock())
        injection = self._injector.push(self._source.pull(max(0.0, wait_s)))
        self._markers += self._source.pull_markers()
        self._deliveries.push(injection.actions)
        for record in injection.records:
            self.records.append(record)
            if self._log is not None:
                self._log(record)
        self._deliver()

    def _deliver(self) -> None:
        for action in self._deliveries.due(self._clock()):
            if isinstance(action, Appear):
                self.there[action.life] = action.info
            elif isinstance(action, Disappear):
                self.there.pop(action.life, None)
            for receiver in list(self._receivers):
                receiver.receive(action)

    def connect(self, receiver: Receiver) -> None:
        """Give what is sent from now on to a receiver."""
        self._receivers.append(receiver)

    def disconnect(self, receiver: Receiver) -> None:
        """Give it no more."""
        self._receivers = [one for one in self._receivers if one is not receiver]

    def take_markers(self) -> list[Marker]:
        """Return the source's markers since the last call."""
        taken, self._markers = self._markers, []
        return taken

    @property
    def clock(self) -> Clock:
        """Clock of all its sources."""
        return self._clock

    def __enter__(self) -> Self:
        self._source.open()
        info = self._source.info
        info = replace(info, name=self._name or info.name, source_id=self._source_id or info.source_id)
        self._injector = Injector(self._scenario, info)
        self._deliveries.push([self._injector.start])
        self._deliver()
        return self

    def __exit__(self, *exc: object) -> None:
        self._source.close()


class FaultySource(Source):
    """One connection to one of the streams of `FaultyStreams`; a `Source`.

    Parameters
    ----------
    streams : FaultyStreams
        Open.
    source_id : str
        Which stream; empty: the only one.
    timeout_s : float
        How long `open` waits for it, in seconds.

    Notes
    -----
    Like an LSL inlet that recovers: while its stream is gone, `pull` returns nothing, and goes on when a stream of the
    same `source_id` is there. When that one describes itself otherwise, `pull` raises `StreamLostError`, so that its
    description is read anew. Samples that wait longer than 60 s are lost.
    """

    def __init__(self, streams: FaultyStreams, source_id: str = "", timeout_s: float = 2.0) -> None:
        self._streams, self._wanted, self._timeout_s = streams, source_id, timeout_s
        self._info: StreamInfo | None = None
        self._life: int | None = None
        self._is_open = self._has_changed = False
        self._waiting: list[Chunk] = []

    @property
    def info(self) -> StreamInfo:
        """Metadata as they were when the stream was opened."""
        if self._info is None:
            raise StreamError("FaultySource: is not open yet; call open first")
        return self._info

    def open(self) -> None:
        """Find the stream and connect.

        Raises
        ------
        StreamNotFoundError
            When there is none in time, or more than one.
        """
        t_end = self._streams.clock() + self._timeout_s
        while not (found := self._found()) and self._streams.clock() < t_end:
            self._streams.advance(t_end - self._streams.clock())
        if len(found) != 1:
            raise StreamNotFoundError(
                f"FaultySource: {len(found)} streams of source id '{self._wanted}', need one; wait, or name one"
            )
        [(self._life, self._info)] = found.items()
        self._waiting, self._is_open, self._has_changed = [], True, False
        self._streams.connect(self)

    def close(self) -> None:
        """Disconnect; may be called more than once."""
        self._is_open = False
        self._streams.disconnect(self)

    def pull(self, timeout_s: float) -> Chunk:
        """Return all samples that are there; see `Source.pull`.

        Raises
        ------
        StreamLostError
            When the stream came back with another description.
        EOFError
            When the source has ended.
        """
        if not self._is_open:
            raise StreamError("FaultySource: is not open; call open first")
        clock = self._streams.clock
        t_end = clock() + timeout_s
        while not self._waiting and not self._has_changed:
            self._streams.advance(max(0.0, t_end - clock()))
            if clock() >= t_end:
                break
        if self._has_changed and not self._waiting:
            raise StreamLostError(
                f"FaultySource: stream '{self.info.name}' is back with other channels or another rate; open it again"
            )
        chunks, self._waiting = self._waiting, []
        if not chunks:
            return Chunk(np.empty((0, self.info.n_channels)), np.empty(0))
        data, t_lsl = zip(*chunks, strict=True)
        return Chunk(np.concatenate(data), np.concatenate(t_lsl))

    def pull_markers(self) -> list[Marker]:
        """Return the markers that came since the last call."""
        return self._streams.take_markers()

    def receive(self, action: Action) -> None:
        """Take what the streams do; called by `FaultyStreams`."""
        if isinstance(action, Samples):
            if action.life == self._life and not self._has_changed:
                self._waiting.append(action.chunk)
                self._forget_oldest()
        elif isinstance(action, Disappear) and action.life == self._life:
            self._life = None
        if self._life is None and not self._has_changed:
            self._recover()

    def _recover(self) -> None:
        for life, info in self._streams.there.items():
            if info.source_id == self.info.source_id:
                self._life = life
                self._has_changed = info != self.info
                return

    def _forget_oldest(self) -> None:
        most = BUFFER_S * self.info.rate_hz
        while sum(len(chunk.t_lsl) for chunk in self._waiting[1:]) > most:
            self._waiting.pop(0)

    def _found(self) -> dict[int, StreamInfo]:
        there = self._streams.there
        return {
            life: info for life, info in there.items() if not self._wanted or info.source_id == self._wanted
        }
