"""The pieces that XDF files are made of, after the format's public specification (version 1.0).

A file is the four bytes ``XDF:`` and then chunks: a length of 1, 4 or 8 bytes (itself preceded by that
number), a tag of two bytes, and the content. All numbers are little-endian. See
https://github.com/sccn/xdf/wiki/Specifications.
"""

import struct
from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

__all__ = [
    "BOUNDARY",
    "FORMATS",
    "MAGIC",
    "SESSION_XDF",
    "STAMP_BYTES",
    "Tag",
    "XdfStream",
    "chunk_bytes",
    "sample_dtype",
    "text_bytes",
]

MAGIC = b"XDF:"
SESSION_XDF = "session.xdf"
"""Name of the file in a session's folder."""
BOUNDARY = bytes.fromhex("43a546dccbf5410fb30ed5467383cbe4")
"""Content of a boundary chunk: what a reader looks for to find its way behind damage."""
STAMP_BYTES = 8
"""Number in front of a sample's stamp; 0 where the sample has none."""
FORMATS: Mapping[str, np.dtype[Any]] = MappingProxyType(
    {
        "float32": np.dtype("<f4"),
        "double64": np.dtype("<f8"),
        "int8": np.dtype("i1"),
        "int16": np.dtype("<i2"),
        "int32": np.dtype("<i4"),
        "int64": np.dtype("<i8"),
    }
)
"""Numeric channel formats, as LSL names them; the other one is ``string``."""

ONE_BYTE, FOUR_BYTES = 0xFF, 0xFFFFFFFF


class Tag(IntEnum):
    """What a chunk is."""

    FILE_HEADER = 1
    STREAM_HEADER = 2
    SAMPLES = 3
    CLOCK_OFFSET = 4
    BOUNDARY = 5
    STREAM_FOOTER = 6


class XdfStream(NamedTuple):
    """What the readers and writers need to know of a stream.

    Parameters
    ----------
    stream_id : int
        Its number in the file.
    name, type : str
        As its header says.
    n_channels : int
        Values of a sample.
    rate_hz : float
        Nominal rate, 0 where it is irregular.
    format : str
        One of `FORMATS`, or ``string``.
    """

    stream_id: int
    name: str
    type: str
    n_channels: int
    rate_hz: float
    format: str


def sample_dtype(stream: XdfStream) -> np.dtype[np.void]:
    """Layout of one stamped sample of a numeric stream."""
    values = (FORMATS[stream.format], (stream.n_channels,))
    return np.dtype([("flag", "u1"), ("t", "<f8"), ("x", *values)])


def chunk_bytes(tag: Tag, content: bytes) -> bytes:
    """Return a chunk with its length and tag."""
    return _number(len(content) + 2) + struct.pack("<H", tag) + content


def text_bytes(text: str) -> bytes:
    """Return a value of a string stream: its length and UTF-8; what is no Unicode becomes a question mark."""
    encoded = text.encode("utf-8", "replace")
    return _number(len(encoded)) + encoded


def _number(n: int) -> bytes:
    if n <= ONE_BYTE:
        return struct.pack("<BB", 1, n)
    return struct.pack("<BI", 4, n) if n <= FOUR_BYTES else struct.pack("<BQ", 8, n)
