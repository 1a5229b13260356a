"""Windows cut from a stream, sliding by a fixed hop."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from rtbci.errors import ConfigError
from rtbci.stages.stage import FloatArray, check_chunk
from rtbci.stream.ring import Ring

__all__ = ["SlidingWindows"]

Windows = npt.NDArray[Any]


class SlidingWindows:
    """Cut a stream into overlapping windows, a fixed number of samples apart.

    Parameters
    ----------
    window_samples : int
        Samples in a window.
    hop_samples : int
        Samples from one window to the next.
    n_channels : int
        Columns of every chunk.
    dtype : dtype
        Of the windows: float32 as networks take it, or float64.

    Raises
    ------
    ConfigError
        When a count is below 1 or the type is not a floating-point one.

    Notes
    -----
    Window k holds samples ``k * hop_samples`` to ``k * hop_samples + window_samples - 1`` since the last
    `reset`; it is returned by the push that brings its newest sample. Not thread-safe.
    """

    def __init__(
        self, window_samples: int, hop_samples: int, n_channels: int, dtype: npt.DTypeLike = np.float32
    ) -> None:
        name = type(self).__name__
        if min(window_samples, hop_samples, n_channels) < 1:
            raise ConfigError(
                f"{name}: got windows of {window_samples} samples every {hop_samples} of {n_channels} "
                f"channels, need at least 1 each"
            )
        if not np.issubdtype(dtype, np.floating):
            raise ConfigError(f"{name}: dtype is {np.dtype(dtype)}, need float32 or float64")
        self.window_samples, self.hop_samples, self.n_channels_in = window_samples, hop_samples, n_channels
        self.dtype = np.dtype(dtype)
        self._ring = Ring(2 * window_samples, n_channels, self.dtype)
        self._i_end = window_samples  # index after the newest sample of the next window

    def push(self, chunk: FloatArray) -> Windows:
        """Return the windows that `chunk` completes.

        Parameters
        ----------
        chunk : ndarray of float64, shape (n_samples, n_channels)
            Never written to; `n_samples` may be 0.

        Returns
        -------
        ndarray, shape (n_windows, n_channels, window_samples)
            C-contiguous, owned by the caller. `n_windows` may be 0.

        Raises
        ------
        ShapeError
            When the chunk is not two-dimensional with `n_channels` columns.
        """
        check_chunk(type(self).__name__, chunk, self.n_channels_in)
        n_new = max(0, (self._ring.n_written + chunk.shape[0] - self._i_end) // self.hop_samples + 1)
        windows = np.empty((n_new, self.n_channels_in, self.window_samples), self.dtype)
        k = 0
        for piece in _pieces(chunk, self.window_samples):
            self._ring.write(piece)
            while self._i_end <= self._ring.n_written:
                windows[k] = self._ring.range(self._i_end - self.window_samples, self._i_end).T
                self._i_end += self.hop_samples
                k += 1
        return windows

    def reset(self) -> None:
        """Forget the past, as after a gap: the next sample is sample 0 of window 0."""
        self._ring.reset()
        self._i_end = self.window_samples

    def i_newest(self, i_window: int) -> int:
        """Index of the newest sample of window `i_window` (both from 0 at reset)."""
        return self.window_samples - 1 + i_window * self.hop_samples


def _pieces(chunk: FloatArray, n_piece: int) -> Iterator[FloatArray]:
    """Cut a long chunk so that a ring never loses what a window still needs."""
    if chunk.shape[0] <= n_piece:
        yield chunk
        return
    for start in range(0, chunk.shape[0], n_piece):
        yield chunk[start : start + n_piece]
