"""What a window is compared with: the minutes before it, and all of the night so far."""

import numpy as np

from rtbci.stages.stage import FloatArray

__all__ = ["NightContext"]

LONG_EPOCHS, SHORT_EPOCHS = 8, 4
"""Of the 15 epochs of a triangular window those up to now, and 2 minutes (Vallat, Walker 2021)."""
LONGEST_S = 24 * 3600.0
USUAL_NIGHT_S = 8 * 3600.0
"""When a night ends is not known while it lasts: its share that is over is taken of this."""
PERCENTILES = (0.05, 0.5, 0.95)


class NightContext:
    """Features of one window after another, each with its past: smoothed, and scaled by the night so far.

    Vallat and Walker (2021, doi 10.7554/eLife.70092) smooth over 7.5 minutes around an epoch and over 2 minutes before it, and
    scale both by the 5th and 95th percentile of the whole night. Here only what is past counts: of the 7.5 minutes the half
    up to now, and of the night what there was.

    Parameters
    ----------
    n_features : int
    epoch_s : float
        From one window to the next.

    Notes
    -----
    Deterministic. Memory for 24 hours, after which the oldest are forgotten.
    """

    def __init__(self, n_features: int, epoch_s: float) -> None:
        self._epoch_s = epoch_s
        self._n_most = max(LONG_EPOCHS, round(LONGEST_S / epoch_s))
        self._raw = np.empty((0, n_features))
        self._smooth = np.empty((0, 2 * n_features))
        self.n_epochs = 0

    def push(self, features: FloatArray) -> FloatArray:
        """Take the next window's features.

        Returns
        -------
        ndarray of float64, shape (3 * n_features + 2,)
            Features; smoothed over the long past and scaled; over the short past and scaled; hours since the first; share
            of a usual night that is over.
        """
        self._raw = np.vstack((self._raw[1 - LONG_EPOCHS :], features))
        weight = np.arange(LONG_EPOCHS - len(self._raw) + 1.0, LONG_EPOCHS + 1.0)
        row = np.concatenate((weight @ self._raw / weight.sum(), self._raw[-SHORT_EPOCHS:].mean(axis=0)))
        i = self.n_epochs % self._n_most
        if i == len(self._smooth):
            self._grow()
        self._smooth[i] = row
        self.n_epochs += 1
        low, middle, high = np.quantile(self._smooth[: min(self.n_epochs, self._n_most)], PERCENTILES, axis=0)
        spread = high - low
        scaled = (row - middle) / np.where(spread > 10 * np.finfo(float).eps, spread, 1.0)
        t_s = (self.n_epochs - 1) * self._epoch_s
        return np.concatenate((features, scaled, (t_s / 3600.0, min(t_s / USUAL_NIGHT_S, 1.0))))

    def _grow(self) -> None:
        n = min(self._n_most, max(64, 2 * len(self._smooth)))
        larger = np.empty((n, self._smooth.shape[1]))
        larger[: len(self._smooth)] = self._smooth
        self._smooth = larger
