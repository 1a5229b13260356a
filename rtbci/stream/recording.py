"""A recording in memory as a source."""

from collections.abc import Sequence

import numpy as np

from rtbci.clock import Clock, now, sleep_until
from rtbci.errors import ShapeError, StreamError
from rtbci.stream.pacing import ChunkPace, SleepUntil
from rtbci.stream.source import Chunk, FloatArray, Marker, Source, StreamInfo

__all__ = ["RecordingSource"]


class RecordingSource(Source):
    """A recording in memory, given out in chunks; a `Source` that ends.

    Parameters
    ----------
    info : StreamInfo
        Metadata; its channels are the columns of `data`.
    data : ndarray of float64, shape (n_samples, n_channels)
        In the units of `info`. Not copied: leave it alone while the source is in use.
    markers : sequence of Marker
        In the times of the recording.
    t_lsl : ndarray of float64, shape (n_samples,), optional
        Stamps of the recording; without, ``t0_lsl + i / rate_hz``.
    t0_lsl : float, default 0
        Stamp of the first sample, seconds, when there is no `t_lsl`.
    chunk : int, default 32
        Samples a chunk.
    realtime : bool, default False
        Give chunks out at the recording's rate and with stamps moved to begin now, instead of as fast as
        they are pulled with the recording's own stamps.
    clock, sleep_until : callable
        For `realtime`.

    Raises
    ------
    ShapeError
        When data, stamps and channels do not fit.
    """

    def __init__(
        self,
        info: StreamInfo,
        data: FloatArray,
        markers: Sequence[Marker] = (),
        *,
        t_lsl: FloatArray | None = None,
        t0_lsl: float = 0.0,
        chunk: int = 32,
        realtime: bool = False,
        clock: Clock = now,
        sleep_until: SleepUntil = sleep_until,
    ) -> None:
        if data.ndim != 2 or data.shape[1] != info.n_channels:
            raise ShapeError(
                f"RecordingSource: data has shape {data.shape}, need (n_samples, {info.n_channels})"
            )
        stamps = t0_lsl + np.arange(len(data)) / info.rate_hz if t_lsl is None else t_lsl
        if stamps.shape != (len(data),):
            raise ShapeError(f"RecordingSource: t_lsl has shape {stamps.shape}, need ({len(data)},)")
        self._info = info
        self._data = data
        self._stamps = stamps
        self._all_markers = sorted(markers)
        self._realtime = realtime
        self._pace = ChunkPace(info.rate_hz, chunk, realtime=realtime, clock=clock, sleep_until=sleep_until)
        self._is_open = False
        self._i_next = self._i_marker = 0
        self._moved_s = 0.0

    @property
    def info(self) -> StreamInfo:
        """Metadata."""
        return self._info

    def open(self) -> None:
        """Begin at the recording's first sample."""
        self._pace.start()
        self._i_next = self._i_marker = 0
        if self._realtime and len(self._stamps):
            self._moved_s = self._pace.t_start_lsl - float(self._stamps[0])
        self._is_open = True

    def close(self) -> None:
        """Stop; may be called more than once. `open` begins again."""
        self._is_open = False

    def pull(self, timeout_s: float) -> Chunk:
        """Return the next samples, copied; see `Source.pull`.

        Raises
        ------
        EOFError
            When all samples have been given.
        StreamError
            When the source is not open.
        """
        if not self._is_open:
            raise StreamError(f"RecordingSource: '{self._info.name}' is not open; call open first")
        if self._i_next >= len(self._data):
            raise EOFError(f"RecordingSource: '{self._info.name}' has ended after {len(self._data)} samples")
        start = self._i_next
        # The last chunk may be shorter; `realtime` waits for its nominal end.
        self._i_next = stop = min(start + self._pace.take(timeout_s), len(self._data))
        return Chunk(np.array(self._data[start:stop], np.float64), self._stamps[start:stop] + self._moved_s)

    def pull_markers(self) -> list[Marker]:
        """Return the markers up to the newest sample given; after the last sample, all that are left."""
        start = stop = self._i_marker
        at_end = self._i_next >= len(self._data)
        t_newest = self._stamps[self._i_next - 1] if self._i_next else -np.inf
        while stop < len(self._all_markers) and (at_end or self._all_markers[stop].t_lsl <= t_newest):
            stop += 1
        self._i_marker = stop
        return [Marker(m.t_lsl + self._moved_s, m.value) for m in self._all_markers[start:stop]]
