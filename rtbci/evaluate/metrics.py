"""How good a decoder is, in the field's usual numbers. Plain functions of arrays; NaN where undefined."""

import math

import numpy as np
import numpy.typing as npt

from rtbci.stages.stage import FloatArray

__all__ = [
    "accuracy",
    "balanced_accuracy",
    "confusion",
    "coverage_accuracy",
    "expected_calibration_error",
    "itr_bits_per_min",
    "kappa",
    "nmcc",
    "reliability",
]

Labels = npt.NDArray[np.intp]


def confusion(true: Labels, predicted: Labels, n_classes: int) -> FloatArray:
    """Counts, shape (n_classes, n_classes): row true class, column predicted class."""
    flat = np.bincount(true * n_classes + predicted, minlength=n_classes * n_classes)
    return flat.reshape(n_classes, n_classes).astype(np.float64)


def accuracy(counts: FloatArray) -> float:
    """Share of right predictions in a confusion matrix."""
    total = counts.sum()
    return float(np.trace(counts) / total) if total else math.nan


def balanced_accuracy(counts: FloatArray) -> float:
    """Mean recall over all classes; NaN when a class never occurs."""
    occurs = counts.sum(axis=1)
    return float(np.mean(np.diag(counts) / occurs)) if occurs.all() else math.nan


def kappa(counts: FloatArray) -> float:
    """Agreement beyond chance (Cohen 1960, doi 10.1177/001316446002000104); NaN when chance is perfect."""
    total = counts.sum()
    if not total:
        return math.nan
    expected = float(counts.sum(axis=1) @ counts.sum(axis=0) / total**2)
    return (accuracy(counts) - expected) / (1.0 - expected) if expected < 1.0 else math.nan


def nmcc(counts: FloatArray) -> float:
    """Matthews correlation of several classes, mapped to 0 to 1: ``(MCC + 1) / 2``, 0.5 is chance.

    Gorodkin 2004, doi 10.1016/j.compbiolchem.2004.09.006. A constant prediction gives 0.5; NaN when only one
    class occurs.
    """
    total, right = counts.sum(), np.trace(counts)
    true, predicted = counts.sum(axis=1), counts.sum(axis=0)
    spread_true, spread_predicted = total**2 - true @ true, total**2 - predicted @ predicted
    if not spread_true:
        return math.nan
    if not spread_predicted:
        return 0.5
    covariance = total * right - true @ predicted
    return float((covariance / math.sqrt(spread_true * spread_predicted) + 1.0) / 2.0)


def itr_bits_per_min(n_classes: int, share_right: float, seconds: float) -> float:
    """Information transfer rate (Wolpaw et al. 2000, doi 10.1109/TRE.2000.847807), in bit per minute.

    ``log2 N + P log2 P + (1 - P) log2((1 - P) / (N - 1))`` a selection: 0 at and below chance (the formula rises again
    below it), log2 N at P = 1. It takes all classes as equally likely and equally well decoded.

    Parameters
    ----------
    n_classes : int
    share_right : float
        Accuracy, 0 to 1.
    seconds : float
        What one selection takes.
    """
    p = share_right
    if math.isnan(p):
        return math.nan
    if p <= 1.0 / n_classes:
        return 0.0
    wrong = 0.0 if p >= 1.0 else (1.0 - p) * math.log2((1.0 - p) / (n_classes - 1))
    return (math.log2(n_classes) + p * math.log2(p) + wrong) * 60.0 / seconds


def reliability(confidence: FloatArray, right: npt.NDArray[np.bool_], n_bins: int = 10) -> FloatArray:
    """Counts for a reliability diagram; those of several subjects may be added.

    Parameters
    ----------
    confidence : ndarray of float64, shape (n,)
        Probability of the predicted class.
    right : ndarray of bool, shape (n,)
    n_bins : int
        Bins of equal width from 0 to 1; the upper edge belongs to a bin only at 1.

    Returns
    -------
    ndarray of float64, shape (n_bins, 3)
        In each bin: number of predictions, sum of their confidences, number of right ones.
    """
    bins = np.clip((confidence * n_bins).astype(np.intp), 0, n_bins - 1)
    columns = (None, confidence, right.astype(np.float64))
    return np.stack([np.bincount(bins, weights=one, minlength=n_bins) for one in columns], axis=1).astype(
        np.float64
    )


def expected_calibration_error(bins: FloatArray) -> float:
    """Mean distance of confidence and accuracy over the bins of `reliability`, weighted by their numbers.

    Guo et al. 2017, On calibration of modern neural networks.
    """
    total = bins[:, 0].sum()
    return float(np.abs(bins[:, 1] - bins[:, 2]).sum() / total) if total else math.nan


def coverage_accuracy(confidence: FloatArray, right: npt.NDArray[np.bool_], n_points: int = 20) -> FloatArray:
    """Accuracy when only the most confident predictions are taken.

    Returns
    -------
    ndarray of float64, shape (n_points, 3)
        Coverage (share of the predictions taken), their accuracy, and the least confidence among them.
        Of equal confidences those right and wrong are taken in their overall proportion.
    """
    order = np.argsort(-confidence, kind="stable")
    sure = confidence[order]
    n = len(sure)
    rows = []
    for i in range(1, n_points + 1):
        taken = max(1, round(n * i / n_points)) if n else 0
        if not taken:
            return np.full((n_points, 3), np.nan)
        rows.append((taken / n, _accuracy_of_top(sure, right[order], taken), sure[taken - 1]))
    return np.array(rows)


def _accuracy_of_top(sure: FloatArray, right: npt.NDArray[np.bool_], taken: int) -> float:
    first, last = (
        np.searchsorted(-sure, -sure[taken - 1], "left"),
        np.searchsorted(-sure, -sure[taken - 1], "right"),
    )
    tied = right[first:last].mean()
    return float((right[:first].sum() + (taken - first) * tied) / taken)
