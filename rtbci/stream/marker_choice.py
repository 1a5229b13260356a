"""Which marker streams of a network belong to a stream of EEG, and what is said of those that do not."""

import shlex
from typing import Literal, NamedTuple

from rtbci.stream.source import StreamInfo

__all__ = ["DECISIONS_ID", "MarkerStream", "SeenMarkers", "how_to_take", "why_left", "why_other_taken"]

PAIRED = "-markers"
DECISIONS_ID = "rtbci-predictions-decisions"
"""Source id of the decisions that `rtbci run --lsl-outlet` offers as markers."""


class MarkerStream(NamedTuple):
    """What a marker stream says of itself: its name, its source id (or empty), the computer that it comes from."""

    name: str
    source_id: str
    hostname: str


class SeenMarkers(NamedTuple):
    """A marker stream was taken, was left out, or has ended.

    Parameters
    ----------
    kind : str
        ``"markers_found"``, ``"markers_left"`` or ``"markers_lost"``.
    stream : MarkerStream
    n_streams : int
        How many are read now.
    reason : str
        In words: why it is left out and how to take it; that it is one of several and how to read one alone.
    """

    kind: Literal["markers_found", "markers_left", "markers_lost"]
    stream: MarkerStream
    n_streams: int
    reason: str = ""


def why_left(of: StreamInfo, here: str, stream: MarkerStream) -> str:
    """Why a marker stream does not belong to a stream of EEG, where nobody has named it; empty: it does.

    It belongs where its source id is that of the EEG stream with something behind it, where it comes from the EEG stream's
    computer, or from the one that decodes; but one with ``-markers`` behind another stream's source id belongs to that one.

    Parameters
    ----------
    of : StreamInfo
        The stream of EEG.
    here : str
        Name of the computer that decodes.
    stream : MarkerStream
    """
    if stream.source_id == DECISIONS_ID:
        return "decisions of rtbci are no cues"
    if stream.source_id.endswith(PAIRED):
        other = stream.source_id.removesuffix(PAIRED)
        return "" if other == of.source_id else f"they belong to the stream '{other}'"
    if of.source_id and stream.source_id.startswith(of.source_id):
        rest = stream.source_id[len(of.source_id) :]
        if not rest[:1].isalnum():  # else 'amp2-stim' would be of 'amp'
            return ""
    if stream.hostname in (of.hostname, here):
        return ""
    return f"from {stream.hostname}, another computer than the stream's"


def why_other_taken(of: StreamInfo, here: str, stream: MarkerStream, others: list[MarkerStream]) -> str:
    """Why a stream that was named is left out: another of that name is nearer; empty: none is.

    Parameters
    ----------
    others : list of MarkerStream
        All that answer to that name.
    """
    near = (of.hostname, here)
    if stream.hostname in near or not any(other.hostname in near for other in others):
        return ""
    return f"from {stream.hostname}, and there is one of that name on the stream's computer or this one"


def how_to_take(stream: MarkerStream, others: list[MarkerStream]) -> str:
    """The option that names this stream alone; by its source id where others have its name.

    Parameters
    ----------
    others : list of MarkerStream
        All that are known, with or without this one.
    """
    is_ambiguous = any(other != stream and other.name == stream.name for other in others)
    name = stream.source_id if stream.source_id and (is_ambiguous or not stream.name) else stream.name
    return f"--markers {shlex.quote(name)}"
