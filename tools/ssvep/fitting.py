"""Weights of the windows, what it takes to be above idle, and the temperature; nothing of a frequency's own."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import log_softmax

from rtbci.errors import ConfigError
from rtbci.probe.cca import band_weights
from rtbci.probe.recentre import Recentre
from rtbci.recipes import ParadigmRecipe
from rtbci.stages.stage import FloatArray
from tools.ssvep.correlate import Correlated

__all__ = ["Mapping", "fit_mapping"]

FROM_S = 1.0
"""From when on after a cue a window has a label: reaction, and the shortest window half full."""


@dataclass(frozen=True)
class Mapping:
    """What is fitted.

    Parameters
    ----------
    weight : ndarray of float64, shape (n_lengths, n_bands)
    idle : float
        Bias of the idle class.
    n_trials : int
    """

    weight: FloatArray
    idle: float
    n_trials: int


def fit_mapping(runs: Sequence[Correlated], recipe: ParadigmRecipe) -> Mapping:
    """Fit each length's scale on its own, average the lengths' logits, and fit scale and idle of the average.

    Windows count so that every trial, and every rest, weighs the same.
    """
    bands = band_weights(runs[0].rho2.shape[2])
    scores = [np.einsum("nlbf,b->nlf", run.rho2, bands) for run in runs]
    n_lengths = scores[0].shape[1]
    labels, weights, n_trials = _labels(runs, recipe)
    scales = np.array(
        [_fit(_centred([one[:, i] for one in scores], recipe), labels, weights)[0] for i in range(n_lengths)]
    )
    mean = [np.einsum("nlf,l->nf", one, scales / n_lengths) for one in scores]
    scale, idle = _fit(_centred(mean, recipe), labels, weights)
    return Mapping(scale * scales[:, np.newaxis] / n_lengths * bands, idle, n_trials)


def _labels(
    runs: Sequence[Correlated], recipe: ParadigmRecipe
) -> tuple[npt.NDArray[np.intp], FloatArray, int]:
    """Label and weight of each hop of all runs; the idle class is the last here."""
    idle, labels, weights, n_trials = len(recipe.classes) - 1, [], [], 0
    if recipe.idle != idle:
        raise ConfigError(
            f"paradigm '{recipe.name}': classes are {recipe.classes}, need idle as the last for this fit"
        )
    for run in runs:
        found, numbers = run.labels(FROM_S, idle)
        counts = np.bincount(numbers[numbers >= 0])
        n_trials += int((counts > 0).sum())
        labels.append(found)
        weights.append(np.where(numbers >= 0, 1.0 / counts[np.maximum(numbers, 0)], 0.0))
    return np.concatenate(labels), np.concatenate(weights), n_trials


def _centred(scores: Sequence[FloatArray], recipe: ParadigmRecipe) -> FloatArray:
    """Scores of all runs as the decoder recentres them."""
    settings = recipe.recentre
    if settings is None:
        return np.concatenate(scores)
    found = []
    for run in scores:
        recentre = Recentre(run.shape[1], recipe.window.hop_s, settings.prior_s, settings.time_constant_s)
        found += [recentre.push(one) for one in run]
    return np.stack(found)


def _fit(scores: FloatArray, labels: npt.NDArray[np.intp], weights: FloatArray) -> tuple[float, float]:
    """Scale of the scores and bias of idle, by maximum likelihood."""
    used = labels >= 0
    x, y, w = scores[used], labels[used], weights[used]

    def loss(p: FloatArray) -> float:
        z = np.column_stack([p[0] * x, np.full(len(x), p[1])])
        return float(-(w * log_softmax(z, axis=1)[np.arange(len(y)), y]).sum())

    found = minimize(loss, np.array([1.0, 1.0]), method="L-BFGS-B", bounds=[(0.0, None), (None, None)])
    return float(found.x[0]), float(found.x[1])
