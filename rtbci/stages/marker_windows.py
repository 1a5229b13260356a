"""Windows locked to markers, for event-related paradigms."""

from bisect import insort
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rtbci.errors import ConfigError, ShapeError, SignalError
from rtbci.stages.stage import FloatArray, check_chunk
from rtbci.stream.ring import Ring
from rtbci.stream.source import Marker

__all__ = ["DroppedMarker", "MarkerWindow", "MarkerWindows"]


class MarkerWindow(NamedTuple):
    """A window that belongs to a marker.

    Parameters
    ----------
    marker : Marker
        As it was given to `mark`.
    i_start : int
        Index of the window's first sample since the last reset.
    window : ndarray of float64, shape (n_samples, n_channels)
        Owned by the receiver.
    """

    marker: Marker
    i_start: int
    window: FloatArray


class DroppedMarker(NamedTuple):
    """A marker that gets no window: ``"too_late"``, ``"before_start"`` or ``"gap"``."""

    marker: Marker
    reason: str


@dataclass(order=True, slots=True)
class _Pending:
    t_lsl: float
    order: int
    marker: Marker


class MarkerWindows:
    """Cut the windows around markers (event-related paradigms), whichever comes first, samples or marker.

    Parameters
    ----------
    t_min_s, t_max_s : float
        The window's begin and end from the marker, in seconds; `t_min_s` may be negative.
    rate_hz : float
        Sampling rate of the samples that are pushed.
    n_channels : int
        Columns of every chunk.
    history_s : float
        How much later than its window's end a marker may still come, in seconds.

    Attributes
    ----------
    n_samples : int
        Length of every window: ``round((t_max_s - t_min_s) * rate_hz)``.
    n_dropped : int
        Markers that got no window since construction.

    Raises
    ------
    ConfigError
        When a setting is out of range.

    Notes
    -----
    A marker is at the sample whose stamp is nearest to its time; the window begins
    ``round(t_min_s * rate_hz)`` samples from there. Stamps must not decrease. Windows come in the order of
    their markers' times, as far as those are known.
    Not thread-safe: who pulls the samples also passes on the markers.
    """

    def __init__(
        self, t_min_s: float, t_max_s: float, rate_hz: float, n_channels: int, history_s: float = 10.0
    ) -> None:
        if not (np.isfinite(rate_hz) and rate_hz > 0) or n_channels < 1:
            raise ConfigError(
                f"MarkerWindows: rate_hz is {rate_hz:g} and n_channels {n_channels}, need above 0 and "
                f"at least 1"
            )
        if not (np.isfinite([t_min_s, t_max_s]).all() and round((t_max_s - t_min_s) * rate_hz) >= 1):
            raise ConfigError(
                f"MarkerWindows: t_min_s is {t_min_s:g} and t_max_s {t_max_s:g}, need t_min_s below "
                f"t_max_s by a sample"
            )
        if not (np.isfinite(history_s) and history_s >= 0):
            raise ConfigError(f"MarkerWindows: history_s is {history_s:g}, need 0 or more")
        self.n_channels_in, self.rate_hz = n_channels, rate_hz
        self.n_samples = round((t_max_s - t_min_s) * rate_hz)
        self._offset = round(t_min_s * rate_hz)
        self._n_piece = max(self.n_samples, round(rate_hz))
        # What a marker may ask for lies back by the history, a window, and the way from the marker to it.
        n_held = round(history_s * rate_hz) + self.n_samples + abs(self._offset) + self._n_piece
        self._ring = Ring(n_held, n_channels)
        self._stamps = Ring(n_held, 1)
        self._pending: list[_Pending] = []  # by time
        self._dropped: deque[DroppedMarker] = deque()
        self._n_marked = 0
        self.n_dropped = 0

    def mark(self, t_lsl: float, value: str) -> None:
        """Ask for the window of a marker; it comes with the next push that finds it complete.

        Parameters
        ----------
        t_lsl : float
            Time of the marker on the clock of the stamps, in seconds; before or after the newest sample.
        value : str
            Text of the marker, passed through.

        Raises
        ------
        SignalError
            When the time is not a finite number.
        """
        if not np.isfinite(t_lsl):
            raise SignalError(f"MarkerWindows: marker {value!r} has time {t_lsl}, need a finite number")
        insort(self._pending, _Pending(t_lsl, self._n_marked, Marker(t_lsl, value)))
        self._n_marked += 1

    def push(self, chunk: FloatArray, t_lsl: FloatArray) -> list[MarkerWindow]:
        """Take the next samples and return the windows that are complete.

        Parameters
        ----------
        chunk : ndarray of float64, shape (n_samples, n_channels)
            Never written to; may be empty, which only looks at markers that came since.
        t_lsl : ndarray of float64, shape (n_samples,)
            Stamp of each sample, in seconds, not decreasing.

        Returns
        -------
        list of MarkerWindow
            By the time of the markers.

        Raises
        ------
        ShapeError
            When the chunk has another shape, or there is not one stamp for each sample.
        """
        check_chunk("MarkerWindows", chunk, self.n_channels_in)
        if t_lsl.shape != chunk.shape[:1]:
            raise ShapeError(
                f"MarkerWindows: t_lsl has shape {t_lsl.shape}, need {chunk.shape[:1]}, one per sample"
            )
        ready = self._complete()  # markers that came late: before the ring moves on
        for start in range(0, chunk.shape[0], self._n_piece):
            self._ring.write(chunk[start : start + self._n_piece])
            self._stamps.write(t_lsl[start : start + self._n_piece, np.newaxis])
            ready += self._complete()
        return ready

    def pull_dropped(self) -> list[DroppedMarker]:
        """Return the markers dropped since the last call, oldest first."""
        dropped = list(self._dropped)
        self._dropped.clear()
        return dropped

    def reset(self) -> None:
        """Begin anew after a gap: markers whose window began before it are dropped, later ones wait on."""
        if self._stamps.n_written:
            t_newest = float(self._stamps.newest(1)[0, 0])
            waiting = []
            for pending in self._pending:
                if pending.t_lsl + self._offset / self.rate_hz <= t_newest:
                    self._drop(pending, "gap")
                else:
                    waiting.append(pending)
            self._pending = waiting
        self._ring.reset()
        self._stamps.reset()

    def _complete(self) -> list[MarkerWindow]:
        ready: list[MarkerWindow] = []
        while self._pending:
            pending = self._pending[0]
            i_marker = self._i_nearest(pending.t_lsl)
            if i_marker is None or i_marker + self._offset + self.n_samples > self._ring.n_written:
                break  # all others are later still
            del self._pending[0]
            i_start = i_marker + self._offset
            if i_start < self._ring.n_written - self._ring.n_held:
                self._drop(pending, "before_start" if i_start < 0 else "too_late")
            else:
                window = self._ring.range(i_start, i_start + self.n_samples).copy()
                ready.append(MarkerWindow(pending.marker, i_start, window))
        return ready

    def _i_nearest(self, t_lsl: float) -> int | None:
        """Index of the sample nearest to `t_lsl`; None while the sample after it is not there."""
        n_held = self._stamps.n_held
        if not n_held:
            return None
        stamps = self._stamps.newest(n_held)[:, 0]
        i_oldest = self._stamps.n_written - n_held
        if t_lsl > stamps[-1]:
            return None
        if t_lsl < stamps[0]:  # not held: where it would be at the nominal rate
            return i_oldest - round((float(stamps[0]) - t_lsl) * self.rate_hz)
        i = int(np.searchsorted(stamps, t_lsl))
        if i and t_lsl - stamps[i - 1] < stamps[i] - t_lsl:
            i -= 1
        return i_oldest + i

    def _drop(self, pending: _Pending, reason: str) -> None:
        self._dropped.append(DroppedMarker(pending.marker, reason))
        self.n_dropped += 1
