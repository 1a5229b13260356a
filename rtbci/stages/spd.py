"""Symmetric positive definite matrices: logarithm, mean, distance and geodesic of the affine-invariant metric.

Pennec, Fillard, Ayache 2006, A Riemannian framework for tensor computing (doi 10.1007/s11263-005-3222-z); for EEG Congedo,
Barachant, Bhatia 2017 (doi 10.1080/2326263X.2017.1297192). Everything here takes matrices of full rank: shrink them before.
"""

from collections.abc import Sequence

import numpy as np

from rtbci.errors import ShapeError
from rtbci.stages.stage import FloatArray

__all__ = [
    "distances",
    "exponential",
    "geodesic",
    "inverse_roots",
    "log_euclidean_mean",
    "logarithm",
    "powers",
    "riemannian_mean",
    "roots",
]


def logarithm(matrices: FloatArray) -> FloatArray:
    """Matrix logarithm, shape (..., n, n)."""
    values, vectors = _decomposed(matrices)
    return _composed(np.log(values), vectors)


def exponential(symmetric: FloatArray) -> FloatArray:
    """Matrix exponential of symmetric matrices, shape (..., n, n)."""
    values, vectors = np.linalg.eigh(symmetric)
    return _composed(np.exp(values), vectors)


def powers(matrices: FloatArray, exponents: Sequence[float]) -> list[FloatArray]:
    """Matrices to several powers by one decomposition, each of shape (..., n, n)."""
    values, vectors = _decomposed(matrices)
    return [_composed(values**exponent, vectors) for exponent in exponents]


def roots(matrices: FloatArray) -> FloatArray:
    """Symmetric square root, shape (..., n, n)."""
    values, vectors = _decomposed(matrices)
    return _composed(np.sqrt(values), vectors)


def inverse_roots(matrices: FloatArray) -> FloatArray:
    """Inverse of the symmetric square root, shape (..., n, n)."""
    values, vectors = _decomposed(matrices)
    return _composed(1.0 / np.sqrt(values), vectors)


def geodesic(start: FloatArray, end: FloatArray, share: float) -> FloatArray:
    """Point on the shortest path between two matrices.

    ``A^(1/2) (A^(-1/2) B A^(-1/2))^share A^(1/2)``: `start` at 0, `end` at 1, their geometric mean at one half.

    Parameters
    ----------
    start, end : ndarray of float64, shape (n, n)
    share : float

    Raises
    ------
    ShapeError
        When one of them is not positive definite.
    """
    root, inverse = powers(start, (0.5, -0.5))
    between, axes = _decomposed(inverse @ end @ inverse)
    found = root @ _composed(between**share, axes) @ root
    return np.asarray((found + found.T) / 2.0)


def distances(matrices: FloatArray, whiteners: FloatArray) -> FloatArray:
    """Affine-invariant distance of matrices to others.

    Parameters
    ----------
    matrices : ndarray of float64, shape (..., n, n)
    whiteners : ndarray of float64, shape (..., n, n)
        `inverse_roots` of the others, broadcast against `matrices`.

    Returns
    -------
    ndarray of float64, shape (...)
        Root of the sum of the squared logarithms of the eigenvalues of ``W C W``.

    Raises
    ------
    ShapeError
        When a matrix is not positive definite.
    """
    values: FloatArray = np.asarray(np.linalg.eigvalsh(whiteners @ matrices @ whiteners), dtype=np.float64)
    _check_positive(values)
    return np.asarray(np.sqrt((np.log(values) ** 2).sum(axis=-1)))


def log_euclidean_mean(matrices: FloatArray) -> FloatArray:
    """Exponential of the mean logarithm of (n_matrices, n, n) (Arsigny et al. 2006); near the Riemannian mean."""
    return exponential(logarithm(matrices).mean(axis=0))


def riemannian_mean(matrices: FloatArray, n_steps: int = 50, tolerance: float = 1e-9) -> FloatArray:
    """Mean in the affine-invariant metric, by fixed-point steps from the log-Euclidean mean.

    Parameters
    ----------
    matrices : ndarray of float64, shape (n_matrices, n, n)
        Positive definite.
    n_steps : int
        At most so many.
    tolerance : float
        Steps end when the mean of the logarithms has a Frobenius norm below this.
    """
    mean = log_euclidean_mean(matrices)
    for _ in range(n_steps):
        root, inverse = powers(mean, (0.5, -0.5))
        step = logarithm(inverse @ matrices @ inverse).mean(axis=0)
        mean = root @ exponential(step) @ root
        mean = (mean + mean.T) / 2.0
        if np.linalg.norm(step) < tolerance:
            break
    return np.asarray(mean)


def _decomposed(matrices: FloatArray) -> tuple[FloatArray, FloatArray]:
    values, vectors = np.linalg.eigh(matrices)
    _check_positive(values)
    return values, vectors


def _composed(values: FloatArray, vectors: FloatArray) -> FloatArray:
    return np.asarray((vectors * values[..., np.newaxis, :]) @ np.swapaxes(vectors, -1, -2))


def _check_positive(values: FloatArray) -> None:
    if not values.min(initial=np.inf) > 0:
        raise ShapeError(
            f"spd: a matrix has the eigenvalue {values.min():g}, need positive definite ones; shrink them first"
        )
