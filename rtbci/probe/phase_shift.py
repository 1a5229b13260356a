"""Whether a user's templates agree better with the flicker some milliseconds earlier or later: another display, another amplifier."""

import numpy as np

from rtbci.stages.stage import FloatArray

__all__ = ["SHIFTS_S", "PhaseShift"]

SHIFTS_S: FloatArray = np.arange(-60, 65, 5) / 1e3
"""What is tried: added to the flicker's own time, in seconds. Displays and amplifiers differ by tens of milliseconds."""
N_ERRORS = 4.5
"""The mean gain of a shift must exceed so many of its standard errors: 24 shifts are tried, and again with every window. Of rows of 300 windows
of noise one in 200 passes somewhere (one in 50 to 100 with 4)."""
LEAST_WINDOWS = 15


class PhaseShift:
    """Adds up over windows what each shift would gain.

    Where nothing is looked at, no shift gains anything on average; where templates are at their phase, every shift loses. Told of once.

    Notes
    -----
    Windows must not overlap, or they say less than is thought of them. Not thread-safe.
    """

    def __init__(self) -> None:
        self._n, self._was_told = 0, False
        self._sum, self._squares = np.zeros(len(SHIFTS_S)), np.zeros(len(SHIFTS_S))

    def push(self, agreement: FloatArray) -> float | None:
        """Take a window.

        Parameters
        ----------
        agreement : ndarray of float64, shape (n_shifts,)
            Of the target that agrees best, for each of `SHIFTS_S`.

        Returns
        -------
        float or None
            The shift in seconds that agrees best, once, where it is beyond chance; below 0: the flicker is answered later than in the calibration.
        """
        gain = agreement - agreement[SHIFTS_S == 0.0]
        self._n += 1
        self._sum += gain
        self._squares += gain**2
        if self._was_told or self._n < LEAST_WINDOWS:
            return None
        mean = self._sum / self._n
        error = np.sqrt(np.maximum(self._squares / self._n - mean**2, 0.0) / (self._n - 1))
        best = int(mean.argmax())
        if mean[best] <= N_ERRORS * error[best]:
            return None
        self._was_told = True
        return float(SHIFTS_S[best])
