"""A few trials of a user, and the population's head as the prior: the head is fitted anew, the features stay.

Logistic regression with a Gaussian prior around the population's weights (maximum a posteriori). No trials give the
population's head, many give the user's own logistic regression. `leave_one_trial_out` says whether the user's
trials speak for the change.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import log_softmax

from rtbci.errors import ProfileError, ShapeError
from rtbci.probe.head_features import HEAD_TENSORS
from rtbci.probe.profile import BranchEntry, Profile, Weights
from rtbci.stages.stage import FloatArray

__all__ = [
    "PRECISION",
    "SCALE_NAME",
    "TrialLoss",
    "feature_scale",
    "keeps_population",
    "leave_one_trial_out",
    "refit_head",
    "refit_profile",
    "solve_change",
    "trial_weights",
]

PRECISION = 100.0
"""Inverse variance of the prior on each standardised weight; why this one: docs/baselines.md."""

SCALE_NAME = "feature_scale"
"""Name of a branch's tensor in a profile: standard deviation of each feature in the population, (n_features,)."""

Integers = npt.NDArray[np.integer]


def trial_weights(trials: npt.ArrayLike) -> FloatArray:
    """Weights of windows such that each trial counts one, however many windows it has.

    Parameters
    ----------
    trials : array_like of int, shape (n,)
        Which trial each window is of.

    Examples
    --------
    >>> trial_weights([7, 7, 8]).tolist()
    [0.5, 0.5, 1.0]
    """
    _, inverse, counts = np.unique(np.asarray(trials), return_inverse=True, return_counts=True)
    return np.asarray(1.0 / counts[inverse])


def feature_scale(features: FloatArray, weights: FloatArray | None = None) -> FloatArray:
    """Weighted standard deviation of each feature, shape (n_features,); 1 where a feature does not vary.

    Best taken over the population's training windows and kept in the profile as `SCALE_NAME`. Over a user's own
    windows it needs no labels, but follows few trials.
    """
    mean = np.average(features, axis=0, weights=weights)
    deviation = np.sqrt(np.average((features - mean) ** 2, axis=0, weights=weights))
    return np.asarray(np.where(deviation > 1e-12 * (1.0 + np.abs(mean)), deviation, 1.0))


def refit_head(
    features: FloatArray,
    classes: Integers,
    coef: FloatArray,
    intercept: FloatArray,
    scale: FloatArray,
    precision: float,
    weights: FloatArray | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Fit a linear head to labelled windows, with another head as Gaussian prior.

    Minimises, over changes D and d of the head, ``sum_i w_i CE(y_i, softmax(logits_i + D z_i + d)) + precision / 2 *
    (|D|^2 + |d|^2)``, with logits from the head that is given and ``z = (features - centre) / scale``.

    Parameters
    ----------
    features : ndarray of float64, shape (n, n_features)
    classes : ndarray of int, shape (n,)
        Below n_classes.
    coef : ndarray of float64, shape (n_classes, n_features)
        The population's.
    intercept : ndarray of float64, shape (n_classes,)
    scale : ndarray of float64, shape (n_features,)
        Standard deviation of each feature in the population, so that one precision means the same for features in
        any unit.
    precision : float
        Above 0; `PRECISION` is what was measured.
    weights : ndarray of float64, shape (n,), optional
        See `trial_weights`; 1 each by default.

    Returns
    -------
    coef, intercept : ndarray of float64
        Fresh arrays of the shapes given.

    Raises
    ------
    ShapeError
        When shapes, classes or numbers do not fit each other.

    Notes
    -----
    The centre is the weighted mean of the features given: it uses no label, and makes the result independent of
    where a feature's zero lies. A class without a window keeps its logit against the mean of the other classes (an
    idle class, when only imagery is calibrated): the softmax is over the classes that are there, and D and d sum to
    zero over them. The problem is strictly convex; L-BFGS starts at the population's head.
    """
    weights = np.ones(len(features)) if weights is None else weights
    _check_head(features, classes, coef, intercept, scale, precision, weights)
    used, labels = np.unique(classes, return_inverse=True)
    if len(used) < 2:
        return coef.astype(np.float64), intercept.astype(np.float64)
    centre = np.average(features, axis=0, weights=weights)
    z = np.hstack([(features - centre) / scale, np.ones((len(features), 1))])
    start = features @ coef[used].T + intercept[used]
    change = solve_change(z, np.eye(len(used))[labels], start, precision, weights)
    slope = change[:, :-1] / scale
    new_coef, new_intercept = coef.astype(np.float64), intercept.astype(np.float64)
    new_coef[used] += slope
    new_intercept[used] += change[:, -1] - slope @ centre
    return new_coef, new_intercept


@dataclass(frozen=True, slots=True)
class TrialLoss:
    """Mean log loss of a user's trials, in nats.

    Parameters
    ----------
    population : float
        Of the population's head.
    refit : float
        Of heads refitted without the trial that they are judged on.
    """

    population: float
    refit: float

    @property
    def keeps_population(self) -> bool:
        """Whether the population's head stays: unless the refit is better."""
        return not self.refit < self.population


def leave_one_trial_out(
    features: FloatArray,
    classes: Integers,
    trials: Integers,
    coef: FloatArray,
    intercept: FloatArray,
    scale: FloatArray,
    precision: float,
) -> TrialLoss:
    """Judge a refit by trials that it did not see.

    Parameters
    ----------
    features, classes, coef, intercept, scale, precision
        As in `refit_head`.
    trials : ndarray of int, shape (n,)
        Which trial each window is of; all windows of a trial are left out together, and count one together.
    """
    weights = trial_weights(trials)
    population, refit = 0.0, 0.0
    for trial in np.unique(trials):
        out = trials == trial
        head = refit_head(
            features[~out], classes[~out], coef, intercept, scale, precision, trial_weights(trials[~out])
        )
        population += _loss(features[out], classes[out], coef, intercept, weights[out])
        refit += _loss(features[out], classes[out], *head, weights[out])
    n_trials = float(weights.sum())
    return TrialLoss(population / n_trials, refit / n_trials)


def keeps_population(
    features: FloatArray,
    classes: Integers,
    trials: Integers,
    coef: FloatArray,
    intercept: FloatArray,
    scale: FloatArray,
    precision: float = PRECISION,
) -> bool:
    """Whether the population's head should stay; see `leave_one_trial_out`."""
    if len(np.unique(trials)) < 2:
        return True
    return leave_one_trial_out(features, classes, trials, coef, intercept, scale, precision).keeps_population


def refit_profile(
    profile: Profile,
    features_by_branch: Mapping[str, FloatArray],
    classes: Integers,
    weights: FloatArray | None = None,
    precision: float | Mapping[str, float] = PRECISION,
    *,
    trials: Integers | None = None,
    scales: Mapping[str, FloatArray] | None = None,
) -> Profile:
    """Refit the heads of a profile's branches.

    Parameters
    ----------
    profile : Profile
        The population's; not changed.
    features_by_branch : mapping of str to ndarray, shape (n, n_features)
        See `rtbci.probe.head_features`; branches that are not named keep their head.
    classes : ndarray of int, shape (n,)
        In the profile's order of classes.
    weights : ndarray of float64, shape (n,), optional
        From `trials` by default, else 1 each.
    precision : float, or mapping of str to float
        For all branches, or by branch.
    trials : ndarray of int, shape (n,), optional
        Which trial each window is of. With it, a branch keeps its population head where `leave_one_trial_out`
        speaks against the change.
    scales : mapping of str to ndarray, shape (n_features,), optional
        By branch; without it the profile's own `SCALE_NAME` tensors.

    Returns
    -------
    Profile
        Next generation; `n_trials` is the sum of the weights. All else is the profile's, the fusion too.

    Raises
    ------
    ProfileError
        When a branch is not the profile's, has no linear head, or its scale is nowhere.
    ShapeError
        See `refit_head`.
    """
    if weights is None:
        weights = np.ones(len(classes)) if trials is None else trial_weights(trials)
    entries = {entry.name: entry for entry in profile.branches}
    changed: Weights = {}
    for name, features in features_by_branch.items():
        coef_name, intercept_name = _head_names(profile, entries, name)
        coef, intercept = profile.weights[coef_name], profile.weights[intercept_name]
        scale = _scale_of(profile, name, scales or {})
        strength = precision if isinstance(precision, int | float) else precision[name]
        if trials is not None and keeps_population(
            features, classes, trials, coef, intercept, scale, strength
        ):
            continue
        head = refit_head(features, classes, coef, intercept, scale, strength, weights)
        changed[coef_name], changed[intercept_name] = head
    return msgspec.structs.replace(
        profile,
        weights=profile.weights | changed,
        generation=profile.generation + 1,
        n_trials=round(float(weights.sum())),
    )


def solve_change(
    z: FloatArray,
    wanted: FloatArray,
    start: FloatArray,
    precision: float | FloatArray,
    weights: FloatArray,
) -> FloatArray:
    """Multinomial logistic regression of a change D of logits, with a Gaussian prior at no change.

    Minimises ``sum_i w_i CE(y_i, softmax(start_i + D z_i)) + sum precision D^2 / 2``.

    Parameters
    ----------
    z : ndarray of float64, shape (n, n_features)
        A column of ones stands for the intercept.
    wanted : ndarray of float64, shape (n, n_classes)
        One in the class of each row, else zero.
    start : ndarray of float64, shape (n, n_classes)
    precision : float or ndarray of float64, shape (n_features,)
        Above 0.
    weights : ndarray of float64, shape (n,)

    Returns
    -------
    ndarray of float64, shape (n_classes, n_features)
    """
    shape = (wanted.shape[1], z.shape[1])

    def loss(x: FloatArray) -> tuple[float, FloatArray]:
        change = x.reshape(shape)
        log_probs = log_softmax(start + z @ change.T, axis=1)
        value = -float(weights @ (log_probs * wanted).sum(axis=1)) + 0.5 * float(
            (precision * change * change).sum()
        )
        error = (np.exp(log_probs) - wanted) * weights[:, np.newaxis]
        return value, (error.T @ z + precision * change).ravel()

    # Stops by the gradient: the loss is a sum over trials, its last digits say nothing of the weights.
    found = minimize(
        loss,
        np.zeros(shape[0] * shape[1]),
        jac=True,
        method="L-BFGS-B",
        options={
            "maxiter": 5000,
            "maxfun": 10000,
            "ftol": 1e-15,
            "gtol": 1e-8 * max(1.0, float(np.max(precision))),
        },
    )
    return np.asarray(found.x.reshape(shape))


def _loss(
    features: FloatArray, classes: Integers, coef: FloatArray, intercept: FloatArray, weights: FloatArray
) -> float:
    log_probs = log_softmax(features @ coef.T + intercept, axis=1)
    return -float(weights @ log_probs[np.arange(len(classes)), classes])


def _head_names(profile: Profile, entries: Mapping[str, BranchEntry], name: str) -> tuple[str, str]:
    entry = entries.get(name)
    if entry is None or entry.kind not in HEAD_TENSORS:
        raise ProfileError(
            f"refit_profile: branch '{name}' is {'not there' if entry is None else 'of kind ' + entry.kind}, need one "
            f"of {sorted(one.name for one in entries.values() if one.kind in HEAD_TENSORS)}; leave it out"
        )
    head = HEAD_TENSORS[entry.kind]
    profile.tensors(name)  # says so when there are none
    return f"{name}.{head.coef}", f"{name}.{head.intercept}"


def _scale_of(profile: Profile, name: str, scales: Mapping[str, FloatArray]) -> FloatArray:
    found = scales.get(name, profile.weights.get(f"{name}.{SCALE_NAME}"))
    if found is None:
        raise ProfileError(
            f"refit_profile: branch '{name}' has no tensor '{name}.{SCALE_NAME}', need the population's standard "
            "deviation of each feature; train again, or give scales (feature_scale of the user's own windows)"
        )
    return np.asarray(found, dtype=np.float64)


def _check_head(
    features: FloatArray,
    classes: Integers,
    coef: FloatArray,
    intercept: FloatArray,
    scale: FloatArray,
    precision: float,
    weights: FloatArray,
) -> None:
    n, n_classes = len(features), len(intercept)
    shapes = [one.shape for one in (features, classes, coef, intercept, scale, weights)]
    n_features = features.shape[-1]
    if shapes != [(n, n_features), (n,), (n_classes, n_features), (n_classes,), (n_features,), (n,)] or not n:
        raise ShapeError(
            f"refit_head: features, classes, coef, intercept, scale, weights have shapes {shapes}, need (n, f), (n,), "
            "(n_classes, f), (n_classes,), (f,), (n,) with one window or more"
        )
    if classes.min() < 0 or classes.max() >= n_classes:
        raise ShapeError(
            f"refit_head: classes go from {classes.min()} to {classes.max()}, need 0 to {n_classes - 1}"
        )
    positive = scale.min() > 0 and weights.min() >= 0 and weights.sum() > 0 and precision > 0
    if not positive or not all(np.isfinite(one).all() for one in (features, scale, weights, precision)):
        raise ShapeError(
            f"refit_head: smallest scale is {scale.min():g}, weights sum to {weights.sum():g}, precision is "
            f"{precision:g}; need finite features, scales and precision above 0, weights of 0 or more; mend the input"
        )
