"""Judging a decoder: balanced accuracy per subject, its standard error, paired tests, tables."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from rtbci.stages.stage import FloatArray

__all__ = [
    "Score",
    "calibration_error",
    "compare",
    "markdown_table",
    "score",
    "subject_accuracies",
    "subject_folds",
]


@dataclass(frozen=True, slots=True)
class Score:
    """Balanced accuracy over subjects.

    Parameters
    ----------
    name : str
        What was judged.
    mean, se, low, high : float
        Percent: mean, standard error over subjects, 95 % interval (Student's t).
    n : int
        Subjects.
    """

    name: str
    mean: float
    se: float
    low: float
    high: float
    n: int

    def as_dict(self) -> dict[str, object]:
        """Plain numbers, for JSON."""
        return asdict(self)


def subject_folds(subjects: npt.NDArray[np.intp], n_folds: int, seed: int) -> list[npt.NDArray[np.bool_]]:
    """Split by subject: for each fold, which trials are its test trials."""
    shuffled = np.random.default_rng(seed).permutation(np.unique(subjects))
    return [np.isin(subjects, shuffled[i::n_folds]) for i in range(n_folds)]


def subject_accuracies(
    subjects: npt.NDArray[np.intp], classes: npt.NDArray[np.int64], margins: FloatArray
) -> FloatArray:
    """Balanced accuracy of each subject in percent, by ascending number.

    Parameters
    ----------
    subjects, classes : ndarray of int, shape (n_trials,)
        Classes are 0 and 1.
    margins : ndarray of float64, shape (n_trials,) or (n_trials, n_windows)
        Logit of class 1 less that of class 0; with more windows a trial, their accuracies are averaged.

    Returns
    -------
    ndarray of float64, shape (n_subjects,)
    """
    margins = margins.reshape(len(margins), -1)
    right = (margins > 0) == (classes[:, np.newaxis] == 1)
    found = []
    for subject in np.unique(subjects):
        mine = subjects == subject
        recalls = [right[mine & (classes == c)].mean() for c in np.unique(classes[mine])]
        found.append(100.0 * np.mean(recalls))
    return np.array(found)


def score(name: str, accuracies: FloatArray) -> Score:
    """Mean over subjects with its 95 % interval."""
    n = len(accuracies)
    mean, se = float(accuracies.mean()), float(accuracies.std(ddof=1) / np.sqrt(n))
    half = float(stats.t.ppf(0.975, n - 1)) * se
    return Score(name, mean, se, mean - half, mean + half, n)


def compare(name: str, first: FloatArray, second: FloatArray) -> dict[str, object]:
    """Paired comparison over the same subjects: mean difference, its standard error, two-sided p values."""
    difference = first - second
    if not difference.any():
        return {"name": name, "difference": 0.0, "se": 0.0, "p_t": 1.0, "p_wilcoxon": 1.0}
    n, mean = len(difference), float(difference.mean())
    se = float(difference.std(ddof=1) / np.sqrt(n))
    return {
        "name": name,
        "difference": mean,
        "se": se,
        "p_t": float(2.0 * stats.t.sf(abs(mean) / se, n - 1)) if se > 0 else 0.0,
        "p_wilcoxon": float(stats.wilcoxon(difference).pvalue),
    }


def calibration_error(probs: FloatArray, classes: npt.NDArray[np.int64], n_bins: int = 10) -> float:
    """Expected calibration error of the most probable class, in bins of equal width (Guo et al. 2017)."""
    confidence, right = probs.max(axis=1), probs.argmax(axis=1) == classes
    bins = np.minimum((confidence * n_bins).astype(int), n_bins - 1)
    gaps = [
        abs(confidence[bins == i].mean() - right[bins == i].mean()) * (bins == i).mean()
        for i in np.unique(bins)
    ]
    return float(np.sum(gaps))


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows as a Markdown table."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])
