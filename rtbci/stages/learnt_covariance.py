"""A running covariance for chains that have no alignment: what bad electrodes are replaced by."""

from collections import deque

import numpy as np

from rtbci.stages.stage import FloatArray

__all__ = ["LearntCovariance"]

TIME_CONSTANT_S = 60.0
LEAST_S = 2.0
"""Less than so much teaches nothing."""


class LearntCovariance:
    """Covariance of blocks of signal, with exponential forgetting; a block counts once nothing was found wrong with it.

    Parameters
    ----------
    n_channels : int
    rate_hz : float
    n_doubt : int
        Blocks that wait: a fault that is noticed has been in the signal for up to so many.

    Notes
    -----
    A function of the blocks. The mean is not taken off: the signal is filtered. Not thread-safe.
    """

    def __init__(self, n_channels: int, rate_hz: float, n_doubt: int) -> None:
        self._rate_hz, self._n_doubt = rate_hz, n_doubt
        self._start: FloatArray = np.zeros((n_channels, n_channels))
        self._n_start = 0
        self.reset()

    @property
    def covariance(self) -> FloatArray | None:
        """Of what was learnt, shape (n_channels, n_channels), in the square of the signal's unit; None while that is little."""
        return None if self._n < LEAST_S * self._rate_hz else self._sum / self._weight

    def expect(self, covariance: FloatArray) -> None:
        """Begin anew with what is known of these electrodes, which counts like a `TIME_CONSTANT_S` of signal."""
        self._start, self._n_start = covariance, round(TIME_CONSTANT_S * self._rate_hz)
        self.reset()

    def push(self, block: FloatArray) -> None:
        """Learn from a block of shape (n_samples, n_channels) in which no electrode is known to be bad."""
        self._waiting.append(block)
        if len(self._waiting) > self._n_doubt:
            self._learn(self._waiting.popleft())

    def take_back(self) -> None:
        """What waits had a fault in it."""
        self._waiting.clear()

    def reset(self) -> None:
        """Forget everything but what is expected."""
        self._n = self._n_start
        self._weight = float(self._n)
        self._sum = self._weight * self._start
        self._waiting: deque[FloatArray] = deque()

    def _learn(self, block: FloatArray) -> None:
        keep = float(np.exp(-len(block) / (TIME_CONSTANT_S * self._rate_hz)))
        self._sum = keep * self._sum + block.T @ block
        self._weight = keep * self._weight + len(block)
        self._n += len(block)
