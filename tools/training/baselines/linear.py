"""Baselines that are a linear classifier on features of covariances: CSP, filter-bank CSP, tangent spaces.

Fitted with pyRiemann and scikit-learn. On the pool each trial is also seen mirrored, with the other label, as our
own branches see it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pyriemann.geometry.tangentspace import tangent_space
from pyriemann.spatialfilters import CSP
from pyriemann.tangentspace import TangentSpace
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.feature_selection import mutual_info_classif
from sklearn.linear_model import LogisticRegression

from rtbci.probe.refit import feature_scale
from rtbci.stages.stage import FloatArray
from tools.training.baselines.prepare import Covariances, delay_mirror

__all__ = ["LINEAR", "LinearDecoder", "fit_linear", "linear_from_tensors"]

N_CSP = 6
N_SELECTED = 12
PENALTY_POOL, PENALTY_OWN = 0.01, 1.0
"""Inverse penalties of the logistic regression: the pool's as in our tangent branch, scikit-learn's for a few trials."""

Classes = npt.NDArray[np.int64]
Head = tuple[FloatArray, float]
Maps = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class LinearDecoder:
    """Features of covariances, and a head that reads them.

    Parameters
    ----------
    name : str
        One of `LINEAR`.
    maps : dict of ndarray
        What the features are made with: ``filters`` (n_bands, n_filters, n_channels) and ``chosen`` (n_features,), or
        ``reference`` (n_bands, n_channels, n_channels).
    coef : ndarray of float64, shape (2, n_features)
    intercept : ndarray of float64, shape (2,)
    scale : ndarray of float64, shape (n_features,)
        Standard deviation of the features in training.
    """

    name: str
    maps: dict[str, npt.NDArray[Any]]
    coef: FloatArray
    intercept: FloatArray
    scale: FloatArray

    def features(self, covariances: Covariances) -> FloatArray:
        """From `Prepared.covariances` to (n, n_features)."""
        return _features(self.maps, covariances[LINEAR[self.name][0]])

    def tensors(self) -> dict[str, npt.NDArray[Any]]:
        """All of it by name, for `linear_from_tensors`."""
        return {"coef": self.coef, "intercept": self.intercept, "scale": self.scale, **self.maps}


def linear_from_tensors(name: str, tensors: Mapping[str, npt.NDArray[Any]]) -> LinearDecoder:
    """Build from what `LinearDecoder.tensors` gave."""
    maps = {key: one for key, one in tensors.items() if key not in ("coef", "intercept", "scale")}
    return LinearDecoder(name, maps, tensors["coef"], tensors["intercept"], tensors["scale"])


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
    which, fit_maps, fit_head = LINEAR[name]
    many = covariances[which]
    if mirror is not None:
        columns = np.array(delay_mirror(mirror) if which == "delays" else mirror)
        many = np.concatenate([many, many[:, :, columns][:, :, :, columns]])
        classes = np.concatenate([classes, 1 - classes])
    maps = fit_maps(many, classes, seed)
    features = _features(maps, many)
    slope, offset = fit_head(features, classes, mirror is not None)
    return LinearDecoder(
        name,
        maps,
        np.stack([-slope / 2.0, slope / 2.0]),
        np.array([-offset / 2.0, offset / 2.0]),
        feature_scale(features),
    )


def _features(maps: Mapping[str, npt.NDArray[Any]], many: FloatArray) -> FloatArray:
    """Features (n, n_features) of covariances (n, n_bands, n_channels, n_channels)."""
    if "reference" in maps:
        bands = enumerate(maps["reference"])
        return np.hstack([tangent_space(many[:, i], one, metric="riemann") for i, one in bands])
    # The power of a filter f is f C f': what pyRiemann's CSP gives, for all bands at once.
    powers = ((maps["filters"] @ many) * maps["filters"]).sum(axis=3)
    return np.asarray(np.log(powers).reshape(len(many), -1)[:, maps["chosen"]])


def _csp(many: FloatArray, classes: Classes, seed: int) -> Maps:
    """Log power of the spatial filters whose power differs most between the classes, in every band."""
    del seed
    bands = range(many.shape[1])
    filters = [CSP(nfilter=N_CSP, metric="euclid").fit(many[:, i], classes).filters_ for i in bands]
    return {"filters": np.stack(filters), "chosen": np.arange(len(filters) * len(filters[0]))}


def _filter_bank_csp(many: FloatArray, classes: Classes, seed: int) -> Maps:
    """CSP in each band; kept are the features that tell most of the class (Ang et al. 2012)."""
    maps = _csp(many, classes, seed)
    told = mutual_info_classif(_features(maps, many), classes, random_state=seed)
    return maps | {"chosen": np.sort(np.argsort(told)[::-1][:N_SELECTED])}


def _tangent(many: FloatArray, classes: Classes, seed: int) -> Maps:
    """Tangent space at the Riemannian mean of the training covariances, in every band (Barachant et al. 2012)."""
    del classes, seed
    # The mean is over every fifth covariance, as in our own branch: more hardly change it, and it is what takes time.
    step = 5 if len(many) > 2000 else 1
    spaces = [TangentSpace(metric="riemann").fit(many[::step, i]) for i in range(many.shape[1])]
    return {"reference": np.stack([one.reference_ for one in spaces])}


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


FitMaps = Callable[[FloatArray, Classes, int], Maps]
FitHead = Callable[[FloatArray, Classes, bool], Head]

LINEAR: dict[str, tuple[str, FitMaps, FitHead]] = {
    "csp_lda": ("broad", _csp, _discriminant),
    "fbcsp_lda": ("filter_bank", _filter_bank_csp, _discriminant),
    "tangent": ("broad", _tangent, _logistic),
    "tangent_two_bands": ("two_bands", _tangent, _logistic),
    "augmented": ("delays", _tangent, _logistic),
}
"""By name: which covariances, how what makes the features is fitted, how the head."""
