"""Fitting a decoder of flashes: spatial filters, template, classifier, and what its scores are as evidence."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rtbci.errors import CalibrationError, MissingPackageError
from rtbci.installing import pip_extra
from rtbci.probe.erp import ErpProbe, augmented
from rtbci.probe.tangent import tangent_vectors
from rtbci.stages.stage import FloatArray

__all__ = ["Evidence", "block_folds", "crossed_scores", "fit_evidence", "fit_probe", "need_pyriemann"]

N_FILTERS = 4
"""Spatial filters for each of target and nontarget."""
SHRINKAGE = 0.02
INVERSE_PENALTY = 0.1

Labels = npt.NDArray[np.bool_]
Scorer = Callable[[FloatArray, Labels, FloatArray], FloatArray]
"""Fitted on epochs and labels, gives the scores of other epochs."""


@dataclass(frozen=True)
class Evidence:
    """Scores as a log-likelihood ratio: ``scores @ slopes + offset``.

    Parameters
    ----------
    slopes : tuple of float
        One for each score of a flash; 0 where scores point the wrong way.
    offset : float
    """

    slopes: tuple[float, ...]
    offset: float

    def of(self, scores: FloatArray) -> FloatArray:
        """Log-likelihood ratios, target against nontarget, shape (n,), of scores (n,) or (n, n_scores)."""
        return np.asarray(scores.reshape(len(scores), -1) @ np.array(self.slopes) + self.offset)


def need_pyriemann() -> None:
    """Say what to install where fitting is not possible.

    Raises
    ------
    MissingPackageError
        Without pyRiemann or scikit-learn.
    """
    try:
        import pyriemann  # noqa: F401
        import sklearn  # noqa: F401
    except ImportError as error:
        raise MissingPackageError(
            f"fitting flashes: {error.name} is not installed, need it for spatial filters and classifier; "
            f"{pip_extra('calibrate')}"
        ) from error


def fit_probe(
    epochs: FloatArray,
    is_target: Labels,
    *,
    n_filters: int = N_FILTERS,
) -> ErpProbe:
    """Fit filters (xDAWN), template, Riemannian mean and logistic regression.

    Parameters
    ----------
    epochs : ndarray of float64, shape (n, n_samples, n_channels)
    is_target : ndarray of bool, shape (n,)
    n_filters : int
        For each of target and nontarget.

    Raises
    ------
    CalibrationError
        When the epochs are all of one kind.
    """
    from pyriemann.geometry.mean import mean_riemann
    from pyriemann.spatialfilters import Xdawn
    from sklearn.linear_model import LogisticRegression

    if not 0 < is_target.sum() < len(is_target):
        raise CalibrationError(
            f"fitting flashes: {int(is_target.sum())} of {len(is_target)} were attended to, need some that were and some "
            "that were not; give more recordings"
        )
    xdawn = Xdawn(nfilter=min(n_filters, epochs.shape[2]), estimator="lwf").fit(
        epochs.transpose(0, 2, 1), is_target.astype(int)
    )
    filters, template = np.asarray(xdawn.filters_), np.asarray(xdawn.evokeds_)
    covariances = np.stack([augmented(template, filters @ one.T, SHRINKAGE) for one in epochs])
    reference = np.asarray(mean_riemann(covariances))
    vectors = tangent_vectors(covariances, reference)
    model = LogisticRegression(C=INVERSE_PENALTY, max_iter=2000).fit(vectors, is_target)
    return ErpProbe(filters, template, reference, model.coef_[0], float(model.intercept_[0]), SHRINKAGE)


def score_by_probe(epochs: FloatArray, is_target: Labels, others: FloatArray) -> FloatArray:
    """Scores of other epochs by a probe that is fitted on these."""
    probe = fit_probe(epochs, is_target)
    return np.array([probe.score(one) for one in others])


def block_folds(i_selection: npt.NDArray[np.intp], n_folds: int) -> npt.NDArray[np.intp]:
    """Fold of each flash: consecutive selections, whole ones, in the order of time.

    Parameters
    ----------
    i_selection : ndarray of int, shape (n,)
        Not decreasing.
    n_folds : int
        At most; no more than there are selections.
    """
    _, numbers = np.unique(i_selection, return_inverse=True)
    n_selections = int(numbers.max()) + 1
    n_folds = min(n_folds, n_selections)
    return np.asarray(numbers * n_folds // n_selections, dtype=np.intp)


def crossed_scores(
    epochs: FloatArray,
    is_target: Labels,
    folds: npt.NDArray[np.intp],
    scorer: Scorer = score_by_probe,
) -> FloatArray:
    """Scores of each fold by what is fitted on the others.

    Parameters
    ----------
    epochs, is_target
        As for `fit_probe`.
    folds : ndarray of int, shape (n,)
    scorer : callable

    Returns
    -------
    ndarray of float64, shape (n,)
    """
    scores = np.full(len(epochs), np.nan)
    for fold in np.unique(folds):
        used = folds != fold
        scores[folds == fold] = scorer(epochs[used], is_target[used], epochs[folds == fold])
    return scores


def fit_evidence(scores: FloatArray, is_target: Labels) -> Evidence:
    """What out-of-fold scores are worth: logistic regression, the share of targets taken off.

    Parameters
    ----------
    scores : ndarray of float64, shape (n,) or (n, n_scores)
    is_target : ndarray of bool, shape (n,)

    Returns
    -------
    Evidence
        That says nothing, where a score points the wrong way.
    """
    from sklearn.linear_model import LogisticRegression

    table = scores.reshape(len(scores), -1)
    known = np.isfinite(table).all(axis=1)
    x, y = table[known], is_target[known]
    model = LogisticRegression(C=1e3, max_iter=2000).fit(x, y)
    slopes = model.coef_[0]
    if slopes.min() <= 0:
        return Evidence((0.0,) * table.shape[1], 0.0)
    odds = np.log(y.sum() / (~y).sum())
    return Evidence(tuple(float(one) for one in slopes), float(model.intercept_[0] - odds))
