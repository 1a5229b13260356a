"""The signal of a session: which stream it is, its markers and decisions, and the signal on a regular grid."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from rtbci.errors import FileFormatError
from rtbci.publish.messages import Event
from rtbci.record.streams import OWN_TYPE, topic_stream
from rtbci.record.xdf_format import FORMATS
from rtbci.record.xdf_headers import info_of
from rtbci.record.xdf_read import StreamData, XdfFile
from rtbci.stream.health import GapDetector
from rtbci.stream.source import Chunk, FloatArray, Marker, StreamInfo

__all__ = [
    "Gap",
    "Signal",
    "StoredChunk",
    "chunks_of",
    "decisions_of",
    "gaps_of",
    "main_stream",
    "markers_of",
    "on_grid",
    "stored_chunks_of",
    "stream_info_of",
]

MAX_FILLED = 10
"""A regular grid has at most this many times the samples that there are."""


@dataclass(frozen=True)
class Gap:
    """Missing samples: where on the grid, in seconds from its first sample, and how long."""

    t_s: float
    gap_s: float


@dataclass(frozen=True)
class Signal:
    """Samples on a regular grid, zeros where there were none.

    Parameters
    ----------
    info : StreamInfo
        Labels, units, nominal rate.
    data : ndarray of float64, shape (n_samples, n_channels)
        In the units of the stream.
    t0_lsl : float
        Stamp of the first sample.
    gaps : tuple of Gap
    markers : tuple of Marker
        Markers and decisions, in seconds from the first sample, on this grid.
    """

    info: StreamInfo
    data: FloatArray
    t0_lsl: float
    gaps: tuple[Gap, ...]
    markers: tuple[Marker, ...]


def main_stream(file: XdfFile, where: str) -> StreamData:
    """The stream of samples: the one of type EEG, else the one with the most samples.

    Raises
    ------
    FileFormatError
        When no stream has samples at a regular rate.
    """
    regular = [
        one
        for one in file.streams
        if one.stream.format in FORMATS and one.stream.rate_hz > 0 and len(one.t_s)
    ]
    if not regular:
        raise FileFormatError(
            f"{where}: {len(file.streams)} streams, none with samples at a regular rate; need a signal"
        )
    return max(regular, key=lambda one: (one.stream.type.upper() == "EEG", len(one.t_s)))


def stream_info_of(data: StreamData) -> StreamInfo:
    """Metadata of a stream, as its source gave it to the decoder."""
    return info_of(data.header, data.stream)


class StoredChunk(NamedTuple):
    """A chunk as the file has it.

    Parameters
    ----------
    data : ndarray of the stream's format, shape (n_samples, n_channels)
        A view of the stream's values.
    t_lsl : ndarray of float64, shape (n_samples,)
        A view of its stamps.
    """

    data: npt.NDArray[np.generic]
    t_lsl: FloatArray

    def received(self) -> Chunk:
        """The chunk as the decoder saw it, in float64; `data` is a copy."""
        return Chunk(self.data.astype(np.float64), self.t_lsl)


def chunks_of(data: StreamData) -> list[Chunk]:
    """The chunks as they were received, as the decoder saw them: float64, one stamp for each sample."""
    return [one.received() for one in stored_chunks_of(data)]


def stored_chunks_of(data: StreamData) -> list[StoredChunk]:
    """The same as they are stored, so that a long session is in memory once."""
    ends = np.cumsum(data.chunks)[:-1]
    return [
        StoredChunk(x, t) for x, t in zip(np.split(data.values, ends), np.split(data.t_s, ends), strict=True)
    ]


def markers_of(file: XdfFile) -> list[Marker]:
    """Markers of all streams of markers, by time."""
    found = []
    for one in file.streams:
        stream = one.stream
        if stream.format == "string" and stream.type != OWN_TYPE and not stream.rate_hz:
            found += [Marker(float(t), text) for t, text in zip(one.t_s, one.texts, strict=True)]
    return sorted(found)


def decisions_of(file: XdfFile) -> list[Marker]:
    """Decisions that were published, as ``decision/<class>`` at the end of their window."""
    events = file.named(topic_stream(Event.topic))
    found = []
    for text in events.texts if events is not None else []:
        try:
            event = msgspec.json.decode(text, type=Event)
        except (msgspec.DecodeError, ValueError):
            continue  # a stream of that name of somebody else's
        if event.kind == "decision":
            found.append(Marker(event.t_lsl, f"decision/{event.value}"))
    return found


def gaps_of(data: StreamData) -> list[tuple[int, float]]:
    """Index of the first sample behind each gap, and the seconds that are missing (negative: clock set back)."""
    return GapDetector(data.stream.rate_hz).push(data.t_s)


def on_grid(file: XdfFile, where: Path) -> Signal:
    """Put the samples of the main stream on a regular grid.

    Raises
    ------
    FileFormatError
        When there are none, or the gaps are so long that the grid would be mostly zeros.
    """
    data = main_stream(file, str(where))
    rate_hz, t0_lsl = data.stream.rate_hz, float(data.t_s[0])
    first = [0, *(i for i, _ in gaps_of(data))]
    last = [*first[1:], len(data.t_s)]
    places: list[tuple[int, int, int]] = []  # first sample, sample behind the last, place on the grid
    end = 0
    gaps = []
    for start, stop in zip(first, last, strict=True):
        place = max(end, round((float(data.t_s[start]) - t0_lsl) * rate_hz))
        if place > end:
            gaps.append(Gap(end / rate_hz, (place - end) / rate_hz))
        places.append((start, stop, place))
        end = place + stop - start
        if end > MAX_FILLED * len(data.t_s):
            raise FileFormatError(
                f"{where}: has {len(data.t_s)} samples in {end / rate_hz:.0f} s, a regular file would be mostly "
                "zeros; export it as csv"
            )
    grid = np.zeros((end, data.stream.n_channels))
    for start, stop, place in places:
        grid[place : place + stop - start] = data.values[start:stop]
    seconds = [
        _on_grid_time(marker, data, places, rate_hz)
        for marker in sorted(markers_of(file) + decisions_of(file))
    ]
    return Signal(stream_info_of(data), grid, t0_lsl, tuple(gaps), tuple(seconds))


def _on_grid_time(
    marker: Marker, data: StreamData, places: list[tuple[int, int, int]], rate_hz: float
) -> Marker:
    """The marker's time on the grid, in seconds from its first sample: beside the same sample as in the stamps."""
    i = int(np.searchsorted(data.t_s, marker.t_lsl, side="right")) - 1
    start, _, place = next((one for one in reversed(places) if one[0] <= max(i, 0)), places[0])
    t_s = (place + max(i, 0) - start) / rate_hz + marker.t_lsl - float(data.t_s[max(i, 0)])
    return marker._replace(t_lsl=t_s)
