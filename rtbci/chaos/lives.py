"""Streams that come and go: destroyed and made anew, and twins of the same name."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from rtbci.chaos.flow import Action, Appear, Disappear, Flow, Note, Samples
from rtbci.chaos.scenario import Twin, Vanish
from rtbci.chaos.schedule import EDGE_S, Occurrence, Schedule
from rtbci.stream.source import Channel, Chunk, StreamInfo

__all__ = ["Lives", "TwinFault"]


class Lives:
    """The stream itself, destroyed and made anew by each occurrence of any `Vanish`.

    Parameters
    ----------
    faults : sequence of (Vanish, Schedule)
    info : StreamInfo
        As it is at first, and again wherever a fault changes nothing.
    notes : sequence of Note
        One for each fault.
    """

    def __init__(
        self, faults: Sequence[tuple[Vanish, Schedule]], info: StreamInfo, notes: Sequence[Note]
    ) -> None:
        self._faults, self._notes = faults, notes
        self._base = self.info = info
        self._order: npt.NDArray[np.intp] = np.arange(info.n_channels)
        self._away: tuple[int, Occurrence] | None = None
        self._rate: _Interpolation | None = None
        self.life = 0

    def push(self, flow: Flow) -> list[Action]:
        """Return what becomes of the next samples."""
        owners = np.full(len(flow.t_s), -1)
        causes: list[tuple[int, Occurrence]] = []
        for i_fault, (settings, schedule) in enumerate(self._faults):
            for part in schedule.parts(flow.t_s):
                if part.is_new:  # also where the stream is away already
                    did = settings.model_dump(include={"source_id", "labels", "rate_hz"})
                    self._notes[i_fault](part, flow, did)
                owners[part.first : part.last] = len(causes)
                causes.append((i_fault, part.occurrence))
        actions: list[Action] = []
        for first, last in _runs(owners):
            if owners[first] >= 0:
                if self._away is None:
                    actions.append(Disappear(float(flow.t_source[first]), self.life))
                self._away = causes[owners[first]]
            else:
                actions += self._come_back(float(flow.t_source[first]))
                actions += self._send(flow.take(slice(first, last)))
        return actions

    def _come_back(self, t_due: float) -> list[Action]:
        if self._away is None:
            return []
        i_fault, occurrence = self._away
        settings, schedule = self._faults[i_fault]
        self._away, self.life = None, self.life + 1
        self.info, self._order = _changed(self._base, settings, schedule.rng(occurrence), self.life)
        self._rate = None
        if settings.rate_hz is not None:
            self._rate = _Interpolation(self._base.rate_hz, settings.rate_hz)
        return [Appear(t_due, self.life, self.info)]

    def _send(self, flow: Flow) -> list[Action]:
        if self._rate is not None:
            flow = self._rate.push(flow)
        if not len(flow.t_s):
            return []
        return [Samples(flow.t_due, self.life, Chunk(flow.data[:, self._order], flow.t_lsl))]


class TwinFault:
    """A second stream with the name of the first.

    Parameters
    ----------
    settings : Twin
    schedule : Schedule
    info : StreamInfo
        Of the first stream.
    life : int
        Number of its first life; it takes one more for each.
    """

    def __init__(self, settings: Twin, schedule: Schedule, info: StreamInfo, life: int) -> None:
        same = settings.source_id == "same"
        self._info = info if same else replace(info, source_id=f"{info.source_id}-twin")
        self._schedule, self._life, self._is_there = schedule, life, False

    def push(self, flow: Flow, note: Note) -> list[Action]:
        """Return what the second stream does while the first sends these samples."""
        reached = np.full(len(flow.t_s), -1)
        for part in self._schedule.parts(flow.t_s):
            if part.is_new:
                note(part, flow, {"source_id": self._info.source_id})
            reached[part.first : part.last] = part.occurrence.number
        actions: list[Action] = []
        for first, last in _runs(reached):
            t_due, there = float(flow.t_source[first]), bool(reached[first] >= 0)
            if there and not self._is_there:
                self._life += 1
                actions.append(Appear(t_due, self._life, self._info))
            elif self._is_there and not there:
                actions.append(Disappear(t_due, self._life))
            self._is_there = there
            if there:
                chunk = Chunk(np.roll(flow.data[first:last], 1, axis=1), flow.t_lsl[first:last].copy())
                actions.append(Samples(flow.t_due[first:last].copy(), self._life, chunk))
        return actions


class _Interpolation:
    """Samples at another rate, on straight lines between those there are; none where some are missing."""

    def __init__(self, rate_in_hz: float, rate_hz: float) -> None:
        self._longest_s, self._rate_hz = 1.5 / rate_in_hz, rate_hz
        self._before: Flow | None = None
        self._t0_s, self._n = 0.0, 0

    def push(self, flow: Flow) -> Flow:
        if not len(flow.t_s):
            return flow
        if self._before is None:
            self._t0_s = float(flow.t_s[0])
            self._before = flow.take(slice(0, 1))
        known = Flow(*(np.concatenate(pair) for pair in zip(self._before, flow, strict=True)))
        self._before = flow.take(slice(-1, None))
        n_stop = int((float(flow.t_s[-1]) - self._t0_s) * self._rate_hz + 1e-6) + 1
        t_s = self._t0_s + np.arange(self._n, n_stop) / self._rate_hz
        self._n = max(self._n, n_stop)
        # A time that is one of a sample's, but for rounding, must not depend on which samples came together.
        near = known.t_s[np.clip(np.searchsorted(known.t_s, t_s - EDGE_S), 0, len(known.t_s) - 1)]
        t_s = np.where(np.abs(near - t_s) <= EDGE_S, near, t_s)
        right = np.clip(np.searchsorted(known.t_s, t_s), 1, len(known.t_s) - 1)
        step_s = known.t_s[right] - known.t_s[right - 1]
        inside = (step_s <= self._longest_s) | (known.t_s[right] == t_s)
        right, t_s, step_s = right[inside], t_s[inside], step_s[inside]
        weight = np.clip((t_s - known.t_s[right - 1]) / np.where(step_s > 0, step_s, 1.0), 0.0, 1.0)
        made = []
        with np.errstate(invalid="ignore"):  # between two infinities there is no number
            for array in known:
                share = weight[:, None] if array.ndim == 2 else weight
                made.append(
                    np.where(
                        share == 1.0, array[right], array[right - 1] * (1.0 - share) + array[right] * share
                    )
                )
        return Flow(*made)._replace(t_s=t_s)


def _changed(
    info: StreamInfo, settings: Vanish, rng: np.random.Generator, life: int
) -> tuple[StreamInfo, npt.NDArray[np.intp]]:
    """What a stream says of itself when it is back, and the order of its channels."""
    order = np.arange(info.n_channels)
    channels = info.channels
    if settings.labels == "permuted":
        order = np.roll(order, 1)[rng.permutation(info.n_channels)]
        if (order == np.arange(info.n_channels)).all():
            order = np.roll(order, 1)
        channels = tuple(channels[i] for i in order)
    elif settings.labels == "renamed":
        channels = tuple(Channel(f"X{i + 1}", one.unit, one.type) for i, one in enumerate(channels))
    if settings.source_id == "other":
        info = replace(info, source_id=f"{info.source_id}-{life}")
    return replace(info, channels=channels, rate_hz=settings.rate_hz or info.rate_hz), order


def _runs(values: npt.NDArray[np.int_]) -> Iterator[tuple[int, int]]:
    """Begin and end of each run of equal values."""
    if len(values):
        edges = [0, *(np.flatnonzero(np.diff(values)) + 1).tolist(), len(values)]
        yield from itertools.pairwise(edges)
