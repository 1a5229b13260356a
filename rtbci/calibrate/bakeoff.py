"""Which decoder a user gets: every candidate judged on the same trials, each trial by a fit that did not see it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax

from rtbci.calibrate.candidates import Population
from rtbci.calibrate.competing import Candidate, Evidence, Fitted, folds_of
from rtbci.calibrate.features import TrialFeatures
from rtbci.clock import now
from rtbci.stages.stage import FloatArray

__all__ = ["BakeOff", "Outcome", "choose", "losses", "run_bakeoff"]

MIN_TRIALS = 2
"""Of each class: with fewer nothing can be judged by trials that were left out."""

Labels = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Outcome:
    """How one candidate did.

    Parameters
    ----------
    candidate : Candidate
    logits : ndarray of float64, shape (n_trials, n_classes)
        Of the window that a trial is judged by, divided by the temperature that the decoder's profile has;
        each trial by a fit without it. NaN where the fit failed.
    seconds : float
    note : str
        Why it failed; empty otherwise.
    """

    candidate: Candidate
    logits: FloatArray
    seconds: float = 0.0
    note: str = ""


@dataclass(frozen=True)
class BakeOff:
    """All candidates on the same trials.

    Parameters
    ----------
    labels : ndarray of int, shape (n_trials,)
    outcomes : list of Outcome
        The population's first.
    i_chosen : int
    nested : ndarray of float64, shape (n_trials, n_classes)
        Logits of the decoder that would have been chosen without the trial: what the whole procedure,
        choice included, does for new trials.
    """

    labels: Labels
    outcomes: list[Outcome]
    i_chosen: int
    nested: FloatArray = field(repr=False)

    @property
    def chosen(self) -> Candidate:
        """The candidate that is used."""
        return self.outcomes[self.i_chosen].candidate


def run_bakeoff(candidates: Sequence[Candidate], trials: Sequence[TrialFeatures]) -> BakeOff:
    """Judge all candidates and choose one.

    Parameters
    ----------
    candidates : sequence of Candidate
        The population's decoder first.
    trials : sequence of TrialFeatures
        In the order of their cues.
    """
    labels = np.array([trial.i_class for trial in trials], dtype=np.intp)
    outcomes = [_outcome(candidate, trials) for candidate in candidates]
    return BakeOff(labels, outcomes, _best(outcomes, labels), _nested(outcomes, trials, labels))


def _crossed_logits(candidate: Candidate, trials: Sequence[TrialFeatures]) -> FloatArray:
    """Logits of each trial by a fit on the other folds; see `Outcome.logits`."""
    if isinstance(candidate, Population):
        return _judged(candidate, trials)
    found = np.full((len(trials), trials[0].logits.shape[1]), np.nan)
    folds = folds_of([trial.i_class for trial in trials])
    for fold in range(folds.max() + 1):
        fitted = candidate.fit([trial for trial, k in zip(trials, folds, strict=True) if k != fold])
        rows = np.flatnonzero(folds == fold).tolist()
        found[rows] = _judged(fitted, [trials[i] for i in rows])
    return found


def can_judge(labels: Sequence[int] | Labels) -> bool:
    """Whether there are enough trials of two classes or more."""
    _, counts = np.unique(np.asarray(labels), return_counts=True)
    return len(counts) > 1 and counts.min() >= MIN_TRIALS


def losses(logits: FloatArray, labels: Labels) -> FloatArray:
    """Cross-entropy of each trial over the classes that were asked for, in nats, shape (n_trials,); NaN where not judged."""
    used, columns = np.unique(labels, return_inverse=True)
    log_probs = log_softmax(logits[:, used], axis=1)
    return np.asarray(-log_probs[np.arange(len(labels)), columns])


def choose(loss: Sequence[FloatArray], evidence: Sequence[Evidence], labels: Labels) -> int:
    """Index of the candidate to use.

    Parameters
    ----------
    loss : sequence of ndarray of float64, shape (n_trials,)
        Of each candidate on the same trials, the population's first.
    evidence : sequence of Evidence
        What each needs to be chosen instead of the population's, or of the one that stands in its place.
    labels : ndarray of int, shape (n_trials,)

    Returns
    -------
    int
        Of those with enough evidence the one with the lowest loss; where there is none the population's, or the one that
        stands in its place.
    """
    _, counts = np.unique(labels, return_counts=True)
    held = 0
    for i, needed in enumerate(evidence):
        mean, error = _gain(loss[0], loss[i])
        if needed.n_errors < 0 and counts.min() >= needed.least_trials and mean > needed.n_errors * error:
            held = i
    best, best_gain = held, 0.0
    for i, needed in enumerate(evidence):
        mean, error = _gain(loss[held], loss[i])
        enough = max(needed.n_errors * error, needed.least_gain, best_gain)
        if i not in (0, held) and counts.min() >= needed.least_trials and mean > enough:
            best, best_gain = i, mean
    return best


def _gain(base: FloatArray, other: FloatArray) -> tuple[float, float]:
    """Mean gain over the trials and its standard error; NaN where one was not judged."""
    gain = base - other
    return float(gain.mean()), float(gain.std(ddof=1)) / np.sqrt(len(gain))


def _best(outcomes: Sequence[Outcome], labels: Labels) -> int:
    """Index of the outcome whose candidate is used."""
    evidence = [one.candidate.evidence for one in outcomes]
    return choose([losses(one.logits, labels) for one in outcomes], evidence, labels)


def _outcome(candidate: Candidate, trials: Sequence[TrialFeatures]) -> Outcome:
    t_start = now()
    try:
        logits = _crossed_logits(candidate, trials)
    except ValueError as error:  # LinAlgError too: one that cannot be fitted leaves the race, not the run
        failed = np.full((len(trials), trials[0].logits.shape[1]), np.nan)
        return Outcome(candidate, failed, now() - t_start, f"could not be fitted: {error}")
    return Outcome(candidate, logits, now() - t_start)


def _nested(outcomes: Sequence[Outcome], trials: Sequence[TrialFeatures], labels: Labels) -> FloatArray:
    """See `BakeOff.nested`; the population's where too few trials are left to choose by."""
    folds = folds_of(labels)
    found = outcomes[0].logits.copy()
    for fold in range(folds.max() + 1):
        rows = folds == fold
        if not can_judge(labels[~rows]):
            continue
        inside = [trial for trial, is_left_out in zip(trials, rows, strict=True) if not is_left_out]
        best = _best([_outcome(one.candidate, inside) for one in outcomes], labels[~rows])
        # The chosen one's fit without this fold is the one that `_crossed_logits` has judged it by.
        found[rows] = outcomes[best].logits[rows]
    return found


def _judged(fitted: Fitted, trials: Sequence[TrialFeatures]) -> FloatArray:
    temperature = fitted.profile().temperature
    return np.stack([fitted.logits(trial)[-1] for trial in trials]) / temperature
