"""Decoders that are fitted on the other people, for comparison with the recipe's rule: logistic regression on log
powers, and in the tangent space.
"""

from collections.abc import Callable, Mapping
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from rtbci.evaluate.decode import HopDecoder
from rtbci.probe.band_power import band_filter
from rtbci.probe.power import HopPowers, PowerProbe
from rtbci.probe.tangent import BlockCovariances, shrink, tangent_vectors
from rtbci.recipes import ParadigmRecipe
from rtbci.replay.recording import Recording
from rtbci.stages.filter import SosFilter
from rtbci.stages.stage import FloatArray
from tools.workload.measures import Told, said

__all__ = ["BANDS_HZ", "Features", "fit_logistic", "left_out", "log_powers", "tangent_covariances"]

BANDS_HZ = {"theta": (4.0, 7.5), "alpha": (8.0, 13.0), "beta": (13.0, 30.0)}
SHRINKAGE = 0.05
Features = tuple[FloatArray, FloatArray]
"""Of windows (n_windows, ...), and when each begins, in seconds."""


def _runs(recipe: ParadigmRecipe, session: Recording) -> list[tuple[FloatArray, FloatArray]]:
    """Hops of the decoder's signal (n_hops, hop, n_channels) of both parts, and the stamp each begins with."""
    with HopDecoder(recipe) as decoder:
        verdicts = decoder.decode(session)
        hops = np.stack(decoder.hops).astype(np.float64)
        ends = np.array([one.estimate.t_window[1] for one in verdicts])
    (gap_s, _), *_ = session.gaps()
    n = int((ends <= gap_s).sum())
    hop_s = recipe.window.hop_s
    return [(hops[a:b], ends[a:b] - hop_s) for a, b in pairwise([0, n, len(hops)])]


def log_powers(recipe: ParadigmRecipe, session: Recording, rate_hz: float) -> Features:
    """Mean log power of each electrode in each band, (n_windows, n_bands * n_electrodes)."""
    n_channels = len(recipe.input.channels)
    n_hops, n_patches = round(recipe.window.length_s / recipe.window.hop_s), round(recipe.window.length_s)
    taps = np.stack([band_filter(band, rate_hz) for band in BANDS_HZ.values()])
    n = n_channels * len(taps)
    weights = np.full((n, n_patches), 1 / n_patches)
    probe = PowerProbe(np.stack([np.eye(n_channels)] * len(taps)), taps, weights, np.eye(n), np.zeros(n))

    def features(hops: FloatArray) -> list[FloatArray]:
        powers = HopPowers(probe, hops.shape[1], n_hops)
        found = []
        for hop in hops:
            powers.push(hop)
            if powers.filled:
                found.append(probe.logits(powers.window()))
        return found

    return _windows(recipe, session, features)


def tangent_covariances(
    recipe: ParadigmRecipe, session: Recording, rate_hz: float, band_hz: tuple[float, float]
) -> Features:
    """Shrunk covariance of each window in a band, (n_windows, n_electrodes, n_electrodes)."""
    n_channels = len(recipe.input.channels)
    n_hops = round(recipe.window.length_s / recipe.window.hop_s)

    def features(hops: FloatArray) -> list[FloatArray]:
        band = SosFilter.bandpass(*band_hz, rate_hz, n_channels, 2)
        blocks, found = BlockCovariances(1, n_channels, hops.shape[1], n_hops), []
        for hop in hops:
            blocks.push(band.push(hop)[np.newaxis])
            if blocks.filled:
                found.append(shrink(blocks.window()[0], SHRINKAGE))
        return found

    return _windows(recipe, session, features)


def _windows(
    recipe: ParadigmRecipe, session: Recording, features: Callable[[FloatArray], list[FloatArray]]
) -> Features:
    found: list[FloatArray] = []
    starts: list[FloatArray] = []
    for hops, t_s in _runs(recipe, session):
        some = features(hops)
        found += some
        starts.append(t_s[: len(some)])
    return np.stack(found), np.concatenate(starts)


def left_out(
    people: Mapping[str, Features],
    gaps_s: Mapping[str, float],
    usual_s: float,
    penalty: float,
    *,
    tangent: bool,
) -> dict[str, Told]:
    """Scores of each person's windows by a logistic regression that was fitted on the others.

    Each person's windows are centred on those of their first `usual_s` seconds, as the decoder's baseline does; windows of
    that time are neither fitted nor judged.

    Parameters
    ----------
    people : mapping of str to Features
    gaps_s : mapping of str to float
        When each person's rest ends.
    usual_s : float
    penalty : float
        Precision of the Gaussian prior, in units of windows that count one each person and class.
    tangent : bool
        Whether features are covariances, to be read in the tangent space of their mean over the others.
    """
    told = {}
    for name in people:
        others = [one for one in people if one != name]
        reference = np.mean([people[one][0].mean(axis=0) for one in others], axis=0) if tangent else None
        ready = {one: _centred(people[one], usual_s, reference) for one in people}
        labels = {one: ready[one][1] > gaps_s[one] for one in people}
        x = np.concatenate([ready[one][0] for one in others])
        y = np.concatenate([labels[one] for one in others]).astype(np.float64)
        each = [_each(labels[one]) for one in others]
        coef, bias = fit_logistic(x, y, np.concatenate(each), penalty)
        told[name] = said(ready[name][0] @ coef + bias, labels[name])
    return told


def _each(labels: npt.NDArray[np.bool_]) -> FloatArray:
    """Weights by which each class of a person sums to 1."""
    return np.where(labels, 1.0 / float(labels.sum()), 1.0 / float((~labels).sum()))


def _centred(found: Features, usual_s: float, reference: FloatArray | None) -> Features:
    x, t_s = found
    x = x if reference is None else tangent_vectors(x, reference)
    later = t_s >= usual_s
    return x[later] - np.median(x[~later], axis=0), t_s[later]


def fit_logistic(
    x: FloatArray, y: FloatArray, weights: FloatArray, penalty: float
) -> tuple[FloatArray, float]:
    """Weights and bias of a logistic regression, Gaussian prior at 0 on the weights.

    Parameters
    ----------
    x : ndarray of float64, shape (n, n_features)
    y : ndarray, shape (n,)
        1 for the class.
    weights : ndarray of float64, shape (n,)
        What each sample counts.
    penalty : float
        Precision of the prior.
    """
    sign = np.where(y, 1.0, -1.0)

    def loss(theta: FloatArray) -> tuple[float, FloatArray]:
        margin = sign * (x @ theta[:-1] + theta[-1])
        slope = -weights * sign / (1.0 + np.exp(np.minimum(margin, 500.0)))
        value = float(weights @ np.logaddexp(0.0, -margin)) + 0.5 * penalty * float(theta[:-1] @ theta[:-1])
        return value, np.append(x.T @ slope + penalty * theta[:-1], slope.sum())

    found = minimize(loss, np.zeros(x.shape[1] + 1), jac=True, method="L-BFGS-B")
    return np.asarray(found.x[:-1]), float(found.x[-1])
