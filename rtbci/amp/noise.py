"""Random signals made block by block: 1/f noise, rhythms, slow drift. Each keeps its own state."""

import math

import numpy as np
from scipy.signal import butter, lfilter, sosfilt

from rtbci.stream.source import FloatArray

__all__ = ["BandNoise", "PinkNoise", "SlowNoise"]

LOWEST_HZ = 0.25


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
    """Noise of unit variance with a power spectrum close to ``1 / f**slope`` from 0.25 Hz on.

    A sum of Ornstein-Uhlenbeck processes whose corners are an octave apart, which is scale-free
    whatever the sampling rate.
    """

    def __init__(self, n_signals: int, rate_hz: float, rng: np.random.Generator, slope: float = 1.2) -> None:
        n_octaves = max(1, math.floor(math.log2(rate_hz / 2 / LOWEST_HZ)))
        corners_hz = LOWEST_HZ * 2.0 ** np.arange(n_octaves)
        weights = corners_hz ** ((1.0 - slope) / 2)
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
        self._sos = butter(2, (low_hz, high_hz), "bandpass", fs=rate_hz, output="sos")
        n_settle = round(4 * rate_hz / (high_hz - low_hz))
        impulse = np.zeros(4 * n_settle)
        impulse[0] = 1.0
        response = sosfilt(self._sos, impulse)
        self._gain = 1.0 / math.sqrt(float((response**2).sum()))
        self._state = np.zeros((self._sos.shape[0], 2, n_signals))
        self.generate(n_settle)

    def generate(self, n_samples: int) -> FloatArray:
        """Next `n_samples`, shape (n_samples, n_signals); a new array."""
        white = self._rng.standard_normal((n_samples, self._n_signals))
        out, self._state = sosfilt(self._sos, white, axis=0, zi=self._state)
        return np.asarray(self._gain * out)
