"""How irregular a signal is: the descriptions of its shape that sleep scoring by features uses."""

import math

import numpy as np
import numpy.typing as npt

from rtbci.stages.stage import FloatArray

__all__ = ["higuchi", "hjorth", "n_crossings", "permutation_entropy", "petrosian"]

K_MAX = 10
"""Longest step of `higuchi`."""
TINY = np.finfo(np.float64).tiny


def n_crossings(x: FloatArray) -> int:
    """How often a signal of shape (n_samples,) changes its sign."""
    return int(np.count_nonzero(np.diff(np.signbit(x))))


def hjorth(x: FloatArray) -> tuple[float, float]:
    """Mobility and complexity (Hjorth 1970, doi 10.1016/0013-4694(70)90143-4); 0 for a flat signal."""
    first = np.diff(x)
    variances = [max(float(np.var(one)), TINY) for one in (x, first, np.diff(first))]
    mobility = math.sqrt(variances[1] / variances[0])
    return mobility, math.sqrt(variances[2] / variances[1]) / mobility


def permutation_entropy(x: FloatArray) -> float:
    """Entropy of the orders of three samples in a row, 0 to 1 (Bandt, Pompe 2002, doi 10.1103/PhysRevLett.88.174102).

    Equal samples count as ascending.
    """
    a, b, c = x[:-2], x[1:-1], x[2:]
    keys: npt.NDArray[np.intp] = 4 * (a <= b).astype(np.intp) + 2 * (a <= c) + (b <= c)
    counts = np.bincount(keys, minlength=8)
    shares = counts[counts > 0] / len(keys)
    return float(-(shares * np.log2(shares)).sum() / math.log2(6.0))


def petrosian(x: FloatArray) -> float:
    """Fractal dimension by how often the slope changes its sign (Petrosian 1995, doi 10.1109/CBMS.1995.465426)."""
    n = len(x)
    return math.log10(n) / (math.log10(n) + math.log10(n / (n + 0.4 * n_crossings(np.diff(x)))))


def higuchi(x: FloatArray) -> float:
    """Fractal dimension by the length of the curve at steps of 1 to 10 (Higuchi 1988, doi 10.1016/0167-2789(88)90081-4)."""
    n = len(x)
    k_max = min(K_MAX, n // 2 - 1)
    lengths = np.empty(k_max)
    for k in range(1, k_max + 1):
        steps = np.abs(x[k:] - x[:-k])
        sums = [float(steps[m::k].sum()) * (n - 1) / (k * k * ((n - m - 1) // k)) for m in range(k)]
        lengths[k - 1] = max(sum(sums) / k, TINY)
    scale = -np.log(np.arange(1.0, k_max + 1.0))
    scale -= scale.mean()
    return float(scale @ np.log(lengths) / max(float(scale @ scale), TINY))
