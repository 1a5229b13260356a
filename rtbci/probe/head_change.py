"""The population's heads moved by a user's trials: all branches at once, as far as the trials speak for it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rtbci.probe.refit import solve_change
from rtbci.stages.stage import FloatArray

__all__ = ["HeadChange", "Labels", "fit_change", "reduced"]

Labels = npt.NDArray[np.intp]


@dataclass(frozen=True)
class HeadChange:
    """What is added to the population's fused logits: ``(scaled features - centre) @ weight.T + bias``.

    Parameters
    ----------
    weight : ndarray of float64, shape (n_classes, n_features)
    bias : ndarray of float64, shape (n_classes,)
    centre : ndarray of float64, shape (n_features,)
        Mean of the features that it was fitted on; taken off before they are weighted.
    """

    weight: FloatArray
    bias: FloatArray
    centre: FloatArray

    def of(self, features: FloatArray) -> FloatArray:
        """Change of the logits, shape (..., n_classes), for features (..., n_features) scaled as in `fit_change`."""
        return np.asarray((features - self.centre) @ self.weight.T + self.bias)


def fit_change(
    features: FloatArray, start: FloatArray, labels: Labels, weights: FloatArray, bias_precision: float
) -> HeadChange:
    """Multinomial logistic MAP of a change of the logits, with a Gaussian prior around no change.

    Minimises ``sum_i w_i CE(y_i, softmax(start_i + D (x_i - c) + d)) + |D|^2 / 2 + bias_precision |d|^2 / 2`` with c the
    weighted mean of the features: scale features by the square root of the prior's variance beforehand.

    Parameters
    ----------
    features : ndarray of float64, shape (n, n_features)
    start : ndarray of float64, shape (n, n_classes)
        Logits of the population, after its temperature.
    labels : ndarray of int, shape (n,)
    weights : ndarray of float64, shape (n,)
        So that all windows of a trial count one together.
    bias_precision : float
        Above 0.

    Notes
    -----
    Classes without a trial keep their logits, so an idle class is not moved. The solution lies in the span of the
    samples (representer theorem), so the fit has as many unknowns as samples at most, however many features.
    """
    n_classes = start.shape[1]
    used = np.unique(labels)
    if len(used) < 2:
        return HeadChange(
            *(np.zeros(shape) for shape in ((n_classes, features.shape[1]), n_classes, features.shape[1]))
        )
    centre = np.average(features, axis=0, weights=weights)
    small, basis = reduced(features - centre)
    z = np.hstack([small, np.ones((len(small), 1))])
    precision = np.ones(z.shape[1])
    precision[-1] = bias_precision
    wanted = (labels[:, np.newaxis] == used).astype(np.float64)
    change = solve_change(z, wanted, start[:, used], precision, weights)
    slope = change[:, :-1] @ basis
    weight, bias = np.zeros((n_classes, features.shape[1])), np.zeros(n_classes)
    weight[used] = slope
    bias[used] = change[:, -1]
    return HeadChange(weight, bias, centre)


def reduced(features: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Coordinates in an orthonormal basis of the rows' span: ``features = small @ basis``.

    Returns
    -------
    small : ndarray of float64, shape (n, rank)
    basis : ndarray of float64, shape (rank, n_features)
    """
    if features.shape[1] <= len(features):
        return features, np.eye(features.shape[1])
    values, vectors = np.linalg.eigh(features @ features.T)  # n by n: few samples, many features
    kept = values > values[-1] * 1e-12
    root = np.sqrt(values[kept])
    basis = (vectors[:, kept] / root).T @ features
    return np.asarray(vectors[:, kept] * root), np.asarray(basis)
