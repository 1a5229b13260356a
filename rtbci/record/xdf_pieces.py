"""What a file of XDF is found to consist of: chunks that are sound, and what is damaged."""

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple
from xml.etree import ElementTree as ET

from rtbci.record.xdf_format import XdfStream

__all__ = ["Damage", "Piece", "Pieces", "Survey"]


class Piece(NamedTuple):
    """A sound chunk: what it is, of which stream (0: none), and the bytes that it and its content take."""

    tag: int
    stream_id: int
    start: int
    content: int
    stop: int


class Damage(NamedTuple):
    """Bytes that cannot be used, and why."""

    start: int
    stop: int
    reason: str


class Pieces:
    """A list of `Piece` that takes 40 bytes for each: an hour of single samples at 1000 Hz has millions."""

    def __init__(self, pieces: Iterable[Piece] = ()) -> None:
        self._flat = array("q")
        for piece in pieces:
            self.append(piece)

    def append(self, piece: Piece) -> None:
        """Add one at the end."""
        self._flat.extend(piece)

    def __len__(self) -> int:
        return len(self._flat) // 5

    def __iter__(self) -> Iterator[Piece]:
        return map(Piece._make, zip(*[iter(self._flat)] * 5, strict=True))


@dataclass
class Survey:
    """What there is in a file.

    Attributes
    ----------
    streams, headers : dict
        Of each stream by its number: its layout, and its header as parsed.
    pieces : Pieces
        Sound chunks in the order of the file.
    damages : list of Damage
        What was left out, or may be wrong.
    n_vouched : int
        Bytes from the start that checksums speak of; 0 where the file has none.
    mended : dict of int to bytes
        Chunks to write instead of those that begin at these places: headers, as far as they can be read.
    """

    streams: dict[int, XdfStream] = field(default_factory=dict)
    headers: dict[int, ET.Element] = field(default_factory=dict)
    pieces: Pieces = field(default_factory=Pieces)
    damages: list[Damage] = field(default_factory=list)
    n_vouched: int = 0
    mended: dict[int, bytes] = field(default_factory=dict)
