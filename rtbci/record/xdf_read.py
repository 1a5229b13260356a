"""Read what is sound of an XDF file: every stream with its samples, stamps and chunks as they were written."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import numpy.typing as npt

from rtbci.errors import FileFormatError
from rtbci.record.xdf_format import FORMATS, Tag, XdfStream
from rtbci.record.xdf_headers import labels_of
from rtbci.record.xdf_scan import Buffer, Damage, Piece, Survey, Tell, numbers_of, survey, texts_of
from rtbci.stream.source import Channel

__all__ = ["StreamData", "XdfFile", "mapped", "part_of", "read_xdf_file", "surveyed_file"]

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
        Of a string stream, an array of str.
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


def read_xdf_file(path: Path, *, until_damage: bool = False, tell: Tell | None = None) -> XdfFile:
    """Read all streams of a file.

    Parameters
    ----------
    path : Path
    until_damage : bool
        Read nothing behind the first damage, so that nothing is missing between two things that were read.
    tell : callable, optional
        Is told which share has been read.

    Raises
    ------
    FileFormatError
        When it cannot be opened or is no XDF file. A damaged file is read as far as it is sound.
    """
    with mapped(path) as data:
        found = survey(data, str(path), tell=part_of(tell, 0.0, 0.7))
        damages = tuple(found.damages)
        if until_damage and damages:
            found = survey(data[: damages[0].start], str(path))
        return surveyed_file(data, found, damages, part_of(tell, 0.7, 1.0))


def surveyed_file(
    data: Buffer, found: Survey, damages: Sequence[Damage], tell: Tell | None = None
) -> XdfFile:
    """The streams of a file that was surveyed already."""
    return XdfFile(_streams(data, found, tell), tuple(damages))


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
    try:
        with path.open("rb") as file:
            if not path.stat().st_size:
                yield b""
                return
            with mmap(file.fileno(), 0, access=ACCESS_READ) as data:
                yield data
    except OSError as error:
        raise FileFormatError(
            f"{path}: cannot be opened ({error.strerror}); check the path and its permissions"
        ) from error


class _Growing:
    """Samples of one stream as they are collected."""

    def __init__(self) -> None:
        self.values: list[npt.NDArray[np.generic]] = []
        self.t_s: list[npt.NDArray[np.float64]] = []
        self.offsets: list[tuple[float, float]] = []
        self.t_last_s = 0.0

    def take(self, data: Buffer, piece: Piece, stream: XdfStream) -> None:
        if piece.tag == Tag.CLOCK_OFFSET:
            t_s, offset_s = np.frombuffer(data[piece.content : piece.stop], "<f8").tolist()
            self.offsets.append((t_s, offset_s))
            return
        if stream.format == "string":
            rows = texts_of(data, piece, stream)
            values = np.array([row for _, row in rows], object).reshape(len(rows), stream.n_channels)
            t_s = np.array([t for t, _ in rows], np.float64)
        else:
            values, t_s = numbers_of(data, piece, stream, self.t_last_s)
        if len(t_s):
            self.t_last_s = float(t_s[-1])
            self.values.append(values)
            self.t_s.append(t_s)


def _streams(data: Buffer, found: Survey, tell: Tell | None) -> tuple[StreamData, ...]:
    growing = {stream_id: _Growing() for stream_id in found.streams}
    for i, piece in enumerate(found.pieces):
        if tell is not None and i % TOLD_PIECES == 0:
            tell(i / len(found.pieces))
        if piece.tag in (Tag.SAMPLES, Tag.CLOCK_OFFSET):
            growing[piece.stream_id].take(data, piece, found.streams[piece.stream_id])
    if tell is not None:
        tell(1.0)
    return tuple(
        _stream_data(stream, found.headers[stream_id], growing[stream_id])
        for stream_id, stream in found.streams.items()
    )


def _stream_data(stream: XdfStream, header: ET.Element, grown: _Growing) -> StreamData:
    empty = np.empty((0, stream.n_channels), object if stream.format == "string" else FORMATS[stream.format])
    return StreamData(
        stream,
        header,
        np.concatenate(grown.values) if grown.values else empty,
        np.concatenate(grown.t_s) if grown.t_s else np.empty(0),
        np.array([len(t_s) for t_s in grown.t_s], np.int64),
        np.array(grown.offsets, np.float64).reshape(len(grown.offsets), 2),
    )
