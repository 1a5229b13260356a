"""From the user's channels to a target layout: a matrix, and an optional short filter per output."""

import numpy as np
import numpy.typing as npt

from rtbci.errors import ConfigError
from rtbci.stages.stage import FloatArray, check_chunk

__all__ = ["SpectroSpatialAdapter"]

BLOCK = 16
"""Samples filtered by one product of matrices: 31 outputs and 65 taps take 30 us, sample by sample 146."""


class SpectroSpatialAdapter:
    """Mix channels by a matrix and filter each output by its own short FIR; a `Stage`.

    Parameters
    ----------
    matrix : array_like, shape (n_out, n_in)
        Output ``o`` is ``sum_i matrix[o, i] * input i``. Unit gains belong in here.
    rate_hz : float
        Sampling rate.
    fir : array_like, shape (n_out, n_taps), optional
        Causal taps of each output, newest sample first: ``y[t] = sum_k fir[o, k] * mixed[t - k, o]``.

    Attributes
    ----------
    sources : ndarray of int, shape (n_out,)
        The input that each output is picked from; -1 where it is a sum of several, or of none.

    Raises
    ------
    ConfigError
        When `matrix` or `fir` is empty, not finite or of another shape.

    Notes
    -----
    Inputs whose column is zero are never read, so that a dead channel (NaN) which is not used spoils nothing.
    A matrix that only picks channels, with gains, is done by indexing.
    History before the first sample is the first sample. `delay_s` is the centre of gravity of the squared
    taps, mean over the outputs: half the length for linear phase, 0 without `fir`. Not thread-safe.
    """

    def __init__(self, matrix: npt.ArrayLike, rate_hz: float, fir: npt.ArrayLike | None = None) -> None:
        mix = _checked("matrix", np.array(matrix, dtype=np.float64), None)
        if not (np.isfinite(rate_hz) and rate_hz > 0):
            raise ConfigError(f"SpectroSpatialAdapter: rate_hz is {rate_hz:g}, need a number above 0")
        self.n_channels_out, self.n_channels_in = mix.shape
        self.rate_in_hz = self.rate_out_hz = rate_hz
        used = np.flatnonzero(mix.any(axis=0))
        self._columns: npt.NDArray[np.intp] | None = used if used.size < self.n_channels_in else None
        self._mix: FloatArray | None = np.ascontiguousarray(mix[:, used].T)  # (n_used, n_out)
        self._gains: FloatArray | None = None
        single = np.count_nonzero(mix, axis=1) == 1
        self.sources = np.where(single, np.abs(mix).argmax(axis=1), -1)
        if single.all():
            self._columns = self.sources
            gains = mix[np.arange(self.n_channels_out), self._columns]
            self._mix, self._gains = None, None if (gains == 1.0).all() else gains
        self._convolution: FloatArray | None = None  # (n_out, BLOCK, n_taps - 1 + BLOCK)
        self._n_past = 0
        self.delay_s = 0.0
        if fir is not None:
            taps = _checked("fir", np.array(fir, dtype=np.float64), self.n_channels_out)
            self._n_past = taps.shape[1] - 1
            self._convolution = np.zeros((self.n_channels_out, BLOCK, self._n_past + BLOCK))
            for i in range(BLOCK):
                self._convolution[:, i, i : i + taps.shape[1]] = taps[:, ::-1]
            self.delay_s = _centre_of_gravity(taps) / rate_hz
        self._past: FloatArray | None = None  # (n_taps - 1, n_out), mixed samples, once started

    def push(self, chunk: FloatArray) -> FloatArray:
        """Mix and filter the next samples; see `Stage.push`."""
        check_chunk("SpectroSpatialAdapter", chunk, self.n_channels_in)
        mixed = chunk if self._columns is None else chunk.take(self._columns, axis=1)
        if self._mix is not None:
            mixed = mixed @ self._mix
        elif self._gains is not None:
            mixed = mixed * self._gains
        return mixed if self._convolution is None else self._filtered(mixed, self._convolution)

    def reset(self) -> None:
        """Forget the filters' past."""
        self._past = None

    def i_newest(self, i_out: int) -> int:
        """See `Stage.i_newest`: a sample in, a sample out."""
        return i_out

    def _filtered(self, mixed: FloatArray, convolution: FloatArray) -> FloatArray:
        n_samples, n_past = mixed.shape[0], self._n_past
        if not n_samples:
            return mixed
        past = np.repeat(mixed[:1], n_past, axis=0) if self._past is None else self._past
        line = np.concatenate((past, mixed))
        self._past = line[n_samples:].copy()
        out = np.empty(mixed.shape)
        rows = np.ascontiguousarray(line.T)
        for i in range(0, n_samples, BLOCK):
            n = min(BLOCK, n_samples - i)
            part = rows[:, i : i + n_past + n, np.newaxis]
            out[i : i + n] = (convolution[:, :n, : n_past + n] @ part)[:, :, 0].T
        return out


def _checked(key: str, array: FloatArray, n_out: int | None) -> FloatArray:
    need = f"({'n_out' if n_out is None else n_out}, {'n_in' if n_out is None else 'n_taps'})"
    if array.ndim != 2 or not array.size or (n_out is not None and array.shape[0] != n_out):
        raise ConfigError(
            f"SpectroSpatialAdapter: {key} has shape {array.shape}, need {need}, none of them 0"
        )
    if not np.isfinite(array).all():
        raise ConfigError(
            f"SpectroSpatialAdapter: {key} has entries that are not finite, need finite numbers"
        )
    return array


def _centre_of_gravity(taps: FloatArray) -> float:
    """Samples, mean over the outputs that have any tap."""
    power = taps**2
    alive = power.sum(axis=1) > 0
    if not alive.any():
        return 0.0
    return float((power[alive] @ np.arange(taps.shape[1]) / power[alive].sum(axis=1)).mean())
