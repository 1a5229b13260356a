"""Whether there are enough trials: accuracy with its interval, what more trials would bring, when to stop."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import beta, binomtest

from rtbci.calibrate.protocol import StoppingSettings
from rtbci.evaluate.metrics import balanced_accuracy, confusion
from rtbci.probe.calibration_record import CandidateScore, CurvePoint
from rtbci.stages.stage import FloatArray

__all__ = [
    "Judgement",
    "advice_for",
    "describe",
    "interval",
    "is_enough",
    "judge",
    "judge_counts",
    "projected_half_width",
    "sign_test",
    "worse_alone",
]

Labels = npt.NDArray[np.intp]
LEVEL = 0.95
CLEARLY = 5.0
"""Percentage points: a trial of twenty."""
AT_CHANCE = (
    "Do what a cue asks for in the same way each time, keep eyes and face still, and record more trials."
)
"""Where the protocol says nothing."""


@dataclass(frozen=True)
class Judgement:
    """How good a decoder is, on trials that its fit did not see.

    Parameters
    ----------
    accuracy, low, high : float
        Balanced accuracy in percent and its 95 % interval.
    counts : ndarray of float64, shape (n_classes, n_classes)
        Row class asked for, column answer; of the classes that occur.
    chance : float
        Percent.
    """

    accuracy: float
    low: float
    high: float
    counts: FloatArray
    chance: float

    @property
    def usable(self) -> bool:
        """Whether the whole interval is above chance."""
        return self.low > self.chance

    @property
    def half_width(self) -> float:
        """Half of the interval, percent."""
        return (self.high - self.low) / 2.0

    def point(self) -> CurvePoint:
        """As it stands in the learning curve."""
        return CurvePoint(
            n_trials=int(self.counts.sum()),
            accuracy=round(self.accuracy, 2),
            low=round(self.low, 2),
            high=round(self.high, 2),
        )


def judge(logits: FloatArray, labels: Labels) -> Judgement:
    """Judge logits of trials by what was asked for.

    Parameters
    ----------
    logits : ndarray of float64, shape (n_trials, n_classes)
    labels : ndarray of int, shape (n_trials,)
        Classes that do not occur are left out of the answer.
    """
    used, rows = np.unique(labels, return_inverse=True)
    return judge_counts(confusion(rows, logits[:, used].argmax(axis=1), len(used)))


def judge_counts(counts: FloatArray) -> Judgement:
    """Judge by how often each class was answered.

    Parameters
    ----------
    counts : ndarray of float64, shape (n_classes, n_classes)
        Row class asked for, column answer; each class was asked for.
    """
    accuracy = balanced_accuracy(counts)
    low, high = interval(accuracy, _n_effective(counts))
    return Judgement(100 * accuracy, 100 * low, 100 * high, counts, 100.0 / len(counts))


def interval(share: float, n: float) -> tuple[float, float]:
    """95 % interval of a share of n trials: Jeffreys' (Brown, Cai, DasGupta 2001, doi 10.1214/ss/1009213286).

    Examples
    --------
    >>> [round(x, 2) for x in interval(0.7, 20)]
    [0.48, 0.86]
    """
    right = share * n
    tail = (1.0 - LEVEL) / 2.0
    low = 0.0 if share <= 0.0 else float(beta.ppf(tail, right + 0.5, n - right + 0.5))
    high = 1.0 if share >= 1.0 else float(beta.ppf(1.0 - tail, right + 0.5, n - right + 0.5))
    return low, high


def projected_half_width(judgement: Judgement, n_more: int) -> float:
    """Half of the interval that so many more trials would leave, percent, the accuracy being what it is."""
    low, high = interval(judgement.accuracy / 100.0, _n_effective(judgement.counts) + n_more)
    return 50.0 * (high - low)


def describe(judgement: Judgement, n_more: int = 10) -> str:
    """One line for people, as ``70 % +- 20, 10 more trials would narrow it to +- 16``."""
    return (
        f"{judgement.accuracy:.0f} % +- {judgement.half_width:.0f}, {n_more} more trials would narrow it to "
        f"+- {projected_half_width(judgement, n_more):.0f}"
    )


def _n_effective(counts: FloatArray) -> float:
    """Trials that, evenly spread over the classes, would leave balanced accuracy as uncertain as these do."""
    per_class = counts.sum(axis=1)
    return float(len(per_class) ** 2 / (1.0 / per_class).sum())


def sign_test(right: npt.NDArray[np.bool_], right_before: npt.NDArray[np.bool_]) -> float:
    """P value that two decoders are equally often right on the same trials (exact McNemar test); 1 when they agree."""
    better, worse = int((right & ~right_before).sum()), int((~right & right_before).sum())
    return float(binomtest(better, better + worse).pvalue) if better + worse else 1.0


def advice_for(
    judgement: Judgement | None,
    n_rejected: int,
    bad: Sequence[str],
    target: float,
    *,
    follows_eyes: bool = False,
    at_chance: str = "",
    used: CandidateScore | None = None,
    width: float = 100.0,
    start: str = "",
    base: CandidateScore | None = None,
) -> list[str]:
    """What the user may do next, in words; the most pressing first.

    Parameters
    ----------
    judgement : Judgement or None
        None: too few trials.
    n_rejected : int
        Trials.
    bad : sequence of str
        Electrodes that were left out, with why.
    target : float
        Accuracy that is enough, percent.
    follows_eyes : bool
        What the decoder says moves with the eyes: no accuracy is enough then.
    at_chance : str
        What to do otherwise where it cannot be told from chance, of the paradigm's protocol.
    used : CandidateScore, optional
        The decoder that was chosen, on the same trials: where it was clearly worse than what the choices anew without each fold
        came to, no accuracy is called enough.
    width : float
        Of the interval that is sure enough, percent: of a wider one no accuracy is called enough.
    start : str
        Whose profile the fit began with, where that may have been fitted on these trials: no accuracy says anything then.
    base : CandidateScore, optional
        The decoder that nothing was fitted of: one that is surely worse than guessing may have been asked for the wrong classes.
    """
    if judgement is None:
        return ["Record at least two accepted trials of each class: nothing can be judged with fewer."]
    n = int(judgement.counts.sum())
    found = []
    if not judgement.usable:
        found.append(
            f"At {judgement.accuracy:.0f} % +- {judgement.half_width:.0f} this cannot be told from chance "
            f"({judgement.chance:.0f} %). {at_chance or AT_CHANCE}"
        )
    elif start:
        found.append(
            f"{judgement.accuracy:.0f} % +- {judgement.half_width:.0f} says nothing of other trials, if the profile of '{start}', which "
            "it began with, was fitted on these. Begin with the population (without --profile), or calibrate on new trials."
        )
    elif follows_eyes:
        found.append(
            f"{judgement.accuracy:.0f} % +- {judgement.half_width:.0f}, but the eyes turn with the cue and the decoder's output "
            "with them: this may be gaze, which is gone where there is no cue. Calibrate again with the eyes kept in the middle, "
            "on cues that stand there."
        )
    elif used is not None and (alone := worse_alone(used, judgement.accuracy)):
        found.append(
            f"{judgement.accuracy:.0f} % +- {judgement.half_width:.0f} is what the choices without a part of the trials came to, "
            f"which were others: '{used.name}', which is used, was {alone}. Record more trials before you rely on it."
        )
    elif judgement.accuracy < target or 2 * judgement.half_width > width:
        found.append(f"Usable. {describe(judgement)}.")
    else:
        found.append(f"Good enough to go live: {judgement.accuracy:.0f} % +- {judgement.half_width:.0f}.")
    found += _exchanged(judgement, base)
    if n_rejected > n / 2:
        found.append(
            f"{n_rejected} trials were rejected against {n} used: sit still, blink in the pauses, check the electrodes."
        )
    if bad:
        found.append(
            f"Electrodes left out as bad: {', '.join(bad)}; gel or press them before the next recording."
        )
    lowest = np.diag(judgement.counts) / judgement.counts.sum(axis=1)
    if judgement.usable and lowest.max() - lowest.min() > 0.3:
        found.append(
            "One class is recognised much more often than another: give the weaker one more attention."
        )
    return found


def _exchanged(judgement: Judgement, base: CandidateScore | None) -> list[str]:
    if base is None or base.high is None or base.high >= judgement.chance:
        return []
    return [
        f"The decoder that knows nothing of you was right in {base.accuracy:.0f} % of the trials [{base.low:.0f}, {base.high:.0f}], less "
        "than by guessing: look whether cues, markers or electrodes of two classes are exchanged."
    ]


def worse_alone(used: CandidateScore, accuracy: float) -> str:
    """How often the decoder that was chosen was right, left out of its fit; empty where that is no worse than what is told of the choice.

    Parameters
    ----------
    used : CandidateScore
    accuracy : float
        Of the choices made anew without each fold, percent.
    """
    if used.accuracy is None or used.accuracy >= accuracy - CLEARLY:
        return ""
    span = "" if used.low is None or used.high is None else f" [{used.low:.0f}, {used.high:.0f}]"
    return f"itself right in {used.accuracy:.0f} %{span}"


def is_enough(judgement: Judgement, least_of_class: int, stopping: StoppingSettings) -> bool:
    """Whether to stop early, by the protocol's `[stopping]`.

    Parameters
    ----------
    judgement : Judgement
    least_of_class : int
        Accepted trials so far of the class that has the fewest.
    stopping : StoppingSettings
    """
    return (
        least_of_class >= stopping.min_per_class
        and judgement.usable
        and judgement.accuracy >= stopping.target_accuracy
        and judgement.high - judgement.low <= stopping.interval_width
    )
