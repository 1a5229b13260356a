"""XDF, chunk by chunk: what to append to a file. Nothing here touches a file or a clock."""

import struct
from collections.abc import Sequence
from datetime import datetime
from itertools import groupby

import numpy as np
import numpy.typing as npt

from rtbci.errors import ShapeError
from rtbci.record.xdf_format import (
    BOUNDARY,
    FORMATS,
    MAGIC,
    STAMP_BYTES,
    Tag,
    XdfStream,
    chunk_bytes,
    text_bytes,
)
from rtbci.record.xdf_format import sample_dtype as dtype_of_sample
from rtbci.record.xdf_headers import Footer, file_header, footer_xml, parse_xml, stream_of

__all__ = ["BOUNDARY_CHUNK", "XdfWriter", "footer_chunk", "text_chunk"]

BOUNDARY_CHUNK = chunk_bytes(Tag.BOUNDARY, BOUNDARY)
Samples = tuple[npt.NDArray[np.generic], npt.NDArray[np.float64]]


class XdfWriter:
    """Makes the bytes of an XDF file, in the order in which they are to be appended.

    Keeps what the footers need: how many samples each stream has, and their first and last stamps.
    Every sample carries its own stamp, so that readers find exactly those that were written.

    Notes
    -----
    One thread. A chunk of 8 samples of 64 channels takes about 15 µs, one of many alike about 1 µs.
    """

    def __init__(self) -> None:
        self._streams: dict[int, XdfStream] = {}
        self._footers: dict[int, Footer] = {}

    def begin(self, start: datetime) -> bytes:
        """Return what a file begins with."""
        return MAGIC + chunk_bytes(Tag.FILE_HEADER, file_header(start).encode())

    def open_stream(self, xml: str) -> tuple[int, bytes]:
        """Begin a stream; return its number and its header chunk.

        Raises
        ------
        FileFormatError
            When the XML is no header of a stream.
        """
        stream_id = max(self._streams, default=0) + 1
        where = f"XdfWriter: stream {stream_id}"
        self._streams[stream_id] = stream_of(stream_id, parse_xml(xml, where), where)
        self._footers[stream_id] = Footer(None, None, 0)
        return stream_id, chunk_bytes(
            Tag.STREAM_HEADER, struct.pack("<I", stream_id) + xml.encode("utf-8", "replace")
        )

    def go_on(self, stream: XdfStream, footer: Footer) -> None:
        """Go on with a stream that the file has already; `footer` is what it would say now."""
        self._streams[stream.stream_id] = stream
        self._footers[stream.stream_id] = footer

    def samples(self, stream_id: int, chunks: Sequence[Samples]) -> bytes:
        """Return chunks of a numeric stream, each as a chunk of its own; empty ones are left out.

        Parameters
        ----------
        stream_id : int
            Of `open_stream`.
        chunks : sequence of (ndarray, shape (n_samples, n_channels); ndarray, shape (n_samples,))
            Values, which the stream's format must be able to hold, and stamps in seconds.

        Raises
        ------
        ShapeError
            When values and stamps do not fit the stream or each other.
        """
        stream = self._streams[stream_id]
        for values, stamps in chunks:
            if values.shape != (len(stamps), stream.n_channels) or stream.format not in FORMATS:
                raise ShapeError(
                    f"XdfWriter: values of shape {values.shape} with {len(stamps)} stamps, "
                    f"need (n_samples, {stream.n_channels}) of {stream.format} for stream '{stream.name}'"
                )
        filled = [chunk for chunk in chunks if len(chunk[1])]
        for _, stamps in filled:
            self._count(stream_id, float(stamps[0]), float(stamps[-1]), len(stamps))
        return b"".join(
            _alike(stream, list(group), n) for n, group in groupby(filled, key=lambda chunk: len(chunk[1]))
        )

    def texts(self, stream_id: int, samples: Sequence[tuple[float, str]]) -> bytes:
        """Return one chunk of a string stream of one channel; nothing for no samples.

        Parameters
        ----------
        samples : sequence of (float, str)
            Stamp in seconds, and text.
        """
        if not samples:
            return b""
        self._count(stream_id, samples[0][0], samples[-1][0], len(samples))
        return text_chunk(stream_id, samples)

    def clock_offset(self, stream_id: int, t_s: float, offset_s: float) -> bytes:
        """Return a clock offset: measured at `t_s`, to be added to the stream's stamps, both in seconds."""
        return chunk_bytes(Tag.CLOCK_OFFSET, struct.pack("<Idd", stream_id, t_s, offset_s))

    def boundary(self) -> bytes:
        """Return a boundary, where a reader finds its way again behind damage."""
        return BOUNDARY_CHUNK

    def close_stream(self, stream_id: int) -> bytes:
        """Return a stream's footer."""
        return footer_chunk(stream_id, self._footers[stream_id])

    def _count(self, stream_id: int, t_first: float, t_last: float, n: int) -> None:
        before = self._footers[stream_id]
        first = t_first if before.t_first is None else before.t_first
        self._footers[stream_id] = Footer(first, t_last, before.n_samples + n)


def text_chunk(stream_id: int, samples: Sequence[tuple[float, str]]) -> bytes:
    """A chunk of stamped texts, of a stream of one channel."""
    body = b"".join(struct.pack("<Bd", STAMP_BYTES, t) + text_bytes(text) for t, text in samples)
    return chunk_bytes(Tag.SAMPLES, struct.pack("<IBI", stream_id, 4, len(samples)) + body)


def footer_chunk(stream_id: int, footer: Footer) -> bytes:
    """A stream's footer."""
    return chunk_bytes(Tag.STREAM_FOOTER, struct.pack("<I", stream_id) + footer_xml(footer).encode())


def _alike(stream: XdfStream, chunks: list[Samples], n: int) -> bytes:
    """Chunks of `n` samples each, all at once."""
    sample = dtype_of_sample(stream)
    head = [("n_length", "u1"), ("length", "<u4"), ("tag", "<u2"), ("stream", "<u4"), ("n_count", "u1")]
    layout = np.dtype([*head, ("count", "<u4"), ("samples", sample, (n,))])
    out = np.empty(len(chunks), layout)
    out["n_length"], out["length"] = 4, layout.itemsize - 5
    out["tag"], out["stream"] = Tag.SAMPLES, stream.stream_id
    out["n_count"], out["count"] = 4, n
    samples = out["samples"]
    samples["flag"] = STAMP_BYTES
    samples["t"] = np.array([stamps for _, stamps in chunks])
    samples["x"] = np.array([values for values, _ in chunks])
    return out.tobytes()
