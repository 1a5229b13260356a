"""How far people's heads lie from the population's: the prior that a calibration moves a tangent branch with.

Each training subject's change of the head is fitted on all of its trials, with the same prior for all weights, around a
decoder of other training subjects. Which weights these changes use is what people differ in.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from rtbci.probe.head_change import fit_change
from rtbci.probe.head_features import tangent_features
from rtbci.probe.tangent import TangentProbe
from rtbci.stages.stage import FloatArray
from tools.training.judge import subject_folds
from tools.training.tangent_fit import INVERSE_PENALTY

__all__ = ["PRECISION", "sided_change", "sided_features", "user_spread"]

FLAT_PRECISION = 10.0
"""Of the change that is fitted for each training subject, in units of the tangent space."""

PRECISION = 4.0
"""Mean inverse variance of the prior that comes of it; chosen by the log loss after five and ten trials, docs/calibration.md."""

LEAST = 1e-3
"""What lies on the midline has no side: nothing is learnt of it, but a spread is above 0."""

N_INNER = 4


def sided_features(
    probe: TangentProbe, covariances: Sequence[FloatArray], mirror: Sequence[int]
) -> FloatArray:
    """Half the difference between a trial's tangent vectors and those of its mirror image, shape (n_windows, n_trials, n_features).

    A head that gives a mirrored trial the other answer reads nothing else.

    Parameters
    ----------
    probe : TangentProbe
        The population's.
    covariances : sequence of ndarray of float64, each of shape (n_trials, n_bands, n_channels, n_channels)
        Of each window of a trial that a calibration fits on; not shrunk.
    mirror : sequence of int
        See `rtbci.stream.labels.mirror_columns`.
    """
    columns = np.array(mirror)
    found = []
    for one in covariances:
        image = tangent_features(probe, one[..., columns, :][..., columns])
        found.append((tangent_features(probe, one) - image) / 2.0)
    return np.stack(found)


def user_spread(
    sided: FloatArray, classes: npt.NDArray[np.int64], subjects: npt.NDArray[np.intp]
) -> FloatArray:
    """Standard deviation of the prior on the change of each weight; see `rtbci.probe.profile_record.SPREAD_NAME`.

    Parameters
    ----------
    sided : ndarray of float64, shape (n_windows, n_trials, n_features)
        See `sided_features`.
    classes : ndarray of int64, shape (n_trials,)
        0 and 1, each other's mirror image.
    subjects : ndarray of int, shape (n_trials,)
        Training subjects only.

    Returns
    -------
    ndarray of float64, shape (n_features,)
        Its mean square is 1 / `PRECISION`; at least `LEAST`.
    """
    changes, flat = [], FLAT_PRECISION**-0.5
    for inner in subject_folds(subjects, N_INNER, 0):
        margins = _margins(sided, classes, ~inner)
        changes += [
            sided_change(sided[:, rows] * flat, classes[rows], margins[:, rows]) * flat
            for rows in (np.flatnonzero(subjects == one) for one in np.unique(subjects[inner]))
        ]
    square = np.mean(np.square(changes), axis=0)
    return np.asarray(np.maximum(np.sqrt(square / square.mean() / PRECISION), LEAST))


def _margins(sided: FloatArray, classes: npt.NDArray[np.int64], used: npt.NDArray[np.bool_]) -> FloatArray:
    """What a head says of all windows that was fitted on some trials, shape (n_windows, n_trials)."""
    n_windows = len(sided)
    rows = sided[:, used].reshape(-1, sided.shape[-1])
    # Twice the population's: there each trial and its image are rows of their own.
    head = LogisticRegression(C=2.0 * INVERSE_PENALTY, fit_intercept=False, max_iter=500)
    head.fit(rows, np.tile(classes[used], n_windows))
    return np.asarray(sided @ head.coef_[0])


def sided_change(sided: FloatArray, classes: npt.NDArray[np.int64], margins: FloatArray) -> FloatArray:
    """One person's change of the difference between two classes' weights, with a prior of variance one on each.

    Parameters
    ----------
    sided : ndarray of float64, shape (n_windows, n_trials, n_features)
        See `sided_features`; times the prior's standard deviation.
    classes : ndarray of int64, shape (n_trials,)
    margins : ndarray of float64, shape (n_windows, n_trials)
        What the head that is changed says.

    Returns
    -------
    ndarray of float64, shape (n_features,)
        For features scaled in the same way.
    """
    n_windows, _, n_features = sided.shape
    # Each trial and its image, half each, so that nothing is learnt that is not of a side.
    x = np.concatenate([sided, -sided]).reshape(-1, n_features) / np.sqrt(2.0)
    half = np.concatenate([margins, -margins]).ravel() / 2.0
    labels = np.concatenate([np.tile(classes, n_windows), np.tile(1 - classes, n_windows)]).astype(np.intp)
    weights = np.full(len(x), 0.5 / n_windows)
    change = fit_change(x, np.stack([-half, half], axis=1), labels, weights, 1.0)
    return np.asarray((change.weight[1] - change.weight[0]) / np.sqrt(2.0))
