"""What a recorder is given, and how much memory each takes until it is written."""

from typing import NamedTuple

from rtbci.probe.profile import Profile
from rtbci.publish.messages import Message
from rtbci.runtime.journal import Taken
from rtbci.stream.source import Chunk, Marker, StreamInfo

__all__ = ["ClockOffset", "Item", "Left", "Opened", "UsedProfile", "bytes_of"]

OVERHEAD_BYTES = 512
"""Python's own objects around the numbers of a chunk or the text of a marker."""
MESSAGE_BYTES = 4096
"""More than any message of the decoder's takes as an object."""


class Opened(NamedTuple):
    """A stream was connected: what it says of itself, and its own XML ("" where it has none)."""

    info: StreamInfo
    xml: str


class ClockOffset(NamedTuple):
    """Seconds that have been added to the stream's stamps, from the one of `t_lsl` on."""

    t_lsl: float
    offset_s: float


class UsedProfile(NamedTuple):
    """A profile that decodes from here on; a copy of it is kept."""

    profile: Profile


class Left(NamedTuple):
    """Chunks, samples in them and other items that there was no memory for, in front of what comes next."""

    n_chunks: int
    n_samples: int
    n_other: int


Item = Opened | ClockOffset | Chunk | Marker | Message | Taken | UsedProfile | Left


def bytes_of(item: Item) -> int:
    """Memory that an item is counted with."""
    if isinstance(item, Chunk):
        return item.data.nbytes + item.t_lsl.nbytes + OVERHEAD_BYTES
    if isinstance(item, Marker):
        return OVERHEAD_BYTES + 4 * len(item.value)
    return OVERHEAD_BYTES if isinstance(item, ClockOffset | Taken | Left) else MESSAGE_BYTES
