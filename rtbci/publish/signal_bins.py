"""Samples to bins: mean, smallest and largest of a few at a time, in microvolts."""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rtbci.stream.source import Chunk, FloatArray

__all__ = ["BINS_HZ", "Bins", "SignalBins", "samples_per_bin"]

BINS_HZ = 250.0
"""At most so many bins a second: more than a screen shows, and enough for a spectrum up to 60 Hz mains and beyond."""


class Bins(NamedTuple):
    """Bins one behind the other.

    Parameters
    ----------
    mean, low, high : ndarray of float32, shape (n_bins, n_channels)
        Microvolts. A bin with a sample that is not finite is NaN.
    t_first, t_last : float
        Stamps of the first and the last sample in them, in seconds.
    """

    mean: npt.NDArray[np.float32]
    low: npt.NDArray[np.float32]
    high: npt.NDArray[np.float32]
    t_first: float
    t_last: float


def samples_per_bin(rate_hz: float) -> int:
    """Samples in a bin, so that there are at most `BINS_HZ` bins a second."""
    return max(1, math.ceil(rate_hz / BINS_HZ - 1e-6))


class SignalBins:
    """Cuts a stream of samples into bins.

    Parameters
    ----------
    columns : ndarray of int, shape (n_channels,)
        Columns of the chunks that are wanted, ascending.
    gains_uv : ndarray of float64, shape (n_channels,)
        Their units in microvolts, above 0.
    n_per_bin : int
        See `samples_per_bin`.
    """

    def __init__(self, columns: npt.NDArray[np.intp], gains_uv: FloatArray, n_per_bin: int) -> None:
        self._columns, self._gains_uv, self.n_per_bin = columns, gains_uv, n_per_bin
        self._mean_gains_uv = gains_uv / n_per_bin
        self._rest: Chunk | None = None

    def reset(self) -> None:
        """Forget the samples of a bin that is not full."""
        self._rest = None

    def push(self, data: FloatArray, t_lsl: FloatArray) -> Bins | None:
        """Take the next samples, shape (n_samples, n_columns of the stream); return the bins that are full now."""
        if self._rest is not None:
            data = np.concatenate((self._rest.data, data))
            t_lsl = np.concatenate((self._rest.t_lsl, t_lsl))
        k = self.n_per_bin
        n_bins = len(data) // k
        n_used = n_bins * k
        self._rest = Chunk(data[n_used:], t_lsl[n_used:]) if n_used < len(data) else None
        if not n_bins:
            return None
        binned = data[:n_used].reshape(n_bins, k, data.shape[1])
        out = np.empty((3, n_bins, len(self._columns)), "<f4")
        # Columns and units come last: there are fewer numbers by then. 50 µs hot for 8 bins of 64 channels.
        self._to_uv(np.add.reduce(binned, axis=1), self._mean_gains_uv, out[0])
        if k == 1:
            out[1] = out[2] = out[0]
        else:
            self._to_uv(np.minimum.reduce(binned, axis=1), self._gains_uv, out[1])
            self._to_uv(np.maximum.reduce(binned, axis=1), self._gains_uv, out[2])
        return Bins(out[0], out[1], out[2], float(t_lsl[0]), float(t_lsl[n_used - 1]))

    def _to_uv(self, values: FloatArray, gains_uv: FloatArray, out: npt.NDArray[np.float32]) -> None:
        picked = values if len(self._columns) == values.shape[1] else values[:, self._columns]
        np.multiply(picked, gains_uv, out=out, casting="same_kind")
