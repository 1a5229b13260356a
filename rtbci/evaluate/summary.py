"""From judged subjects to what is said of a decoder."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rtbci.evaluate import metrics
from rtbci.evaluate.record import Condition, OperatingPoint, SubjectRecord, SubjectScore
from rtbci.evaluate.statistics import NOT_NEGATIVE, SHARE, Difference, paired, summarize
from rtbci.stages.stage import FloatArray

__all__ = ["FALSE_PER_MIN_LIMIT", "METRICS", "baseline_tests", "operating_point", "summarize_condition"]

FALSE_PER_MIN_LIMIT = 2.0

KAPPA = (-1.0, 1.0)

METRICS = {
    "balanced_accuracy": SHARE,
    "accuracy": SHARE,
    "kappa": KAPPA,
    "nmcc": SHARE,
    "itr_bits_per_min": NOT_NEGATIVE,
    "imagery_windows_balanced_accuracy": SHARE,
    "online_balanced_accuracy": SHARE,
    "online_kappa": KAPPA,
    "online_nmcc": SHARE,
    "true_activation": SHARE,
    "wrong_first_activation": SHARE,
    "false_per_min": NOT_NEGATIVE,
    "late_share_of_false": SHARE,
    "first_correct_s": NOT_NEGATIVE,
    "idle_min": NOT_NEGATIVE,
}
"""All numbers that a subject has, in the order of tables, and what they can be."""

TESTED = ("balanced_accuracy", "kappa", "nmcc", "online_nmcc", "true_activation", "false_per_min")


def summarize_condition(
    name: str,
    subjects: Sequence[SubjectRecord],
    active: Sequence[str],
    selection_s: float,
    thresholds: Sequence[float],
) -> Condition:
    """Means over the subjects that have a condition, and what is pooled over their trials.

    Parameters
    ----------
    name : str
        Of the condition.
    subjects : sequence of SubjectRecord
    active : sequence of str
        Classes that are not idle, in the order of the trials' probabilities.
    selection_s : float
        What one selection takes, for the information transfer rate.
    thresholds : sequence of float
        Of the sweep.
    """
    scores = [subject.scores[name] for subject in subjects if name in subject.scores]
    over = {metric: summarize(_column(scores, metric), within) for metric, within in METRICS.items()}
    trial_bins = np.sum([one.trial_bins for one in scores], axis=0)
    window_bins = np.sum([one.window_bins for one in scores], axis=0)
    share = over["accuracy"].mean
    confidence, right = _trials(subjects, name, active)
    has_sweep = all(one.sweep_true for one in scores)
    return Condition(
        name=name,
        k=int(name.removesuffix("_base").removeprefix("k")),
        is_calibrated=name != "k0" and not name.endswith("_base"),
        n_trials=sum(one.n_trials for one in scores),
        metrics=over,
        itr_of_mean=None if share is None else metrics.itr_bits_per_min(len(active), share, selection_s),
        ece_trials=_known(metrics.expected_calibration_error(trial_bins)) if len(active) > 1 else None,
        ece_windows=_known(metrics.expected_calibration_error(window_bins)),
        trial_bins=[(row[0], row[1], row[2]) for row in trial_bins.tolist()],
        window_bins=[(row[0], row[1], row[2]) for row in window_bins.tolist()],
        coverage=[(a, b, c) for a, b, c in metrics.coverage_accuracy(confidence, right).tolist()],
        sweep_true=_sweep_mean([one.sweep_true for one in scores]) if has_sweep else [],
        sweep_false=_sweep_mean([one.sweep_false for one in scores]) if has_sweep else [],
        operating_point=operating_point(scores, thresholds) if has_sweep else None,
    )


def operating_point(
    scores: Sequence[SubjectScore], thresholds: Sequence[float], limit_per_min: float = FALSE_PER_MIN_LIMIT
) -> OperatingPoint:
    """Most true activations at no more than `limit_per_min` false ones a minute, both as means over subjects.

    Also with each subject's threshold chosen on the others: the first is a little too good, because its
    threshold was chosen on the subjects that it is stated for.
    """
    true = np.array([one.sweep_true for one in scores], dtype=np.float64)
    false = np.array([one.sweep_false for one in scores], dtype=np.float64)
    i_best = _best_threshold(true, false, limit_per_min)
    held_out = []
    for i in range(len(scores) if len(scores) > 1 else 0):
        others = np.arange(len(scores)) != i
        i_other = _best_threshold(true[others], false[others], limit_per_min)
        if i_other is not None:
            held_out.append((float(true[i, i_other]), float(false[i, i_other])))
    return OperatingPoint(
        limit_per_min=limit_per_min,
        threshold=None if i_best is None else float(thresholds[i_best]),
        true_activation=None if i_best is None else summarize(true[:, i_best], SHARE),
        false_per_min=None if i_best is None else summarize(false[:, i_best], NOT_NEGATIVE),
        held_out_true=summarize([a for a, _ in held_out], SHARE) if held_out else None,
        held_out_false=summarize([b for _, b in held_out], NOT_NEGATIVE) if held_out else None,
    )


def baseline_tests(subjects: Sequence[SubjectRecord], ks: Sequence[int]) -> list[Difference]:
    """Calibrated against not calibrated, on the same later trials of the same subjects."""
    found = []
    for k in ks:
        name, base = f"k{k}", f"k{k}_base"
        pairs = [(one.scores[base], one.scores[name]) for one in subjects if name in one.scores and k]
        if not pairs:
            continue
        for metric in TESTED:
            before, after = _column([a for a, _ in pairs], metric), _column([b for _, b in pairs], metric)
            found.append(paired(metric, base, name, before, after))
    return found


def _best_threshold(true: FloatArray, false: FloatArray, limit: float) -> int | None:
    means_true, means_false = _column_means(true), _column_means(false)
    allowed = np.flatnonzero(np.isfinite(means_true) & (means_false <= limit))
    if not allowed.size:
        return None
    return int(allowed[means_true[allowed].argmax()])


def _column_means(x: FloatArray) -> FloatArray:
    known = np.isfinite(x)
    n = known.sum(axis=0)
    return np.where(n > 0, np.where(known, x, 0.0).sum(axis=0) / np.maximum(n, 1), np.nan)


def _sweep_mean(rows: Sequence[Sequence[float | None]]) -> list[float | None]:
    return [_known(x) for x in _column_means(np.array(rows, dtype=np.float64)).tolist()]


def _trials(
    subjects: Sequence[SubjectRecord], name: str, active: Sequence[str]
) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Confidence and rightness of all judged trials."""
    confidence: list[float] = []
    right: list[bool] = []
    for subject in subjects:
        for trial in subject.trials:
            if name in trial.log_probs:
                said = trial.log_probs[name]
                confidence.append(float(np.exp(max(said))))
                right.append(active[said.index(max(said))] == trial.cue)
    return np.array(confidence), np.array(right, dtype=bool)


def _column(scores: Sequence[SubjectScore], metric: str) -> list[float]:
    found = [one.metrics.get(metric) for one in scores]
    return [float("nan") if x is None else x for x in found]


def _known(x: float) -> float | None:
    return x if np.isfinite(x) else None
