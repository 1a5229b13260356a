"""Which parts of an XDF file are sound: every chunk is checked before anything is made of it."""

import struct
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from mmap import mmap

import numpy as np
import numpy.typing as npt

from rtbci.errors import FileFormatError
from rtbci.record.xdf_format import (
    BOUNDARY,
    FORMATS,
    MAGIC,
    STAMP_BYTES,
    Tag,
    XdfStream,
    chunk_bytes,
    sample_dtype,
)
from rtbci.record.xdf_headers import parse_xml, salvaged_header, stream_of
from rtbci.record.xdf_pieces import Damage, Piece, Pieces, Survey

__all__ = [
    "CHECKSUM_NAME",
    "Buffer",
    "Damage",
    "Piece",
    "Pieces",
    "Survey",
    "Tell",
    "count_of",
    "numbers_of",
    "survey",
    "texts_of",
]

Buffer = bytes | mmap
Tell = Callable[[float], None]
"""Is told which share of the work is done, from 0 to 1, every few megabytes."""
TOLD_BYTES = 2**21

CHECKSUM_NAME = "rtbci-checksum"
"""String stream of our own files: ``start stop crc32`` of the bytes since the one before, in decimals."""
OF_A_STREAM = (Tag.STREAM_HEADER, Tag.SAMPLES, Tag.CLOCK_OFFSET, Tag.STREAM_FOOTER)
KEPT = "kept, but check its labels and rate: the header of stream"
LENGTHS = {1: "<B", 4: "<I", 8: "<Q"}


class _Bad(Exception):
    """A chunk is not sound; `stop` is where it says that it ends, if that can be."""

    def __init__(self, reason: str, stop: int = 0) -> None:
        super().__init__(reason)
        self.stop = stop


def survey(data: Buffer, where: str, *, any_magic: bool = False, tell: Tell | None = None) -> Survey:
    """Find all sound chunks of a file.

    Parameters
    ----------
    data : bytes or mmap
        The whole file.
    where : str
        Its name, for errors.
    any_magic : bool
        Whether its first bytes may be wrong, where a boundary shows that it is an XDF file all the same.
    tell : callable, optional
        Is told which share has been looked at.

    Raises
    ------
    FileFormatError
        When it does not begin as an XDF file does.

    Notes
    -----
    Behind damage it goes on at the next chunk where that can be told, else at the next boundary. Where the
    file has checksums of ours, samples that these do not vouch for are left out, except behind the last of
    them, where a killed writer had no time for one.
    """
    found = Survey()
    if any_magic and data[: len(MAGIC)] != MAGIC and data.find(BOUNDARY) >= 0:
        found.damages.append(Damage(0, len(MAGIC), "the first bytes of the file"))
    elif data[: len(MAGIC)] != MAGIC:
        raise FileFormatError(f"{where}: does not begin with {MAGIC.decode()}, it is no XDF file")
    at = len(MAGIC)
    at_next = TOLD_BYTES
    while at < len(data):
        if tell is not None and at >= at_next:
            tell(at / len(data))
            at_next = at + TOLD_BYTES
        try:
            piece = _piece(data, at, found.streams)
            _check(data, piece, found, where)
            found.pieces.append(piece)
            at = piece.stop
        except _Bad as bad:
            after = _resume(data, at, bad.stop, found)
            found.damages.append(Damage(at, after, str(bad)))
            at = after
    _leave_out_unvouched(data, found)
    return found


def texts_of(data: Buffer, piece: Piece, stream: XdfStream) -> list[tuple[float, list[str]]]:
    """Stamps and values of a sound chunk of strings."""
    return [
        (t, [bytes(data[i:j]).decode("utf-8", "replace") for i, j in spans])
        for t, spans in _walk_texts(data, piece, stream)
    ]


def numbers_of(
    data: Buffer, piece: Piece, stream: XdfStream, t_before_s: float
) -> tuple[npt.NDArray[np.generic], npt.NDArray[np.float64]]:
    """Values, shape (n_samples, n_channels), and stamps of a sound chunk of numbers; copies.

    `t_before_s` is the stamp of the sample before, from which a sample without one follows.
    """
    n, at = count_of(data, piece)
    layout = sample_dtype(stream)
    if piece.stop - at == n * layout.itemsize:
        samples = np.frombuffer(bytes(data[at : piece.stop]), layout)
        if (samples["flag"] == STAMP_BYTES).all():
            return samples["x"].copy(), samples["t"].copy()
    values = np.empty((n, stream.n_channels), FORMATS[stream.format])
    stamps = np.empty(n)
    step_s = 1.0 / stream.rate_hz if stream.rate_hz else 0.0
    for i in range(n):
        flag = data[at]
        t_before_s = struct.unpack_from("<d", data, at + 1)[0] if flag else t_before_s + step_s
        stamps[i] = t_before_s
        at += 1 + flag
        values[i] = np.frombuffer(data[at : at + values.itemsize * stream.n_channels], values.dtype)
        at += values.itemsize * stream.n_channels
    return values, stamps


# -- one chunk -----------------------------------------------------------------------------------------


def _piece(data: Buffer, at: int, streams: Mapping[int, XdfStream]) -> Piece:
    """Read a chunk's length, tag and stream; raise where they cannot be."""
    n_length = data[at]
    if n_length not in LENGTHS or at + 1 + n_length + 2 > len(data):
        raise _Bad("no chunk begins here" if n_length not in LENGTHS else "cut short")
    (length,) = struct.unpack_from(LENGTHS[n_length], data, at + 1)
    begin = at + 1 + n_length
    stop = begin + length
    if length < 2 or stop > len(data):
        raise _Bad("cut short" if length >= 2 else "a chunk without content")
    (tag,) = struct.unpack_from("<H", data, begin)
    if tag not in OF_A_STREAM:
        return Piece(tag, 0, at, begin + 2, stop)
    if length < 6:
        raise _Bad("a chunk without its stream's number", stop)
    (stream_id,) = struct.unpack_from("<I", data, begin + 2)
    if tag != Tag.STREAM_HEADER and stream_id not in streams:
        raise _Bad(f"a chunk of stream {stream_id}, which has no header", stop)
    return Piece(tag, stream_id, at, begin + 6, stop)


def _check(data: Buffer, piece: Piece, found: Survey, where: str) -> None:
    content = data[piece.content : piece.stop] if piece.tag != Tag.SAMPLES else b""
    if piece.tag == Tag.SAMPLES:
        stream = found.streams[piece.stream_id]
        if stream.format == "string":
            for t_s, _ in _walk_texts(data, piece, stream):
                if not np.isfinite(t_s):
                    raise _Bad("stamps that are not finite", piece.stop)
        else:
            _check_numbers(data, piece, stream)
    elif piece.tag == Tag.BOUNDARY:
        if content != BOUNDARY:
            raise _Bad("a boundary that is none", piece.stop)
    elif piece.tag == Tag.CLOCK_OFFSET:
        if len(content) != 16 or not np.isfinite(struct.unpack("<dd", content)).all():
            raise _Bad("a clock offset that is none", piece.stop)
    elif piece.tag in (Tag.FILE_HEADER, Tag.STREAM_HEADER, Tag.STREAM_FOOTER):
        _check_xml(bytes(content), piece, found, where)
    else:
        raise _Bad(f"a chunk of unknown kind {piece.tag}", piece.stop)


def _check_xml(content: bytes, piece: Piece, found: Survey, where: str) -> None:
    try:
        if piece.tag != Tag.STREAM_HEADER:
            content.decode()  # of these, other readers take the bytes as they are
        root = parse_xml(content, where)
        if piece.tag == Tag.STREAM_HEADER:
            stream = stream_of(piece.stream_id, root, where)
            if found.streams.setdefault(piece.stream_id, stream) != stream:
                raise _Bad(f"a second, different header of stream {piece.stream_id}", piece.stop)
            found.headers.setdefault(piece.stream_id, root)
    except UnicodeDecodeError:
        raise _Bad("text that is no UTF-8", piece.stop) from None
    except FileFormatError as error:
        is_header = piece.tag == Tag.STREAM_HEADER and piece.stream_id not in found.streams
        if not is_header or not (xml := salvaged_header(content)):
            raise _Bad(str(error).removeprefix(f"{where}: "), piece.stop) from None
        stream_id = struct.pack("<I", piece.stream_id)
        found.mended[piece.start] = chunk_bytes(Tag.STREAM_HEADER, stream_id + xml.encode())
        _check_xml(xml.encode(), piece, found, where)
        name = found.streams[piece.stream_id].name
        found.damages.append(Damage(piece.start, piece.stop, f"{KEPT} '{name}', which is no XML any more"))


def count_of(data: Buffer, piece: Piece) -> tuple[int, int]:
    """Number of samples that a chunk states, and where they begin."""
    at = piece.content
    n_bytes = data[at] if at < piece.stop else 0
    if n_bytes not in LENGTHS or at + 1 + n_bytes > piece.stop:
        raise _Bad("samples without their number", piece.stop)
    (n,) = struct.unpack_from(LENGTHS[n_bytes], data, at + 1)
    if n > piece.stop - at:  # each takes at least a byte
        raise _Bad("more samples than bytes", piece.stop)
    return n, at + 1 + n_bytes


def _check_numbers(data: Buffer, piece: Piece, stream: XdfStream) -> None:
    n, at = count_of(data, piece)
    n_values = FORMATS[stream.format].itemsize * stream.n_channels
    size = 1 + STAMP_BYTES + n_values
    if piece.stop - at == n * size:  # all have stamps, or it is nothing that can be
        samples = np.frombuffer(bytes(data[at : piece.stop]), np.uint8).reshape(n, size)
        if (samples[:, 0] == STAMP_BYTES).all():
            t_s = np.ascontiguousarray(samples[:, 1 : 1 + STAMP_BYTES]).view("<f8")
            if not np.isfinite(t_s).all():
                raise _Bad("stamps that are not finite", piece.stop)
            return
    for _ in range(n):
        flag = data[at] if at < piece.stop else -1
        if flag not in (0, STAMP_BYTES) or at + 1 + flag + n_values > piece.stop:
            raise _Bad("samples that do not fill their chunk", piece.stop)
        if flag and not np.isfinite(struct.unpack_from("<d", data, at + 1)[0]):
            raise _Bad("stamps that are not finite", piece.stop)
        at += 1 + flag + n_values
    if at != piece.stop:
        raise _Bad("samples that do not fill their chunk", piece.stop)


def _walk_texts(
    data: Buffer, piece: Piece, stream: XdfStream
) -> Iterator[tuple[float, list[tuple[int, int]]]]:
    """Stamp of each sample, and where the bytes of its values begin and end."""
    bad = _Bad("texts that do not fill their chunk", piece.stop)
    n, at = count_of(data, piece)
    t_s = 0.0
    step_s = 1.0 / stream.rate_hz if stream.rate_hz else 0.0
    for _ in range(n):
        flag = data[at] if at < piece.stop else -1
        if flag not in (0, STAMP_BYTES) or at + 1 + flag > piece.stop:
            raise bad
        t_s = struct.unpack_from("<d", data, at + 1)[0] if flag else t_s + step_s
        at += 1 + flag
        spans = []
        for _ in range(stream.n_channels):
            n_bytes = data[at] if at < piece.stop else 0
            if n_bytes not in LENGTHS or at + 1 + n_bytes > piece.stop:
                raise bad
            (length,) = struct.unpack_from(LENGTHS[n_bytes], data, at + 1)
            at += 1 + n_bytes
            if at + length > piece.stop:
                raise bad
            spans.append((at, at + length))
            at += length
        yield t_s, spans
    if at != piece.stop:
        raise bad


# -- damage --------------------------------------------------------------------------------------------


def _resume(data: Buffer, at: int, stop: int, found: Survey) -> int:
    """Where to go on behind a chunk that is not sound."""
    if stop == len(data):
        return stop
    if stop:
        try:
            _piece(data, stop, found.streams)
            return stop
        except _Bad:
            pass
    boundary = data.find(BOUNDARY, at + 1)
    return len(data) if boundary < 0 else boundary + len(BOUNDARY)


def _leave_out_unvouched(data: Buffer, found: Survey) -> None:
    ids = {one.stream_id for one in found.streams.values() if one.name == CHECKSUM_NAME}
    if not ids:
        return
    good: list[tuple[int, int]] = []
    for piece in found.pieces:
        if piece.tag == Tag.SAMPLES and piece.stream_id in ids:
            found.n_vouched = piece.start
            if span := _vouched(data, piece, found.streams[piece.stream_id]):
                good.append(span)
    kept, starts = Pieces(), [start for start, _ in good]
    for piece in found.pieces:
        is_sample = piece.tag == Tag.SAMPLES and piece.stream_id not in ids
        is_good = piece.stop > found.n_vouched or _is_inside(piece, good, starts)
        if is_sample and not is_good:
            found.damages.append(Damage(piece.start, piece.stop, "no checksum vouches for these samples"))
            continue
        kept.append(piece)
        if piece.tag == Tag.STREAM_HEADER and not is_good and piece.start not in found.mended:
            name = found.streams[piece.stream_id].name
            found.damages.append(Damage(piece.start, piece.stop, f"{KEPT} '{name}'"))
    found.pieces = kept
    found.damages = _joined(found.damages)


def _vouched(data: Buffer, piece: Piece, stream: XdfStream) -> tuple[int, int] | None:
    """The bytes that a checksum chunk vouches for; None when they have changed, or it has."""
    (_, values), *_ = texts_of(data, piece, stream) or [(0.0, [""])]
    parts = values[0].split()
    if len(parts) != 3 or not all(part.isascii() and part.isdecimal() for part in parts):
        return None
    start, stop, crc = map(int, parts)
    if stop != piece.start or start >= stop or zlib.crc32(data[start:stop]) != crc:
        return None
    return start, stop


def _is_inside(piece: Piece, spans: list[tuple[int, int]], starts: list[int]) -> bool:
    i = bisect_right(starts, piece.start) - 1
    return i >= 0 and piece.stop <= spans[i][1]


def _joined(damages: list[Damage]) -> list[Damage]:
    """Neighbouring damages of one reason as one."""
    joined: list[Damage] = []
    for one in sorted(damages):
        if joined and joined[-1].stop >= one.start and joined[-1].reason == one.reason:
            joined[-1] = Damage(joined[-1].start, max(joined[-1].stop, one.stop), one.reason)
        else:
            joined.append(one)
    return joined
