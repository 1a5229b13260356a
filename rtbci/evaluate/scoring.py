"""One subject in one condition: from windows and trials to numbers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax, softmax

from rtbci.evaluate import metrics
from rtbci.evaluate.online import Counts, Span, count_activations, decide, held_labels, thresholds
from rtbci.evaluate.record import SubjectScore
from rtbci.evaluate.trials import IDLE, Track
from rtbci.recipes import DecisionSettings, ParadigmRecipe, idle_class
from rtbci.stages.stage import FloatArray

__all__ = ["Rules", "active_log_probs", "score_condition", "span_probs"]


@dataclass(frozen=True)
class Rules:
    """What scoring needs to know of the paradigm.

    Parameters
    ----------
    classes : tuple of str
    decision : DecisionSettings
    hop_s : float
    track : Track
    """

    classes: tuple[str, ...]
    decision: DecisionSettings
    hop_s: float
    track: Track

    @classmethod
    def of(cls, recipe: ParadigmRecipe, track: Track) -> "Rules":
        """Rules of a recipe."""
        return cls(recipe.classes, recipe.decision, recipe.window.hop_s, track)

    @property
    def idle(self) -> int | None:
        """Index of the idle class, or None."""
        return idle_class(self.classes)

    @property
    def active(self) -> list[int]:
        """Indices of the classes that are not idle."""
        return [i for i in range(len(self.classes)) if i != self.idle]


def active_log_probs(logits: FloatArray, temperature: float, rules: Rules) -> FloatArray:
    """Logarithms of the probabilities of the active classes given that it is one of them, (n, n_active)."""
    return np.asarray(log_softmax(logits[:, rules.active] / temperature, axis=1))


def score_condition(
    log_probs: FloatArray, i_classes: npt.NDArray[np.intp], spans: Sequence[Span], rules: Rules, sweep: bool
) -> SubjectScore:
    """Score a subject's judged trials and the recordings around them.

    Parameters
    ----------
    log_probs : ndarray of float64, shape (n_trials, n_active)
        From `active_log_probs`.
    i_classes : ndarray of int, shape (n_trials,)
        Classes asked for.
    spans : sequence of Span
        What is judged pseudo-online, run by run.
    rules : Rules
    sweep : bool
        Whether to try all thresholds too.
    """
    labels = np.searchsorted(rules.active, i_classes)
    right = log_probs.argmax(axis=1) == labels
    numbers = _cue_locked(log_probs, labels, rules)
    numbers |= _online(spans, rules) | _imagery_windows(spans, rules)
    true, false = _sweep(spans, rules) if sweep else ([], [])
    return SubjectScore(
        n_trials=len(labels),
        metrics={name: None if math.isnan(x) else float(x) for name, x in numbers.items()},
        trial_bins=_rows(metrics.reliability(np.exp(log_probs.max(axis=1)), right)),
        window_bins=_rows(_window_reliability(spans, rules)),
        sweep_true=true,
        sweep_false=false,
    )


def _cue_locked(log_probs: FloatArray, labels: npt.NDArray[np.intp], rules: Rules) -> dict[str, float]:
    n = len(rules.active)
    if n < 2:  # one class alone is no choice: always right, and never good
        return dict.fromkeys(("balanced_accuracy", "accuracy", "kappa", "nmcc", "itr_bits_per_min"), math.nan)
    counts = metrics.confusion(labels, log_probs.argmax(axis=1), n)
    share = metrics.accuracy(counts)
    return {
        "balanced_accuracy": metrics.balanced_accuracy(counts),
        "accuracy": share,
        "kappa": metrics.kappa(counts),
        "nmcc": metrics.nmcc(counts),
        "itr_bits_per_min": metrics.itr_bits_per_min(n, share, rules.track.end_s),
    }


def _online(spans: Sequence[Span], rules: Rules) -> dict[str, float]:
    """Activations by the decision's policy, and its state at every window with idle as a class of its own."""
    counts, n = Counts(), len(rules.active)
    states = np.zeros((n + 1, n + 1))
    for span in spans:
        decided = decide(span, rules.classes, rules.decision)
        count_activations(counts, span, decided, rules.hop_s, rules.decision.refractory_s)
        held, full = held_labels(span, rules.classes, rules.decision), span.full
        states += metrics.confusion(_state(span.labels[full], rules), _state(held[full], rules), n + 1)
    n_trials = counts.n_trials or math.nan
    return {
        "online_balanced_accuracy": metrics.balanced_accuracy(states),
        "online_kappa": metrics.kappa(states),
        "online_nmcc": metrics.nmcc(states),
        "true_activation": counts.true_share,
        "wrong_first_activation": counts.n_wrong_first / n_trials,
        "false_per_min": counts.false_per_min,
        "late_share_of_false": counts.n_late / counts.n_false if counts.n_false else math.nan,
        "first_correct_s": float(np.mean(counts.first_right_s)) if counts.first_right_s else math.nan,
        "idle_min": counts.idle_s / 60.0,
    }


def _state(labels: npt.NDArray[np.intp], rules: Rules) -> npt.NDArray[np.intp]:
    """Positions among the active classes; idle is the last."""
    n = len(rules.active)
    return np.where(labels == IDLE, n, np.searchsorted(rules.active, np.maximum(labels, 0))).astype(np.intp)


def _imagery_windows(spans: Sequence[Span], rules: Rules) -> dict[str, float]:
    n = len(rules.active)
    counts = np.zeros((n, n))
    for span in spans:
        inside = span.full & (span.labels != IDLE)
        predicted = span.probs[inside][:, rules.active].argmax(axis=1)
        counts += metrics.confusion(_state(span.labels[inside], rules), predicted, n)
    return {"imagery_windows_balanced_accuracy": metrics.balanced_accuracy(counts) if n > 1 else math.nan}


def _window_reliability(spans: Sequence[Span], rules: Rules) -> FloatArray:
    """Without an idle class only windows of imagery have a right answer; with one, all have."""
    bins = np.zeros((10, 3))
    for span in spans:
        labels, used = span.labels, span.full
        if rules.idle is None:
            used = used & (labels != IDLE)
        true = np.where(labels == IDLE, rules.idle if rules.idle is not None else 0, labels)[used]
        probs = span.probs[used]
        if len(probs):
            bins += metrics.reliability(probs.max(axis=1), probs.argmax(axis=1) == true)
    return bins


def _sweep(spans: Sequence[Span], rules: Rules) -> tuple[list[float | None], list[float | None]]:
    true: list[float | None] = []
    false: list[float | None] = []
    for threshold in thresholds(len(rules.classes)).tolist():
        settings = rules.decision.model_copy(update={"threshold": threshold})
        counts = Counts()
        for span in spans:
            decided = decide(span, rules.classes, settings)
            count_activations(counts, span, decided, rules.hop_s, settings.refractory_s)
        true.append(counts.true_share if counts.n_trials else None)
        false.append(counts.false_per_min if counts.idle_s else None)
    return true, false


def _rows(bins: FloatArray) -> list[tuple[float, float, float]]:
    return [(float(n), float(confidence), float(right)) for n, confidence, right in bins]


def span_probs(logits: FloatArray, temperature: float) -> FloatArray:
    """Probabilities as `Fusion.probs` gives them, for all windows at once; NaN stays."""
    return np.asarray(softmax(logits / temperature, axis=1))
