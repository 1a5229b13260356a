"""A recording in memory: what a file holds of one stream, and cutting and joining it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rtbci.errors import ChannelError, ConfigError, ShapeError
from rtbci.listing import counted
from rtbci.stream.labels import canonical_label, with_labels
from rtbci.stream.layout import electrode_columns, electrodes_of
from rtbci.stream.source import FloatArray, Marker, StreamInfo

__all__ = ["Recording", "join_recordings", "source_id_of"]

GAP_STEPS = 1.5
"""Two neighbouring samples further apart than this many sampling intervals have a gap between them."""


@dataclass(frozen=True)
class Recording:
    """One stream of a file.

    Parameters
    ----------
    info : StreamInfo
        What its LSL stream will say of itself: name, labels, units, types, rate, source id.
    data : ndarray of float64, shape (n_samples, n_channels)
        In the unit that each channel states. Not copied.
    markers : tuple of Marker
        Sorted; their times are in seconds *from the first sample* and may be negative where another
        stream of the file began earlier.
    t_s : ndarray of float64, shape (n_samples,), optional
        Time of each sample in seconds from the first, where the file has stamps of its own (gaps and
        jitter included). None: regular, sample `i` at ``i / rate_hz``.
    t0_s : float
        Time of the first sample in the file's own clock, in seconds; recordings of one file share it.
    notes : tuple of str
        What the reader had to say: warnings, assumptions, corrections. For people.

    Raises
    ------
    ShapeError
        When `data` or `t_s` do not fit the channels.
    """

    info: StreamInfo
    data: FloatArray
    markers: tuple[Marker, ...] = ()
    t_s: FloatArray | None = None
    t0_s: float = 0.0
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.data.ndim != 2 or self.data.shape[1] != self.info.n_channels:
            raise ShapeError(
                f"Recording {self.info.name!r}: data has shape {self.data.shape}, "
                f"need (n_samples, {self.info.n_channels})"
            )
        if self.t_s is not None and self.t_s.shape != (self.n_samples,):
            raise ShapeError(
                f"Recording {self.info.name!r}: {self.t_s.shape} stamps for {self.n_samples} samples, "
                "need one for each"
            )

    def __repr__(self) -> str:
        """In one line, however many samples there are."""
        return (
            f"Recording({self.name!r}, {counted(self.info.n_channels, 'channel')} at {self.info.rate_hz:g} Hz, {self.duration_s:.1f} s, "
            f"{counted(len(self.markers), 'marker')})"
        )

    @property
    def name(self) -> str:
        """Name of the stream."""
        return self.info.name

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return int(self.data.shape[0])

    @property
    def duration_s(self) -> float:
        """Seconds from the first sample to one sampling interval after the last."""
        if self.n_samples == 0:
            return 0.0
        last_s = (self.n_samples - 1) / self.info.rate_hz if self.t_s is None else float(self.t_s.max())
        return last_s + 1.0 / self.info.rate_hz

    def sample_times(self, start: int = 0, stop: int | None = None) -> FloatArray:
        """Times of samples `start` to `stop` in seconds from the first sample; a copy."""
        stop = self.n_samples if stop is None else min(stop, self.n_samples)
        if self.t_s is not None:
            return self.t_s[start:stop].copy()
        return np.arange(start, stop) / self.info.rate_hz

    def gaps(self) -> FloatArray:
        """Gaps of the recording.

        Returns
        -------
        ndarray, shape (n_gaps, 2)
            Time before the gap (seconds from the first sample) and its length in seconds beyond one
            sampling interval.
        """
        if self.t_s is None or self.n_samples < 2:
            return np.empty((0, 2))
        reached = np.maximum.accumulate(self.t_s)
        extra = np.diff(reached) - 1.0 / self.info.rate_hz
        at = np.flatnonzero(extra > (GAP_STEPS - 1.0) / self.info.rate_hz)
        return np.column_stack([reached[at], extra[at]])

    def labelled(self, labels: Sequence[str]) -> "Recording":
        """The same with other names for its channels, in their order; `data` is not copied. As it is where none are given.

        Raises
        ------
        ChannelError
            When there are not as many labels as channels.
        """
        return replace(self, info=with_labels(self.info, labels, "recording"))

    def crop(self, start_s: float = 0.0, stop_s: float | None = None) -> "Recording":
        """Cut out the part from `start_s` to before `stop_s` (seconds from the first sample).

        Returns
        -------
        Recording
            `data` is a view. Its times count from its own first sample.

        Raises
        ------
        ConfigError
            When nothing is left.
        """
        t_s = self.sample_times()
        half = 0.5 / self.info.rate_hz  # a sample time that is not exact in binary still counts
        inside = t_s >= start_s - half if start_s > 0 else np.ones(t_s.shape, bool)
        if stop_s is not None:
            inside &= t_s < stop_s - half
        where = np.flatnonzero(inside)
        if where.size == 0:
            raise ConfigError(
                f"{self.name}: asked for the part from {start_s:g} s to "
                f"{'the end' if stop_s is None else f'{stop_s:g} s'}, the recording lasts "
                f"{self.duration_s:.3f} s; choose a start inside it"
            )
        first, last = int(where[0]), int(where[-1]) + 1
        return self._part(first, last, float(t_s[first]), start_s <= 0, stop_s is None)

    def pick(self, labels: Sequence[str]) -> "Recording":
        """Keep only some electrodes, as if the others had not been recorded.

        Parameters
        ----------
        labels : sequence of str
            In any of the spellings of `canonical_label`. Only EEG channels can be picked.

        Returns
        -------
        Recording
            With these channels in the recording's order; `data` is a copy. What the signal is referenced to
            stays as it was recorded.

        Raises
        ------
        ChannelError
            When it lacks one, or its labels are not clear; see `electrode_columns`.
        """
        columns = electrode_columns(self.info, labels)
        if lacking := [label for label in map(canonical_label, labels) if label not in columns]:
            raise ChannelError(
                f"{self.name}: lacks {', '.join(lacking)}, it has {', '.join(electrodes_of(self.info))}; "
                "pick among these"
            )
        kept = sorted(columns.values())
        info = replace(self.info, channels=tuple(self.info.channels[i] for i in kept))
        return replace(self, info=info, data=self.data.take(kept, axis=1))

    def noted(self, *notes: str) -> "Recording":
        """Return the recording with more notes."""
        return replace(self, notes=tuple(dict.fromkeys((*self.notes, *notes))))

    def _part(self, first: int, last: int, zero_s: float, open_start: bool, open_end: bool) -> "Recording":
        half_s = 0.5 / self.info.rate_hz  # a marker between two samples belongs to the nearer one
        end_s = float("inf") if open_end else float(self.sample_times(last - 1, last)[0]) + half_s
        markers = tuple(
            Marker(t - zero_s, value)
            for t, value in self.markers
            if (open_start or t >= zero_s - half_s) and t < end_s
        )
        return replace(
            self,
            data=self.data[first:last],
            markers=markers,
            t_s=None if self.t_s is None else self.t_s[first:last] - zero_s,
            t0_s=self.t0_s + zero_s,
        )


def join_recordings(parts: Sequence[Recording], pause_s: float = 5.0) -> Recording:
    """Join recordings of one subject one after the other, with a real gap of `pause_s` seconds between.

    The gap tells a decoder that the signal does not continue: no window may span it.

    Raises
    ------
    ConfigError
        When there is nothing to join, or channels or rates differ.
    """
    if not parts:
        raise ConfigError("join_recordings: no recordings given, need at least one")
    first = parts[0]
    for other in parts[1:]:
        if (other.info.channels, other.info.rate_hz) != (first.info.channels, first.info.rate_hz):
            raise ConfigError(
                f"join_recordings: {other.name} has {other.info.n_channels} channels "
                f"at {other.info.rate_hz:g} Hz, {first.name} has {first.info.n_channels} "
                f"at {first.info.rate_hz:g} Hz; join only recordings with the same channels and rate"
            )
    if len(parts) == 1:
        return first
    starts_s = np.cumsum([0.0] + [part.duration_s + pause_s for part in parts[:-1]])
    return replace(
        first,
        data=np.concatenate([part.data for part in parts]),
        t_s=np.concatenate(
            [part.sample_times() + start for part, start in zip(parts, starts_s, strict=True)]
        ),
        markers=tuple(
            Marker(t + float(start), value)
            for part, start in zip(parts, starts_s, strict=True)
            for t, value in part.markers
        ),
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
    )


def source_id_of(path: Path, stream: str = "") -> str:
    """Source id of a stream of a file: the same at every replay, also after the file was moved.

    It is made of the file's name and size and the stream's name, not of its folder.
    """
    key = f"{path.name}|{path.stat().st_size}|{stream}".encode()
    return f"rtbci-replay-{path.stem}-{hashlib.blake2s(key, digest_size=4).hexdigest()}"
