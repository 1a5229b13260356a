"""Riemannian potatoes: how far a covariance is from the clean ones of this person, in one group of channels and in several.

Barachant, Andreev, Congedo 2013, The Riemannian potato (hal-00781701); Barthelemy et al. 2019, The Riemannian potato field,
IEEE TNSRE 27:244 (doi 10.1109/TNSRE.2019.2893113). The same numbers as pyRiemann's (tests).
"""

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from rtbci.errors import SignalError
from rtbci.stages.spd import distances, geodesic, inverse_roots, riemannian_mean
from rtbci.stages.stage import FloatArray

__all__ = ["METHODS", "Potato", "combined_p", "p_of_z"]

N_ROUNDS = 20

NORMAL = NormalDist()
METHODS = ("fisher", "liptak")
MIN_P = 1e-10
"""Probabilities count as at least this, so that their logarithms are finite."""
MIN_SPREAD = 1e-3
"""Least standard deviation of the logarithm of the distances: less means that there was nothing to learn from."""


class Potato:
    """Centre and spread of clean covariances.

    Parameters
    ----------
    centre : ndarray of float64, shape (n, n)
        Riemannian mean of the clean ones.
    mean, spread : float
        Of the logarithm of their distances to it.
    """

    def __init__(self, centre: FloatArray, mean: float, spread: float) -> None:
        self.centre, self.mean, self.spread = centre, mean, max(spread, MIN_SPREAD)
        self._whitener = inverse_roots(centre)

    @classmethod
    def fit(cls, covariances: FloatArray, z_limit: float = 3.0) -> "Potato":
        """Learn from covariances, of which those too far off are left out, round by round.

        Parameters
        ----------
        covariances : ndarray of float64, shape (n_covariances, n, n)
            Positive definite.
        z_limit : float
            z-score from which on one is left out.

        Raises
        ------
        SignalError
            When none is left.
        """
        kept, found = np.ones(len(covariances), bool), None
        for _ in range(N_ROUNDS):
            if not kept.any():
                break
            centre = riemannian_mean(covariances[kept], tolerance=1e-7)
            logs = np.log(distances(covariances[kept], inverse_roots(centre)))
            found = cls(centre, float(logs.mean()), float(logs.std()))
            now = kept.copy()
            now[kept] = (logs - found.mean) / found.spread < z_limit
            if np.array_equal(now, kept):
                break
            kept = now
        if found is None or not kept.any():
            raise SignalError(
                f"Potato: all {len(covariances)} covariances are outliers, need clean ones; raise z_limit"
            )
        return found

    def z(self, covariances: FloatArray) -> FloatArray:
        """Standardised logarithm of the distance to the centre, shape (...), of covariances (..., n, n)."""
        far = np.maximum(distances(covariances, self._whitener), np.finfo(np.float64).tiny)
        return np.asarray((np.log(far) - self.mean) / self.spread)

    def moved(self, covariance: FloatArray, share: float) -> "Potato":
        """The potato that has learnt of one more clean covariance, with the weight `share` (0 to 1)."""
        centre = geodesic(self.centre, covariance, share)
        far = math.log(max(float(distances(covariance, inverse_roots(centre))), np.finfo(np.float64).tiny))
        mean = (1.0 - share) * self.mean + share * far
        return Potato(centre, mean, math.sqrt((1.0 - share) * self.spread**2 + share * (far - mean) ** 2))


def p_of_z(z: float) -> float:
    """Probability that a clean covariance is farther off than that; at least `MIN_P`."""
    return max(0.5 * math.erfc(z / math.sqrt(2.0)), MIN_P)


def combined_p(p: Sequence[float], method: str = "fisher") -> float:
    """One probability from those of several potatoes.

    Parameters
    ----------
    p : sequence of float
        Each above 0 and at most 1.
    method : {'fisher', 'liptak'}
        Fisher: ``-2 sum log p`` against chi squared of twice as many degrees of freedom, sees one that is far off. Liptak:
        sum of z-scores over the root of their number, sees many that are a little off.

    Examples
    --------
    >>> round(combined_p([0.01, 0.5]), 4), round(combined_p([0.1, 0.1], "liptak"), 4)
    (0.0315, 0.035)
    """
    if method == "fisher":
        half = -math.fsum(math.log(one) for one in p)
        term = total = math.exp(-half)
        for i in range(1, len(p)):
            term *= half / i
            total += term
        return min(total, 1.0)
    z = math.fsum(_z_of_p(one) for one in p) / math.sqrt(len(p))
    return 0.5 * math.erfc(z / math.sqrt(2.0))


def _z_of_p(p: float) -> float:
    return -NORMAL.inv_cdf(min(p, 1.0 - 1e-16))
