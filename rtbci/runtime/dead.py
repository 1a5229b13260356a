"""Electrodes that give no numbers: from when on their samples are no reason to start anew."""

import numpy as np
import numpy.typing as npt

__all__ = ["ALIVE_S", "DEAD_S", "N_TIMES", "TIMES_S", "DeadChannels"]

DEAD_S = 0.5
"""Not finite for so long in a row ..."""
N_TIMES, TIMES_S = 3, 30.0
"""... or for the third time in half a minute: a channel is dead."""
ALIVE_S = 10.0
"""Finite for so long in a row: it is not dead any more."""
MOST = 0.5
"""Of the channels that are read; when more are not finite it is the stream that is broken, not electrodes."""


class DeadChannels:
    """Follows which channels are dead, sample by sample; looks only at chunks with samples that are not finite.

    Parameters
    ----------
    read : ndarray of bool, shape (n_channels,)
        Channels that count.
    rate_hz : float

    Notes
    -----
    A function of the samples: chunks do not change it. One owner.
    """

    def __init__(self, read: npt.NDArray[np.bool_], rate_hz: float) -> None:
        n = len(read)
        self._read, self._n_most = read, MOST * read.sum()
        self._n_dead, self._n_alive = max(1, round(DEAD_S * rate_hz)), round(ALIVE_S * rate_hz)
        self._n_times = round(TIMES_S * rate_hz)
        self._dead = np.zeros(n, bool)
        self._n_seen = 0
        self._n_row = np.zeros(n, np.intp)  # samples in a row that are not finite, up to the newest
        self._i_last = np.full(n, -1)  # newest sample that is not finite
        self._i_begun = np.full(
            (N_TIMES, n), -self._n_times - 1
        )  # where the newest rows of such samples began

    def passed(self, n_samples: int) -> None:
        """All of the next samples are finite."""
        if n_samples and self._n_row.any():
            self._n_row[:] = 0
        self._n_seen += n_samples

    def tolerated(self, holes: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Which of the next samples can be decoded although some channels are not finite.

        Parameters
        ----------
        holes : ndarray of bool, shape (n_samples, n_channels)
            Where the next samples are not finite.

        Returns
        -------
        ndarray of bool, shape (n_samples,)
            Those in which only dead channels are not finite, and not too many.
        """
        rows = holes & self._read
        if self._goes_on(rows):
            return np.full(len(rows), rows[0].sum() <= self._n_most)
        fine = np.empty(len(holes), bool)
        for i, row in enumerate(rows):
            self._take(row)
            fine[i] = not (row & ~self._dead).any() and row.sum() <= self._n_most
        return fine

    def _goes_on(self, rows: npt.NDArray[np.bool_]) -> bool:
        """Take samples at once in which the same channels stay dead, as nearly always: 12 us a chunk, not 14 a sample."""
        row = rows[0]
        if (row & ~(self._dead & (self._n_row > 0))).any() or (rows != row).any():
            return False
        self._n_row = np.where(row, self._n_row + len(rows), 0)
        self._n_seen += len(rows)
        self._i_last[row] = self._n_seen - 1
        self._dead &= self._n_seen - 1 - self._i_last <= self._n_alive
        return True

    def _take(self, row: npt.NDArray[np.bool_]) -> None:
        begins = row & (self._n_row == 0)
        if begins.any():
            self._i_begun[:-1, begins], self._i_begun[-1, begins] = self._i_begun[1:, begins], self._n_seen
        self._n_row = np.where(row, self._n_row + 1, 0)
        self._dead &= self._n_seen - self._i_last <= self._n_alive
        often = begins & (self._n_seen - self._i_begun[0] <= self._n_times)
        self._dead |= (self._n_row >= self._n_dead) | often
        self._i_last[row] = self._n_seen
        self._n_seen += 1
