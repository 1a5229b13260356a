"""Baselines that are a linear classifier on features of covariances: CSP, filter-bank CSP, tangent spaces.

Fitted with pyRiemann and scikit-learn. On the pool each trial is also seen mirrored, with the other label, as our
own branches see it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pyriemann.spatialfilters import CSP
from pyriemann.tangentspace import TangentSpace
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.feature_selection import mutual_info_classif
from sklearn.linear_model import LogisticRegression

from rtbci.probe.refit import feature_scale
from rtbci.stages.stage import FloatArray
from tools.training.baselines.prepare import Covariances, delay_mirror

__all__ = ["LINEAR", "LinearDecoder", "fit_linear"]

N_CSP = 6
N_SELECTED = 12
PENALTY_POOL, PENALTY_OWN = 0.01, 1.0
"""Inverse penalties of the logistic regression: the pool's as in our tangent branch, scikit-learn's for a few trials."""

Classes = npt.NDArray[np.int64]
Head = tuple[FloatArray, float]


@dataclass(frozen=True, slots=True)
class LinearDecoder:
    """Features of covariances, and a head that reads them.

    Parameters
    ----------
    features : callable
        From `Prepared.covariances` to (n, n_features).
    coef : ndarray of float64, shape (2, n_features)
    intercept : ndarray of float64, shape (2,)
    scale : ndarray of float64, shape (n_features,)
        Standard deviation of the features in training.
    """

    features: Callable[[Covariances], FloatArray]
    coef: FloatArray
    intercept: FloatArray
    scale: FloatArray


def fit_linear(
    name: str, covariances: Covariances, classes: Classes, mirror: Sequence[int] | None, seed: int = 0
) -> LinearDecoder:
    """Fit one of `LINEAR`.

    Parameters
    ----------
    name : str
    covariances : dict of ndarray
        Of the training trials, see `Prepared`.
    classes : ndarray of int64, shape (n,)
    mirror : sequence of int, optional
        See `mirror_columns`; None: trials are not mirrored.
    seed : int
        Of the estimate of mutual information.
    """
    which, fit_features, fit_head = LINEAR[name]
    many = covariances[which]
    if mirror is not None:
        columns = np.array(delay_mirror(mirror) if which == "delays" else mirror)
        many = np.concatenate([many, many[:, :, columns][:, :, :, columns]])
        classes = np.concatenate([classes, 1 - classes])
    per_trial = fit_features(many, classes, seed)
    features = per_trial(many)
    slope, offset = fit_head(features, classes, mirror is not None)
    return LinearDecoder(
        lambda found: per_trial(found[which]),
        np.stack([-slope / 2.0, slope / 2.0]),
        np.array([-offset / 2.0, offset / 2.0]),
        feature_scale(features),
    )


def _csp(many: FloatArray, classes: Classes, seed: int) -> Callable[[FloatArray], FloatArray]:
    """Log power of the spatial filters whose power differs most between the classes, in every band."""
    del seed
    filters = [CSP(nfilter=N_CSP, metric="euclid", log=True) for _ in range(many.shape[1])]
    for i, one in enumerate(filters):
        one.fit(many[:, i], classes)
    return lambda found: np.hstack([one.transform(found[:, i]) for i, one in enumerate(filters)])


def _filter_bank_csp(many: FloatArray, classes: Classes, seed: int) -> Callable[[FloatArray], FloatArray]:
    """CSP in each band; kept are the features that tell most of the class (Ang et al. 2012)."""
    per_trial = _csp(many, classes, seed)
    told = mutual_info_classif(per_trial(many), classes, random_state=seed)
    best = np.sort(np.argsort(told)[::-1][:N_SELECTED])
    return lambda found: per_trial(found)[:, best]


def _tangent(many: FloatArray, classes: Classes, seed: int) -> Callable[[FloatArray], FloatArray]:
    """Tangent space at the Riemannian mean of the training covariances, in every band (Barachant et al. 2012)."""
    del classes, seed
    # The mean is over every fifth covariance, as in our own branch: more hardly change it, and it is what takes time.
    step = 5 if len(many) > 2000 else 1
    spaces = [TangentSpace(metric="riemann").fit(many[::step, i]) for i in range(many.shape[1])]
    return lambda found: np.hstack([one.transform(found[:, i]) for i, one in enumerate(spaces)])


def _discriminant(features: FloatArray, classes: Classes, is_pool: bool) -> Head:
    """Linear discriminant; its covariance is shrunk (Ledoit-Wolf), which two trials need and the pool does not mind."""
    del is_pool
    if len(features) <= 2:  # no variance within a class: the nearest mean decides
        difference = features[classes == 1].mean(axis=0) - features[classes == 0].mean(axis=0)
        return difference, -float(difference @ features.mean(axis=0))
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(features, classes)
    return model.coef_[0], float(model.intercept_[0])


def _logistic(features: FloatArray, classes: Classes, is_pool: bool) -> Head:
    penalty = PENALTY_POOL if is_pool else PENALTY_OWN
    model = LogisticRegression(C=penalty, max_iter=1000).fit(features, classes)
    return model.coef_[0], float(model.intercept_[0])


FitFeatures = Callable[[FloatArray, Classes, int], Callable[[FloatArray], FloatArray]]
FitHead = Callable[[FloatArray, Classes, bool], Head]

LINEAR: dict[str, tuple[str, FitFeatures, FitHead]] = {
    "csp_lda": ("broad", _csp, _discriminant),
    "fbcsp_lda": ("filter_bank", _filter_bank_csp, _discriminant),
    "tangent": ("broad", _tangent, _logistic),
    "tangent_two_bands": ("two_bands", _tangent, _logistic),
    "augmented": ("delays", _tangent, _logistic),
}
"""By name: which covariances, how features are fitted, how the head."""
