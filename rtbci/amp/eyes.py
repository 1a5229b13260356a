"""What the eyes do: blinks at random times, and saccades towards the cue."""

import math

import numpy as np
from scipy.signal import lfilter

from rtbci.stream.source import FloatArray

__all__ = ["Blinks", "Gaze"]

BLINK_S = 0.3
SHORTEST_INTERVAL_S = 1.0
SACCADE_RISE_S = 0.015
COUPLING_S = 1.5
"""Time constant of an amplifier's AC coupling, by which a held gaze fades from the signal."""


class Blinks:
    """Blinks of about 0.3 s at random intervals; largest value about 1, with some variation.

    Parameters
    ----------
    every_s : float
        Mean interval; 0: none. 4 to 6 s is usual at rest.
    rate_hz : float
    rng : Generator
    """

    def __init__(self, every_s: float, rate_hz: float, rng: np.random.Generator) -> None:
        self._every_s, self._rate_hz, self._rng = every_s, rate_hz, rng
        self._i_sample = 0
        self._start_s, self._size = self._draw(0.0) if every_s > 0 else (math.inf, 0.0)

    def generate(self, n_samples: int) -> FloatArray:
        """Next `n_samples`, shape (n_samples,); a new array."""
        t_s = (self._i_sample + np.arange(n_samples)) / self._rate_hz
        self._i_sample += n_samples
        out = np.zeros(n_samples)
        while n_samples and self._start_s <= t_s[-1]:
            phase = (t_s - self._start_s) / BLINK_S
            inside = (phase > 0) & (phase < 1)
            # closes faster than it opens
            out[inside] += self._size * np.sin(np.pi * phase[inside] ** 0.7) ** 2
            if self._start_s + BLINK_S > t_s[-1]:
                break
            self._start_s, self._size = self._draw(self._start_s)
        return out

    def _draw(self, after_s: float) -> tuple[float, float]:
        wait_s = SHORTEST_INTERVAL_S + self._rng.exponential(max(self._every_s - SHORTEST_INTERVAL_S, 0.1))
        return after_s + wait_s, float(self._rng.uniform(0.7, 1.3))


class Gaze:
    """Horizontal gaze as the EOG shows it: a step towards the target that fades by AC coupling."""

    def __init__(self, rate_hz: float) -> None:
        self._rise = math.exp(-1.0 / (SACCADE_RISE_S * rate_hz))
        self._fade = math.exp(-1.0 / (COUPLING_S * rate_hz))
        self._rise_state, self._fade_state = np.zeros(1), np.zeros(1)

    def push(self, target: FloatArray) -> FloatArray:
        """Follow `target` (n_samples,), -1 left to 1 right; returns a new array."""
        moved, self._rise_state = lfilter([1 - self._rise], [1.0, -self._rise], target, zi=self._rise_state)
        b = np.array([1.0, -1.0]) * (1 + self._fade) / 2
        out, self._fade_state = lfilter(b, [1.0, -self._fade], moved, zi=self._fade_state)
        return np.asarray(out)
