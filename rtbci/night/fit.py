"""Fitting the linear head of a branch that stages, and how stages follow each other."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import log_softmax

from rtbci.errors import ConfigError
from rtbci.probe.epoch_heads import scaled_features
from rtbci.stages.stage import FloatArray

__all__ = ["FittedStages", "fit_stages", "transitions"]

PENALTY = 3e-3
"""Of the squared weights of scaled features."""

PRIOR_COUNT = 1.0
"""Times that every stage is taken to have followed every other, for each thousand that were seen."""


class FittedStages(NamedTuple):
    """Weights of a branch of kind epochs, and what they were fitted on.

    Parameters
    ----------
    tensors : dict of ndarray
        As `rtbci.probe.epoch_branch.EpochBranch` reads them.
    n_epochs : dict of str to int
        Of each stage.
    """

    tensors: dict[str, FloatArray]
    n_epochs: dict[str, int]


def fit_stages(
    nights: Sequence[tuple[FloatArray, Sequence[str | None]]], classes: Sequence[str]
) -> FittedStages:
    """Fit by maximum likelihood with every stage weighing the same, and count what follows what.

    Parameters
    ----------
    nights : sequence of (ndarray of float64 of shape (n_epochs, n_features), stages)
        Epochs with a NaN, or without a stage, are left out.
    classes : sequence of str
        Order of the logits.

    Raises
    ------
    ConfigError
        When a stage does not occur.

    Notes
    -----
    Since every stage weighs the same, the head's prior is uniform: how often a stage comes, the transitions say.
    """
    x = np.concatenate([values for values, _ in nights])
    names = [one for _, stages in nights for one in stages]
    known = np.isfinite(x).all(axis=1) & np.array([one is not None for one in names])
    x = scaled_features(x[known])
    y = np.array([classes.index(one) for one, ok in zip(names, known, strict=True) if ok and one is not None])
    counts = np.bincount(y, minlength=len(classes))
    if not counts.all():
        lacking = [name for name, n in zip(classes, counts, strict=True) if not n]
        raise ConfigError(
            f"training: {len(nights)} nights have no epoch of {', '.join(lacking)}, need all of {', '.join(classes)}; add nights"
        )
    mean, scale = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-6)
    weight, bias = _logistic((x - mean) / scale, y, len(classes))
    tensors: dict[str, FloatArray] = {
        "mean": mean,
        "scale": scale,
        "weight": weight,
        "bias": bias,
        "transition": transitions([stages for _, stages in nights], classes),
        "prior": np.full(len(classes), 1.0 / len(classes)),
    }
    return FittedStages(tensors, dict(zip(classes, counts.tolist(), strict=True)))


def transitions(nights: Sequence[Sequence[str | None]], classes: Sequence[str]) -> FloatArray:
    """How often each stage (column) follows each (row) in the next epoch, shape (n_classes, n_classes)."""
    counts = np.zeros((len(classes), len(classes)))
    for stages in nights:
        for before, after in itertools.pairwise(stages):
            if before is not None and after is not None:
                counts[classes.index(before), classes.index(after)] += 1.0
    counts += PRIOR_COUNT * np.maximum(counts.sum(axis=1, keepdims=True), 1.0) / 1000.0
    return np.asarray(counts / counts.sum(axis=1, keepdims=True))


def _logistic(z: FloatArray, y: npt.NDArray[np.intp], n_classes: int) -> tuple[FloatArray, FloatArray]:
    n, n_features = z.shape
    share = 1.0 / (n_classes * np.bincount(y, minlength=n_classes))[y]
    target = np.eye(n_classes)[y]

    def loss(flat: FloatArray) -> tuple[float, FloatArray]:
        matrix = flat.reshape(n_classes, n_features + 1)
        logp = log_softmax(z @ matrix[:, :-1].T + matrix[:, -1], axis=1)
        value = -float(share @ logp[np.arange(n), y]) + 0.5 * PENALTY * float((matrix[:, :-1] ** 2).sum())
        error = share[:, None] * (np.exp(logp) - target)
        gradient = np.column_stack((error.T @ z + PENALTY * matrix[:, :-1], error.sum(axis=0)))
        return value, gradient.ravel()

    start = np.zeros(n_classes * (n_features + 1))
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 500})
    matrix = np.asarray(found.x, dtype=np.float64).reshape(n_classes, n_features + 1)
    return matrix[:, :-1].copy(), matrix[:, -1].copy()
