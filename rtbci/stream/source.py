"""What a stream of EEG is: its metadata, its chunks, its markers, and the protocol of all sources."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, Self

import numpy as np
import numpy.typing as npt

__all__ = [
    "UNSEEN",
    "Channel",
    "Chunk",
    "FloatArray",
    "Marker",
    "MarkerSink",
    "Source",
    "SourceAround",
    "StreamInfo",
    "is_checking",
]

FloatArray = npt.NDArray[np.float64]

UNSEEN = "unseen"
"""Marker that takes back the cue before it: what asked for it was not on the screen until the end."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel as its stream describes it.

    Parameters
    ----------
    label : str
        Name as given by the stream, untouched (``"Fc5."``, ``"EEG Fp1"``).
    unit : str
        Unit as given (``"microvolts"``, ``"uV"``, ``""``).
    type : str
        Type as given (``"EEG"``, ``"EOG"``, ``"AUX"``).
    """

    label: str
    unit: str = ""
    type: str = "EEG"


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """Metadata of a stream.

    Parameters
    ----------
    name, type, source_id : str
        As in LSL; `source_id` is what a lost stream is found again by.
    rate_hz : float
        Nominal sampling rate, above 0.
    channels : tuple of Channel
        In the order of the columns of every chunk.
    manufacturer, reference, hostname : str
        As described by the stream, or empty.
    """

    name: str
    source_id: str
    rate_hz: float
    channels: tuple[Channel, ...]
    type: str = "EEG"
    manufacturer: str = ""
    reference: str = ""
    hostname: str = ""

    @property
    def n_channels(self) -> int:
        """Number of channels."""
        return len(self.channels)

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of all channels, as given."""
        return tuple(channel.label for channel in self.channels)


class Chunk(NamedTuple):
    """Samples as they arrived together.

    Parameters
    ----------
    data : ndarray of float64, shape (n_samples, n_channels)
        In the units of the stream. Owned by the receiver. `n_samples` may be 0.
    t_lsl : ndarray of float64, shape (n_samples,)
        Stamp of each sample, seconds of the local LSL clock (clock-corrected).
    """

    data: FloatArray
    t_lsl: FloatArray


class Marker(NamedTuple):
    """An event of the experiment: time in seconds of the local LSL clock, and its text."""

    t_lsl: float
    value: str


class MarkerSink(Protocol):
    """Takes markers with stamps of the LSL clock."""

    def push(self, text: str, t_lsl: float) -> None:
        """Send one."""
        ...


class Source(Protocol):
    """A stream of EEG that can be opened, drained and closed by one thread.

    Every source is a context manager, which opens and closes it; who derives from this is one. `open` may block up to its
    own timeout, `pull` up to `timeout_s`.
    """

    @property
    def info(self) -> StreamInfo:
        """Metadata; valid once the source is open."""
        ...

    def open(self) -> None:
        """Connect.

        Raises
        ------
        StreamNotFoundError
            When there is no such stream, or more than one.
        """
        ...

    def close(self) -> None:
        """Disconnect; may be called more than once."""
        ...

    def pull(self, timeout_s: float) -> Chunk:
        """Return all samples that are there; wait for the first up to `timeout_s` seconds.

        Returns
        -------
        Chunk
            Empty when nothing came in time.

        Raises
        ------
        StreamLostError
            When the stream has gone for good.
        EOFError
            When a finite source (a recording) has ended.
        """
        ...

    def pull_markers(self) -> Sequence[Marker]:
        """Return the markers that came since the last call, oldest first; never waits."""
        ...

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class SourceAround(Source):
    """A `Source` that hands everything on from another one; for those that look at some of it.

    Parameters
    ----------
    source : Source
        Opened and closed with this one.
    """

    def __init__(self, source: Source) -> None:
        self._source = source

    @property
    def info(self) -> StreamInfo:
        """Metadata of the stream."""
        return self._source.info

    def open(self) -> None:
        """Open the source; see `Source.open`."""
        self._source.open()

    def close(self) -> None:
        """Close the source; may be called more than once."""
        self._source.close()

    @property
    def is_checking(self) -> bool:
        """As of the source; see `is_checking`."""
        return is_checking(self._source)

    def pull(self, timeout_s: float) -> Chunk:
        """Return what the source returns; see `Source.pull`."""
        return self._source.pull(timeout_s)

    def pull_markers(self) -> Sequence[Marker]:
        """Return the source's markers; see `Source.pull_markers`."""
        return self._source.pull_markers()


def is_checking(source: object) -> bool:
    """Whether samples have come that a source still holds back, because it makes sure that they are of the stream they were of.

    Sources that have nothing to make sure of do not say; one around another source hands its word on. Any thread may ask.
    """
    return bool(getattr(source, "is_checking", False))
