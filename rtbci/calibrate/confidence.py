"""How far a user's probabilities can be believed: temperature, calibration error, and when to decide at all."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from rtbci.evaluate.metrics import expected_calibration_error, reliability
from rtbci.evaluate.online import Counts, Span, count_activations, decide
from rtbci.recipes import DecisionSettings
from rtbci.stages.stage import FloatArray

__all__ = ["calibration_error", "crossed_temperatures", "fit_policy", "fit_temperature"]

Labels = npt.NDArray[np.intp]

PRECISION = 12.0
"""The population's temperature counts as about this many trials: inverse variance of the prior on its logarithm."""
N_FOLDS = 5
THRESHOLDS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98)
DWELLS_S = (0.0, 0.25, 0.5)
SMOOTHINGS_S = (0.25, 0.5, 1.0)


def fit_temperature(logits: FloatArray, labels: Labels, precision: float = PRECISION) -> float:
    """Temperature to divide logits by, above 0; 1 without trials.

    Minimises ``sum_i CE(y_i, softmax(logits_i / T)) + precision / 2 (log T)^2`` (temperature scaling of Guo et al. 2017,
    arXiv 1706.04599, held back by a prior at what the logits have already).

    Parameters
    ----------
    logits : ndarray of float64, shape (n_trials, n_classes)
        Each by a fit that did not see its trial, after the population's temperature.
    labels : ndarray of int, shape (n_trials,)
    precision : float
    """
    used, columns = np.unique(labels, return_inverse=True)
    if len(used) < 2:
        return 1.0
    z, rows = logits[:, used], np.arange(len(labels))

    def loss(log_t: float) -> float:
        log_probs = log_softmax(z * np.exp(-log_t), axis=1)
        return -float(log_probs[rows, columns].sum()) + 0.5 * precision * log_t**2

    return float(np.exp(minimize_scalar(loss, bounds=(-3.0, 3.0), method="bounded").x))


def crossed_temperatures(logits: FloatArray, labels: Labels) -> FloatArray:
    """For each trial the temperature that the other folds give, shape (n_trials,)."""
    folds = np.arange(len(labels)) % max(2, min(N_FOLDS, len(labels)))
    found = np.ones(len(labels))
    for fold in np.unique(folds):
        found[folds == fold] = fit_temperature(logits[folds != fold], labels[folds != fold])
    return found


def calibration_error(log_probs: FloatArray, labels: Labels) -> float:
    """Expected calibration error of the most probable class; see `rtbci.evaluate.metrics`."""
    probs = np.exp(log_probs)
    right = probs.argmax(axis=1) == labels
    return float(expected_calibration_error(reliability(probs.max(axis=1), right)))


def fit_policy(
    spans: Sequence[Span], classes: Sequence[str], start: DecisionSettings, false_per_min: float, hop_s: float
) -> tuple[DecisionSettings, float, float]:
    """Decision policy with the most hits among those that stay below a rate of false activations.

    Parameters
    ----------
    spans : sequence of Span
        The calibration's whole stream, idle time included, as the fitted decoder sees it.
    classes : sequence of str
        All of the paradigm, in the order of the probabilities.
    start : DecisionSettings
        The recipe's; its refractory time is kept.
    false_per_min : float
        Activations in a minute of idle time that the user puts up with.
    hop_s : float

    Returns
    -------
    settings : DecisionSettings
        `start` where none of those that stay below the rate decides in a single trial, and without idle time or trials.
    hits : float
        Share of trials with an activation for the right class.
    false_per_min : float
        What was reached.
    """
    hits, false = _activations(spans, classes, start, hop_s)
    as_it_was = start, hits, false
    if math.isnan(hits) or math.isnan(false):  # of every policy, then: none is better than another
        return as_it_was
    found = []
    for smoothing_s in SMOOTHINGS_S:
        for dwell_s in DWELLS_S:
            for threshold in THRESHOLDS:
                settings = start.model_copy(
                    update={"threshold": threshold, "dwell_s": dwell_s, "smoothing_s": smoothing_s}
                )
                hits, false = _activations(spans, classes, settings, hop_s)
                found.append((settings, hits, false))
    allowed = [one for one in found if one[2] <= false_per_min and one[1] > 0.0]
    return max(allowed, key=lambda one: (one[1], -one[2]), default=as_it_was)


def _activations(
    spans: Sequence[Span], classes: Sequence[str], settings: DecisionSettings, hop_s: float
) -> tuple[float, float]:
    counts = Counts()
    for span in spans:
        count_activations(counts, span, decide(span, classes, settings), hop_s, settings.refractory_s)
    return counts.true_share, counts.false_per_min
