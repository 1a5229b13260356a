"""Play recordings as LSL streams, paced against a target clock."""

import heapq
import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from rtbci.clock import Clock, now
from rtbci.errors import ConfigError
from rtbci.replay.outlet import Outlet
from rtbci.replay.pace import Pace
from rtbci.replay.recording import Recording
from rtbci.stream.source import FloatArray, Marker, StreamInfo

__all__ = ["LOOP_MARKER", "Block", "Player", "blocks_of"]

LOOP_MARKER = "rtbci:loop"
"""Marker at the first sample of every repetition."""
POLL_S = 0.02
OTHER_CONSUMERS_S = 1.0
"""How long receivers of markers and other streams are waited for once samples have a receiver."""

Progress = Callable[[float, float], None]


class Block(NamedTuple):
    """Samples that are sent together, times in seconds from the start of the replay.

    Parameters
    ----------
    t_due_s : float
        Time of the newest sample so far (stamps may run back by jitter; the schedule does not).
    data : ndarray, shape (n_samples, n_channels)
        A view of the recording.
    t_s : ndarray, shape (n_samples,)
    markers : tuple of Marker
        Those that happened after the block before, up to `t_due_s`.
    """

    t_due_s: float
    data: FloatArray
    t_s: FloatArray
    markers: tuple[Marker, ...]


def blocks_of(
    recording: Recording, chunk: int, offset_s: float = 0.0, first_marker: str = ""
) -> Iterator[Block]:
    """Cut a recording into blocks of `chunk` samples; a block never spans a gap.

    Every sample and every marker comes exactly once. A marker goes with the block that contains its
    time: the last block takes those that follow it.
    """
    breaks = _ends(recording, chunk)
    markers = sorted(recording.markers)
    start, i_marker, reached_s = 0, 0, -np.inf
    for stop in breaks:
        t_s = recording.sample_times(start, stop)
        reached_s = max(reached_s, float(t_s.max()))
        # a marker between two samples waits for the sample after it, as in a real recording
        until_s = np.inf if stop == recording.n_samples else reached_s
        i_next = i_marker
        while i_next < len(markers) and markers[i_next].t_lsl <= until_s:
            i_next += 1
        due = [Marker(m.t_lsl + offset_s, m.value) for m in markers[i_marker:i_next]]
        if start == 0 and first_marker:
            due.insert(0, Marker(float(t_s[0]) + offset_s, first_marker))
        yield Block(reached_s + offset_s, recording.data[start:stop], t_s + offset_s, tuple(due))
        start, i_marker = stop, i_next


def _ends(recording: Recording, chunk: int) -> list[int]:
    """Sample index after each block."""
    gaps = recording.gaps()
    ends = np.arange(chunk, recording.n_samples, chunk)
    if gaps.size and recording.t_s is not None:
        reached = np.maximum.accumulate(recording.t_s)
        after_gap = np.searchsorted(reached, gaps[:, 0], side="right")
        ends = np.union1d(ends, after_gap)
    return [*ends[ends < recording.n_samples].tolist(), recording.n_samples]


class Player:
    """Plays the recordings of one file together, each as a stream of samples and one of markers.

    Parameters
    ----------
    recordings : sequence of Recording
        As `read_recordings` returns them; their `t0_s` say how they lie to each other in time.
    speed : float
        1: real time. Other speeds change only when samples are sent: stamps stay one file interval
        apart and the nominal rate stays the file's, so that filters, gaps and windows of a decoder are
        those of the recording. Stamps therefore run ahead of the clock (or fall behind), and ages and
        latencies mean something at speed 1 only. Infinity: see `Pace`.
    loop : bool
        Begin again after the end, with stamps that go on and a marker ``rtbci:loop`` at the seam.
    start_s : float
        Where to begin, in seconds of the file. A loop begins there again.
    chunk : int
        Samples per push.
    name, source_id : str, optional
        Instead of the file's. With several streams, numbers are appended from the second on.
    wait_for_consumers : bool
        Do not begin before somebody receives samples; markers and other streams then have one second
        more to be found. What is sent with nobody there is lost.
    linger_s : float
        How long the streams stay after the last sample, so that receivers can take it.
    clock : Clock
        Seconds of the local LSL clock.

    Raises
    ------
    ConfigError
        When there is nothing to play, or a setting is impossible.

    Notes
    -----
    `run` works in the calling thread and owns the outlets; another thread may only set its event.
    """

    def __init__(
        self,
        recordings: Sequence[Recording],
        *,
        speed: float = 1.0,
        loop: bool = False,
        start_s: float = 0.0,
        chunk: int = 8,
        name: str | None = None,
        source_id: str | None = None,
        wait_for_consumers: bool = False,
        linger_s: float = 1.0,
        clock: Clock = now,
    ) -> None:
        if not recordings or not any(recording.n_samples for recording in recordings):
            raise ConfigError("Player: no samples given, need at least one recording; check the file")
        if chunk < 1:
            raise ConfigError(f"Player: chunk is {chunk} samples, need at least 1; 8 is usual")
        self._recordings, self._offsets_s = _aligned(recordings, start_s, name, source_id)
        self._loop, self._chunk, self._speed = loop, chunk, speed
        self._wait, self._linger_s, self._clock = wait_for_consumers, linger_s, clock
        self._pace = Pace(speed, clock)

    @property
    def streams(self) -> tuple[StreamInfo, ...]:
        """Metadata of the streams of samples."""
        return tuple(recording.info for recording in self._recordings)

    @property
    def duration_s(self) -> float:
        """Length of one pass in seconds of the file."""
        return max(o + r.duration_s for r, o in zip(self._recordings, self._offsets_s, strict=True))

    def run(self, stop: threading.Event, progress: Progress | None = None) -> bool:
        """Play until the end, or until `stop` is set.

        Parameters
        ----------
        stop : threading.Event
            Ends the replay within one chunk.
        progress : callable, optional
            Called after each block with the seconds of the file played in this pass, and all of them.

        Returns
        -------
        bool
            True when it came to the end; with `loop` it never does.
        """
        extra = {"speed": f"{self._speed:g}", "loop": str(self._loop).lower()}
        outlets = [Outlet(recording.info, self._chunk, extra) for recording in self._recordings]
        try:
            if self._wait and not self._wait_for_consumers(outlets, stop):
                return False
            self._pace.start()
            for i, block in self._blocks():
                if not self._pace.wait(block.t_due_s, stop):
                    return False
                self._send(outlets[i], block)
                if progress is not None:
                    progress(block.t_due_s % self.duration_s, self.duration_s)
            stop.wait(self._linger_s)
            return True
        finally:
            for outlet in outlets:
                outlet.close()

    def _send(self, outlet: Outlet, block: Block) -> None:
        t0 = self._pace.t0_lsl
        outlet.push_markers([Marker(t0 + t, value) for t, value in block.markers])
        outlet.push(block.data, t0 + block.t_s)

    def _blocks(self) -> Iterator[tuple[int, Block]]:
        """Blocks of all recordings in the order in which they are due."""
        for n_pass in itertools.count():
            base_s = n_pass * self.duration_s
            seam = LOOP_MARKER if n_pass else ""
            # `i` is bound at once: heapq.merge runs the generators later
            passes = [
                zip(
                    itertools.repeat(i),
                    blocks_of(recording, self._chunk, base_s + offset_s, seam),
                    strict=False,
                )
                for i, (recording, offset_s) in enumerate(zip(self._recordings, self._offsets_s, strict=True))
            ]
            yield from heapq.merge(*passes, key=lambda pair: pair[1].t_due_s)
            if not self._loop:
                return

    def _wait_for_consumers(self, outlets: Sequence[Outlet], stop: threading.Event) -> bool:
        while not any(outlet.has_consumers[0] for outlet in outlets):
            if stop.wait(POLL_S):
                return False
        until = self._clock() + OTHER_CONSUMERS_S
        while not all(all(outlet.has_consumers) for outlet in outlets) and self._clock() < until:
            if stop.wait(POLL_S):
                return False
        return True


def _aligned(
    recordings: Sequence[Recording], start_s: float, name: str | None, source_id: str | None
) -> tuple[list[Recording], list[float]]:
    """Cut at `start_s`, name, and tell how long after the start of the replay each one begins."""
    zero_s = min(recording.t0_s for recording in recordings)
    kept = [r for r in recordings if r.n_samples and r.t0_s - zero_s + r.duration_s > start_s]
    if not kept:
        longest_s = max(r.t0_s - zero_s + r.duration_s for r in recordings)
        raise ConfigError(
            f"Player: start is {start_s:g} s, the recording lasts {longest_s:.1f} s; start earlier"
        )
    if start_s > 0:
        kept = [r.crop(start_s - (r.t0_s - zero_s)) for r in kept]
    zero_s = min(recording.t0_s for recording in kept)
    named = [_renamed(r, name, source_id, f"-{i + 1}" if i else "") for i, r in enumerate(kept)]
    return named, [recording.t0_s - zero_s for recording in kept]


def _renamed(recording: Recording, name: str | None, source_id: str | None, number: str) -> Recording:
    info = recording.info
    if name is not None:
        info = replace(info, name=name + number)
    if source_id is not None:
        info = replace(info, source_id=source_id + number)
    return replace(recording, info=info)
