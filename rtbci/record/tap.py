"""A source whose chunks and markers are recorded as they pass, before anything decodes them."""

import math
from collections.abc import Sequence
from typing import Protocol

from rtbci.record.items import ClockOffset, Item, Opened
from rtbci.stream.source import Chunk, Marker, Source, SourceAround

__all__ = ["RecordedSource", "Takes"]


class Takes(Protocol):
    """What items are given to; never waits."""

    def take(self, item: Item) -> None:
        """Take an item, or count it as lost."""
        ...


class RecordedSource(SourceAround):
    """A `Source` that gives what another one gives, and hands all of it to a recorder.

    Parameters
    ----------
    source : Source
        Opened and closed with this one. Where it has an attribute ``xml``, that describes the stream in the
        file; where it has ``clock_offset_s``, every change of it is recorded.
    recorder : Takes
        Chunks are not copied: neither the decoder nor the recorder writes to them.
    """

    def __init__(self, source: Source, recorder: Takes) -> None:
        super().__init__(source)
        self._recorder = recorder
        self._offset_s: float | None = None

    def open(self) -> None:
        """Open the source; see `Source.open`."""
        super().open()
        self._recorder.take(Opened(self._source.info, str(getattr(self._source, "xml", ""))))

    def pull(self, timeout_s: float) -> Chunk:
        """Return what the source returns; see `Source.pull`."""
        chunk = self._source.pull(timeout_s)
        if len(chunk.t_lsl):
            offset_s = getattr(self._source, "clock_offset_s", None)
            if offset_s != self._offset_s and offset_s is not None:
                self._offset_s = offset_s
                self._recorder.take(ClockOffset(float(chunk.t_lsl[0]), offset_s))
            self._recorder.take(chunk)
        return chunk

    def pull_markers(self) -> Sequence[Marker]:
        """Return the source's markers; see `Source.pull_markers`.

        One without a time has no place in a file, which nobody would read past it; the run's event `window_lost` has its text.
        """
        markers = self._source.pull_markers()
        for marker in markers:
            if math.isfinite(marker.t_lsl):
                self._recorder.take(marker)
        return markers
