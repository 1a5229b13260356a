"""The eye check: how far the decoder's output can be predicted from frontal electrodes alone."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rtbci.errors import MissingPackageError
from rtbci.evaluate import metrics
from rtbci.evaluate.frontal import eye_rule, side_classes
from rtbci.evaluate.record import EyeCheck
from rtbci.evaluate.statistics import SHARE, Summary, summarize
from rtbci.installing import pip_extra
from rtbci.stages.stage import FloatArray

__all__ = ["LIMIT_R2", "check_eyes", "need_sklearn"]

LIMIT_R2 = 0.1
"""Above this share of explained variance the output may be gaze; see docs/evaluation.md for what was measured."""

MIN_SUBJECTS = 3
MAX_FOLDS = 10
PENALTIES = np.logspace(0, 6, 13)
CLIP_SD = 5.0
"""Blinks are tens of standard deviations; they would rule a linear fit."""


def need_sklearn() -> None:
    """Fail early where the package of the regression is missing.

    Raises
    ------
    MissingPackageError
        When scikit-learn is not installed.
    """
    try:
        import sklearn  # noqa: F401
    except ImportError as error:
        raise MissingPackageError(
            f"eval: scikit-learn is not installed, need it for the eye check; {pip_extra('eval')}"
        ) from error


def check_eyes(
    frontal: Sequence[str],
    features: Sequence[FloatArray],
    margins: Sequence[FloatArray],
    i_classes: Sequence[npt.NDArray[np.intp]],
    lateral_uv: Sequence[FloatArray],
    classes: Sequence[str],
) -> EyeCheck:
    """Predict margins and classes from frontal features, always of subjects that the fit has not seen.

    Parameters
    ----------
    frontal : sequence of str
        Frontal electrodes that all subjects have.
    features : sequence of ndarray, shape (n_trials, n_features), one for each subject
    margins : sequence of ndarray, shape (n_trials, n_active)
        The decoder's output: logarithms of the probabilities, less their mean over the classes.
    i_classes : sequence of ndarray of int, shape (n_trials,)
        Position of the class asked for among `classes`.
    lateral_uv : sequence of ndarray, shape (n_trials,)
        For the untrained rule.
    classes : sequence of str
        Active classes.
    """
    rule = _rule_accuracy(lateral_uv, i_classes, classes)
    n_trials = sum(map(len, margins))
    if len(classes) < 2:
        note = "cannot be checked: one class that is not idle, so no choice that the eyes could tell"
        return _unchecked(frontal, n_trials, None, note)
    if not frontal:
        note = "cannot be checked: no frontal electrode was recorded, so nothing says where the eyes went"
        return _unchecked(frontal, n_trials, rule, note)
    if len(features) < MIN_SUBJECTS:
        note = f"cannot be checked: {len(features)} subjects, need {MIN_SUBJECTS} or more to predict some from others"
        return _unchecked(frontal, n_trials, rule, note)
    x = np.concatenate([_standardized(one) for one in features])
    y = np.concatenate([one - one.mean(axis=0) for one in margins])
    groups = np.repeat(np.arange(len(features)), [len(one) for one in features])
    labels = np.concatenate(list(i_classes))
    predicted, guessed = _predict(x, y, labels, groups)
    total = float(np.square(y).sum())
    r2 = 1.0 - float(np.square(y - predicted).sum()) / total if total else 0.0
    accuracies = [_accuracy(guessed[groups == i], one, len(classes)) for i, one in enumerate(i_classes)]
    is_above = r2 > LIMIT_R2
    return EyeCheck(
        channels=list(frontal),
        n_trials=n_trials,
        n_features=x.shape[1],
        r2=r2,
        frontal_accuracy=summarize(accuracies, SHARE),
        eye_rule=rule,
        limit_r2=LIMIT_R2,
        is_above=is_above,
        note=(
            f"frontal electrodes alone explain {100 * r2:.0f} % of the decoder's output, more than "
            f"{100 * LIMIT_R2:.0f} %: it may follow the eyes; do not call its accuracy imagery"
            if is_above
            else f"frontal electrodes alone explain {100 * max(r2, 0.0):.0f} % of the decoder's output"
        ),
    )


def _unchecked(frontal: Sequence[str], n_trials: int, rule: Summary | None, note: str) -> EyeCheck:
    return EyeCheck(
        channels=list(frontal),
        n_trials=n_trials,
        n_features=0,
        r2=None,
        frontal_accuracy=None,
        eye_rule=rule,
        limit_r2=LIMIT_R2,
        is_above=False,
        note=note,
    )


def _standardized(features: FloatArray) -> FloatArray:
    """Z-scores over a subject's trials: electrodes and heads differ. It favours the control, never the decoder."""
    spread = features.std(axis=0)
    scores = (features - features.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return np.asarray(np.clip(scores, -CLIP_SD, CLIP_SD))


def _predict(
    x: FloatArray, y: FloatArray, labels: npt.NDArray[np.intp], groups: npt.NDArray[np.intp]
) -> tuple[FloatArray, npt.NDArray[np.intp]]:
    """Out-of-fold margins and classes, folds by subject; the penalty is chosen inside the training part."""
    from sklearn.linear_model import RidgeClassifierCV, RidgeCV
    from sklearn.model_selection import GroupKFold

    predicted, guessed = np.zeros_like(y), np.zeros_like(labels)
    folds = GroupKFold(min(MAX_FOLDS, len(np.unique(groups))))
    for train, test in folds.split(x, labels, groups):
        margins = RidgeCV(PENALTIES).fit(x[train], y[train]).predict(x[test])
        predicted[test] = np.asarray(margins, dtype=np.float64).reshape(y[test].shape)
        classes = RidgeClassifierCV(PENALTIES).fit(x[train], labels[train]).predict(x[test])
        guessed[test] = np.asarray(classes, dtype=np.intp)
    return predicted, guessed


def _rule_accuracy(
    lateral_uv: Sequence[FloatArray], i_classes: Sequence[npt.NDArray[np.intp]], classes: Sequence[str]
) -> Summary | None:
    """Of the trials that asked for the left or the right side: a rule that names a side is never right in others."""
    sides = side_classes(classes)
    if sides is None:
        return None
    left_right = [classes[i] for i in sides]
    accuracies = []
    for lateral, labels in zip(lateral_uv, i_classes, strict=True):
        known = np.isfinite(lateral) & np.isin(labels, sides)
        guessed = eye_rule(lateral[known], left_right)
        if guessed is not None and known.any():
            asked = (labels[known] == sides[1]).astype(np.intp)
            accuracies.append(_accuracy(guessed, asked, len(left_right)))
    return summarize(accuracies, SHARE) if accuracies else None


def _accuracy(guessed: npt.NDArray[np.intp], labels: npt.NDArray[np.intp], n_classes: int) -> float:
    return metrics.balanced_accuracy(metrics.confusion(labels, guessed, n_classes))
