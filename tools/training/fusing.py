"""Weights and temperature of the fusion, from out-of-fold logits only."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit

from rtbci.stages.stage import FloatArray

__all__ = ["fit_fusion", "fold_fusions", "fused_margins", "nested_fusion"]


def fit_fusion(margins: Sequence[FloatArray], classes: npt.NDArray[np.int64]) -> tuple[FloatArray, float]:
    """Non-negative weights that sum to 1, and a temperature, of least cross-entropy.

    Parameters
    ----------
    margins : sequence of ndarray of float64, each of shape (n_trials, n_windows)
        For each branch, from folds that did not train on the trial.
    classes : ndarray of int64, shape (n_trials,)

    Returns
    -------
    weights : ndarray of float64, shape (n_branches,)
    temperature : float
        Divides the fused logits.

    Notes
    -----
    No bias: left and right are mirror images, and the training is mirrored. The fused margin m means
    ``p(right) = 1 / (1 + exp(-m / temperature))``.
    """
    stacked = np.stack(margins, axis=-1)
    features = stacked.reshape(-1, stacked.shape[-1])
    signs = np.repeat(2.0 * classes - 1.0, stacked.shape[1])

    def loss(scales: FloatArray) -> tuple[float, FloatArray]:
        z = signs * (features @ scales)
        return float(np.logaddexp(0.0, -z).mean()), -(features * (signs * expit(-z))[:, np.newaxis]).mean(
            axis=0
        )

    n = features.shape[1]
    found = minimize(loss, np.full(n, 1.0 / n), jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * n)
    total = float(found.x.sum())
    if not total > 0:  # no branch knows anything: equal weights, and a temperature that says so
        return np.full(n, 1.0 / n), 1e3
    return np.asarray(found.x / total), 1.0 / total


def fused_margins(margins: Sequence[FloatArray], weights: FloatArray) -> FloatArray:
    """Weighted sum, shape (n_trials, n_windows)."""
    return np.asarray(sum(weight * margin for weight, margin in zip(weights, margins, strict=True)))


def fold_fusions(
    margins: Sequence[FloatArray], classes: npt.NDArray[np.int64], folds: Sequence[npt.NDArray[np.bool_]]
) -> list[tuple[FloatArray, float]]:
    """Weights and temperature for each fold, fitted on the other folds."""
    return [fit_fusion([margin[~test] for margin in margins], classes[~test]) for test in folds]


def nested_fusion(
    margins: Sequence[FloatArray], classes: npt.NDArray[np.int64], folds: Sequence[npt.NDArray[np.bool_]]
) -> FloatArray:
    """Calibrated fused margins (divided by the temperature), each fold's weights fitted on the other folds.

    Returns
    -------
    ndarray of float64, shape (n_trials, n_windows)
    """
    fused = np.empty_like(margins[0])
    for test, (weights, temperature) in zip(folds, fold_fusions(margins, classes, folds), strict=True):
        fused[test] = fused_margins([margin[test] for margin in margins], weights) / temperature
    return fused
