"""What competes for a user: the promises of a way to fit a decoder, and of a decoder that was fitted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from rtbci.calibrate.features import TrialFeatures
from rtbci.probe.head_change import Labels
from rtbci.probe.profile import Profile
from rtbci.probe.refit import trial_weights
from rtbci.stages.stage import FloatArray

__all__ = ["ANY_GAIN", "FROM_PEOPLE", "Candidate", "Evidence", "Fitted", "folds_of", "rows_of_trials"]

N_FOLDS = 5


@dataclass(frozen=True)
class Evidence:
    """What speaks for a decoder, against the population's.

    Parameters
    ----------
    n_errors : float
        The mean gain must exceed so many of its standard errors over the trials. Below zero: other people's data speak for
        the decoder, so it stands in the population's place unless its loss is higher by so many.
    least_gain : float
        And so many nats a trial, unless `n_errors` is below zero.
    least_trials : int
        Of each class.
    """

    n_errors: float = 0.0
    least_gain: float = 0.0
    least_trials: int = 2


ANY_GAIN = Evidence()
"""For a decoder that a strong prior holds near the population's."""

FROM_PEOPLE = Evidence(n_errors=-2.0)
"""For one whose prior is learned from how people differ."""


class Fitted(Protocol):
    """A decoder fitted to a user."""

    def logits(self, trial: TrialFeatures) -> FloatArray:
        """Logits of a trial's windows, shape (n_windows, n_classes), before the temperature."""
        ...

    def profile(self) -> Profile:
        """The decoder as it runs: classes, layout and stages of the population's profile, other weights."""
        ...


class Candidate(Protocol):
    """A way to fit a decoder.

    Attributes
    ----------
    name : str
        For people.
    evidence : Evidence
        What its gain over the population must be, for it to be chosen.
    """

    @property
    def name(self) -> str:
        """For people."""
        ...

    @property
    def evidence(self) -> Evidence:
        """When it is chosen."""
        ...

    def fit(self, trials: Sequence[TrialFeatures]) -> Fitted:
        """Fit to trials of two classes or more."""
        ...


def rows_of_trials(
    features: Sequence[FloatArray], trials: Sequence[TrialFeatures]
) -> tuple[FloatArray, Labels, FloatArray]:
    """Windows below each other, with labels, and weights such that each trial counts one."""
    counts = [len(one) for one in features]
    labels = np.repeat([trial.i_class for trial in trials], counts)
    return np.concatenate(features), labels, trial_weights(np.repeat(np.arange(len(trials)), counts))


def folds_of(labels: Sequence[int] | Labels) -> Labels:
    """Fold of each trial: the trials of a class go to the folds in turn, so that folds are balanced and spread in time.

    Examples
    --------
    >>> folds_of([0, 1, 0, 0, 1, 1]).tolist()
    [0, 0, 1, 2, 1, 2]
    """
    classes = np.asarray(labels, dtype=np.intp)
    smallest = min(int((classes == one).sum()) for one in np.unique(classes))
    n_folds = max(2, min(N_FOLDS, smallest))
    folds = np.empty(len(classes), dtype=np.intp)
    for one in np.unique(classes):
        rows = np.flatnonzero(classes == one)
        folds[rows] = np.arange(len(rows)) % n_folds
    return folds
