"""Signals made block by block: 1/f noise, rhythms, slow drift, the mains. Each keeps its own state."""

import math
from typing import Any

import numpy as np
from scipy.signal import butter, lfilter, sosfilt

from rtbci.stream.source import FloatArray

__all__ = ["BandNoise", "Mains", "PinkNoise", "SlowNoise"]

LOWEST_HZ = 0.25
SLOPE = 1.2


class SlowNoise:
    """Ornstein-Uhlenbeck processes of unit variance: white below `corner_hz`, 1/f^2 above.

    Parameters
    ----------
    n_signals : int
    corner_hz, rate_hz : float
    rng : Generator
        Drawn from in a fixed order, once per sample and signal.
    """

    def __init__(self, n_signals: int, corner_hz: float, rate_hz: float, rng: np.random.Generator) -> None:
        self._rng = rng
        self._pole = math.exp(-2 * math.pi * corner_hz / rate_hz)
        self._gain = math.sqrt(1 - self._pole**2)
        # state (1, n_signals): drawn as if it had always been running
        self._state = self._pole * rng.standard_normal((1, n_signals))

    def generate(self, n_samples: int) -> FloatArray:
        """Next `n_samples`, shape (n_samples, n_signals); a new array."""
        white = self._rng.standard_normal((n_samples, self._state.shape[1]))
        out, self._state = lfilter([self._gain], [1.0, -self._pole], white, axis=0, zi=self._state)
        return np.asarray(out)


class PinkNoise:
    """Noise of unit variance with a power spectrum close to ``1 / f**1.2`` from 0.25 Hz on.

    A sum of Ornstein-Uhlenbeck processes whose corners are an octave apart, which is scale-free
    whatever the sampling rate.
    """

    def __init__(self, n_signals: int, rate_hz: float, rng: np.random.Generator) -> None:
        n_octaves = max(1, math.floor(math.log2(rate_hz / 2 / LOWEST_HZ)))
        corners_hz = LOWEST_HZ * 2.0 ** np.arange(n_octaves)
        weights = corners_hz ** ((1.0 - SLOPE) / 2)
        self._weights = weights / np.sqrt((weights**2).sum())
        self._parts = [SlowNoise(n_signals, float(corner_hz), rate_hz, rng) for corner_hz in corners_hz]

    def generate(self, n_samples: int) -> FloatArray:
        """Next `n_samples`, shape (n_samples, n_signals); a new array."""
        parts = [
            weight * part.generate(n_samples) for weight, part in zip(self._weights, self._parts, strict=True)
        ]
        return np.asarray(np.sum(parts, axis=0))


class BandNoise:
    """Rhythms: noise of unit variance between two frequencies, which waxes and wanes by itself."""

    def __init__(
        self, n_signals: int, low_hz: float, high_hz: float, rate_hz: float, rng: np.random.Generator
    ) -> None:
        self._rng = rng
        self._n_signals = n_signals
        self._sos = np.asarray(butter(2, (low_hz, high_hz), "bandpass", fs=rate_hz, output="sos"))
        n_settle = round(4 * rate_hz / (high_hz - low_hz))
        impulse = np.zeros(4 * n_settle)
        impulse[0] = 1.0
        response = np.asarray(sosfilt(self._sos, impulse))
        self._gain = 1.0 / math.sqrt(float((response**2).sum()))
        self._state = np.zeros((self._sos.shape[0], 2, n_signals))
        self.generate(n_settle)

    def generate(self, n_samples: int) -> FloatArray:
        """Next `n_samples`, shape (n_samples, n_signals); a new array."""
        white = self._rng.standard_normal((n_samples, self._n_signals))
        filtered: Any = sosfilt(self._sos, white, axis=0, zi=self._state)
        out, self._state = filtered
        return np.asarray(self._gain * out)


class Mains:
    """The power line: one sine, with an amplitude and a phase of its own at each electrode."""

    def __init__(
        self, n_channels: int, rate_hz: float, line_hz: float, line_uv: float, rng: np.random.Generator
    ) -> None:
        there = 0 < line_hz < rate_hz / 2
        self._turns = line_hz / rate_hz if there else 0.0
        self._size = line_uv * rng.uniform(0.3, 1.0, n_channels) * there
        self._phase = rng.normal(0.0, 0.3, n_channels)

    def samples(self, first: int, n: int) -> FloatArray:
        """Samples `first` to ``first + n``, shape (n, n_channels)."""
        turns = (np.arange(first, first + n) * self._turns) % 1.0
        return np.asarray(self._size * np.sin(2 * np.pi * turns[:, None] + self._phase))
