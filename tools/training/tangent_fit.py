"""The tangent-space branch, fitted with scikit-learn and handed over as the runtime's probe."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from rtbci.probe.tangent import TangentProbe, shrink, tangent_vectors
from rtbci.stages.stage import FloatArray

__all__ = ["fit_tangent", "log_euclidean_start", "riemannian_mean", "tangent_margins"]

SHRINKAGE = 0.3
INVERSE_PENALTY = 0.003


def log_euclidean_start(covariances: FloatArray) -> FloatArray:
    """Exponential of the mean logarithm, shape (n_channels, n_channels)."""
    values, vectors = np.linalg.eigh(covariances)
    mean_log = ((vectors * np.log(values)[:, np.newaxis, :]) @ vectors.transpose(0, 2, 1)).mean(axis=0)
    return _exponential(mean_log)


def riemannian_mean(covariances: FloatArray, n_steps: int = 6) -> FloatArray:
    """Mean in the affine-invariant metric, by fixed-point steps from the log-Euclidean mean.

    Parameters
    ----------
    covariances : ndarray of float64, shape (n, n_channels, n_channels)
        Positive definite.
    n_steps : int
        Aligned covariances lie close together; six steps leave a gradient below 1e-6.
    """
    mean = log_euclidean_start(covariances)
    n = mean.shape[0]
    rows, columns = np.triu_indices(n)
    for _ in range(n_steps):
        values, vectors = np.linalg.eigh(mean)
        root = (vectors * np.sqrt(values)) @ vectors.T
        gradient = np.zeros((n, n))
        vector = tangent_vectors(covariances, mean).mean(axis=0)
        gradient[rows, columns] = np.where(rows == columns, vector, vector / np.sqrt(2.0))
        gradient = gradient + gradient.T - np.diag(np.diag(gradient))
        mean = root @ _exponential(gradient) @ root
    return (mean + mean.T) / 2.0


def fit_tangent(
    covariances: FloatArray, classes: npt.NDArray[np.int64], mirror: Sequence[int] | None = None
) -> TangentProbe:
    """Fit the probe; every trial is seen mirrored as well, with the other label.

    Parameters
    ----------
    covariances : ndarray of float64, shape (n, n_bands, n_channels, n_channels)
        Not shrunk.
    classes : ndarray of int64, shape (n,)
    mirror : sequence of int, optional
        See `mirror_columns`; None: not mirrored.
    """
    shrunk = shrink(covariances, SHRINKAGE)
    if mirror is not None:
        columns = np.array(mirror)
        shrunk = np.concatenate([shrunk, shrunk[:, :, columns][:, :, :, columns]])
        classes = np.concatenate([classes, 1 - classes])
    # The mean is over every fifth covariance: more change it by less than a thousandth.
    step = 5 if len(shrunk) > 2000 else 1
    references = np.stack([riemannian_mean(shrunk[::step, b]) for b in range(shrunk.shape[1])])
    vectors = np.hstack([tangent_vectors(shrunk[:, b], references[b]) for b in range(len(references))])
    model = LogisticRegression(C=INVERSE_PENALTY, max_iter=500).fit(vectors, classes)
    half = model.coef_[0] / 2.0
    intercept = float(model.intercept_[0]) / 2.0
    return TangentProbe(references, np.stack([-half, half]), np.array([-intercept, intercept]), SHRINKAGE)


def tangent_margins(probe: TangentProbe, covariances: FloatArray) -> FloatArray:
    """Logit of class 1 less that of class 0, shape (n,), for covariances as in `fit_tangent`."""
    shrunk = shrink(covariances, probe.shrinkage)
    vectors = np.hstack([tangent_vectors(shrunk[:, b], probe.reference[b]) for b in range(probe.n_bands)])
    logits = vectors @ probe.coef.T + probe.intercept
    return np.asarray(logits[:, 1] - logits[:, 0])


def _exponential(symmetric: FloatArray) -> FloatArray:
    values, vectors = np.linalg.eigh(symmetric)
    return np.asarray((vectors * np.exp(values)) @ vectors.T)
