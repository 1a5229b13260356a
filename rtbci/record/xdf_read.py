"""Read what is sound of an XDF file: every stream with its samples, stamps and chunks as they were written."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import numpy.typing as npt

from rtbci.errors import FileFormatError
from rtbci.record.xdf_format import FORMATS, Tag, XdfStream
from rtbci.record.xdf_headers import labels_of
from rtbci.record.xdf_scan import (
    Buffer,
    Damage,
    Piece,
    Pieces,
    Survey,
    Tell,
    count_of,
    numbers_of,
    survey,
    texts_of,
)
from rtbci.stream.source import Channel

__all__ = [
    "StreamData",
    "XdfFile",
    "all_streams",
    "is_text",
    "mapped",
    "part_of",
    "read_xdf_file",
    "surveyed_file",
    "values_at",
]

TOLD_PIECES = 5000


@dataclass(frozen=True)
class StreamData:
    """One stream of a file.

    Parameters
    ----------
    stream : XdfStream
        Name, rate, format.
    header : Element
        Its header as parsed.
    values : ndarray of the stream's format, shape (n_samples, n_channels)
        Of a string stream, an array of str. Without a row where they were not kept.
    t_s : ndarray of float64, shape (n_samples,)
        Stamps as they are in the file, in seconds of the stream's clock; clock offsets are not added.
    chunks : ndarray of int, shape (n_chunks,)
        Number of samples of each chunk, in order.
    clock_offsets : ndarray of float64, shape (n_offsets, 2)
        When each was measured, and the seconds to add to the stamps.
    """

    stream: XdfStream
    header: ET.Element
    values: npt.NDArray[np.generic]
    t_s: npt.NDArray[np.float64]
    chunks: npt.NDArray[np.int64]
    clock_offsets: npt.NDArray[np.float64]

    @property
    def channels(self) -> tuple[Channel, ...]:
        """Labels, units and types that the header states."""
        return labels_of(self.header, self.stream.n_channels, self.stream.type)

    @property
    def texts(self) -> list[str]:
        """First value of every sample, as text."""
        return [str(row[0]) for row in self.values]


@dataclass(frozen=True)
class XdfFile:
    """All streams of a file in the order of their headers, and what was left out of it."""

    streams: tuple[StreamData, ...]
    damages: tuple[Damage, ...]

    def named(self, name: str) -> StreamData | None:
        """The first stream of that name; None when there is none."""
        return next((one for one in self.streams if one.stream.name == name), None)


def all_streams(_stream: XdfStream) -> bool:
    """Keep the values of every stream."""
    return True


def is_text(stream: XdfStream) -> bool:
    """Keep the values of streams of texts only."""
    return stream.format == "string"


def read_xdf_file(
    path: Path,
    *,
    until_damage: bool = False,
    tell: Tell | None = None,
    keep: Callable[[XdfStream], bool] = all_streams,
) -> XdfFile:
    """Read all streams of a file.

    Parameters
    ----------
    path : Path
    until_damage : bool
        Read nothing behind the first damage, so that nothing is missing between two things that were read.
    tell : callable, optional
        Is told which share has been read.
    keep : callable, optional
        Of which streams the values are kept; of the others there are stamps and chunks, and no values: of a day of samples
        these take gigabytes.

    Raises
    ------
    FileFormatError
        When it cannot be opened or is no XDF file. A damaged file is read as far as it is sound.
    """
    with mapped(path) as data:
        found = survey(data, str(path), tell=part_of(tell, 0.0, 0.7))
        damages = tuple(found.damages)
        if until_damage and damages:
            found = _before(found, damages[0].start)
        return surveyed_file(data, found, damages, part_of(tell, 0.7, 1.0), keep)


def surveyed_file(
    data: Buffer,
    found: Survey,
    damages: Sequence[Damage],
    tell: Tell | None = None,
    keep: Callable[[XdfStream], bool] = all_streams,
) -> XdfFile:
    """The streams of a file that was surveyed already; see `read_xdf_file`."""
    return XdfFile(_streams(data, found, tell, keep), tuple(damages))


def _before(found: Survey, stop: int) -> Survey:
    """What there is in front of a place in the file."""
    pieces = Pieces(piece for piece in found.pieces if piece.stop <= stop)
    ids = dict.fromkeys(piece.stream_id for piece in pieces if piece.tag == Tag.STREAM_HEADER)
    return Survey({i: found.streams[i] for i in ids}, {i: found.headers[i] for i in ids}, pieces)


def values_at(
    data: Buffer, found: Survey, stream: XdfStream, starts: Sequence[int], n: int
) -> list[npt.NDArray[np.generic]]:
    """Read `n` samples of a numeric stream from each of some places on, and nothing else.

    Parameters
    ----------
    data : bytes or mmap
        The whole file.
    found : Survey
        Of it.
    stream : XdfStream
    starts : sequence of int
        Indices of samples, ascending, `n` or more apart.
    n : int
        Samples of each place; the stream has as many behind every start.

    Returns
    -------
    list of ndarray of the stream's format, shape (n, n_channels)
    """
    places = [np.empty((n, stream.n_channels), FORMATS[stream.format]) for _ in starts]
    stop = 0
    for piece in found.pieces:
        if piece.tag != Tag.SAMPLES or piece.stream_id != stream.stream_id:
            continue
        start, stop = stop, stop + count_of(data, piece)[0]
        first, last = bisect_right(starts, start - n), bisect_left(starts, stop)
        if first == last:
            continue
        values, _ = numbers_of(data, piece, stream, 0.0)
        for place, at in zip(places[first:last], starts[first:last], strict=True):
            i, j = max(start, at), min(stop, at + n)
            place[i - at : j - at] = values[i - start : j - start]
    return places


def part_of(tell: Tell | None, start: float, stop: float) -> Tell | None:
    """What is told of a part of the work."""
    return None if tell is None else lambda share: tell(start + (stop - start) * share)


@contextmanager
def mapped(path: Path) -> Iterator[Buffer]:
    """Have the whole of a file at hand without reading it into memory.

    Raises
    ------
    FileFormatError
        When it cannot be opened.
    """
    with ExitStack() as stack:
        try:
            file = stack.enter_context(path.open("rb"))
            is_empty = not path.stat().st_size
            data = b"" if is_empty else stack.enter_context(mmap(file.fileno(), 0, access=ACCESS_READ))
        except OSError as error:
            raise FileFormatError(
                f"{path}: cannot be opened ({error.strerror}); check the path and its permissions"
            ) from error
        yield data


class _Growing:
    """Samples of one stream as they are collected; of numbers there is room for all from the start, in one place."""

    def __init__(self, stream: XdfStream, n_samples: int, keep: bool) -> None:
        self._stream, self._keep, self._n = stream, keep, 0
        kind: npt.DTypeLike = object if stream.format == "string" else FORMATS[stream.format]
        self.values: npt.NDArray[np.generic] = np.empty((n_samples if keep else 0, stream.n_channels), kind)
        self.t_s = np.empty(n_samples)
        self.chunks: list[int] = []
        self.offsets: list[tuple[float, float]] = []

    def take(self, data: Buffer, piece: Piece) -> None:
        if piece.tag == Tag.CLOCK_OFFSET:
            t_s, offset_s = np.frombuffer(data[piece.content : piece.stop], "<f8").tolist()
            self.offsets.append((t_s, offset_s))
            return
        start = self._n
        if self._stream.format == "string":
            for t_s, texts in texts_of(data, piece, self._stream):
                self.t_s[self._n] = t_s
                if self._keep:
                    self.values[self._n] = texts
                self._n += 1
        else:
            t_last_s = float(self.t_s[start - 1]) if start else 0.0
            values, stamps = numbers_of(data, piece, self._stream, t_last_s)
            self._n += len(stamps)
            self.t_s[start : self._n] = stamps
            if self._keep:
                self.values[start : self._n] = values
        if self._n > start:
            self.chunks.append(self._n - start)


def _streams(
    data: Buffer, found: Survey, tell: Tell | None, keep: Callable[[XdfStream], bool]
) -> tuple[StreamData, ...]:
    n_samples = Counter[int]()
    for piece in found.pieces:
        if piece.tag == Tag.SAMPLES:
            n_samples[piece.stream_id] += count_of(data, piece)[0]
    growing = {i: _Growing(stream, n_samples[i], keep(stream)) for i, stream in found.streams.items()}
    for i, piece in enumerate(found.pieces):
        if tell is not None and i % TOLD_PIECES == 0:
            tell(i / len(found.pieces))
        if piece.tag in (Tag.SAMPLES, Tag.CLOCK_OFFSET):
            growing[piece.stream_id].take(data, piece)
    if tell is not None:
        tell(1.0)
    return tuple(
        _stream_data(stream, found.headers[stream_id], growing[stream_id])
        for stream_id, stream in found.streams.items()
    )


def _stream_data(stream: XdfStream, header: ET.Element, grown: _Growing) -> StreamData:
    return StreamData(
        stream,
        header,
        grown.values,
        grown.t_s,
        np.array(grown.chunks, np.int64),
        np.array(grown.offsets, np.float64).reshape(len(grown.offsets), 2),
    )
