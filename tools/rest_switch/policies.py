"""Decision policies over whole recordings: each is counted once for every person, and then chosen on other people."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from rtbci.evaluate.online import Counts, Span, count_activations, decide
from rtbci.recipes import DecisionSettings, ParadigmRecipe
from rtbci.stages.stage import FloatArray

__all__ = ["Counted", "choose_policy", "count_policies", "policies_of"]

THRESHOLDS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85)
DWELLS_S = (0.25, 1.0)
SMOOTHINGS_S = (0.5, 1.0)


@dataclass(frozen=True)
class Counted:
    """Of every policy and person, shape (n_policies, n_people) each: trials met, trials, false activations, idle seconds.

    `first_s` is the sum over the trials that were met of the time from the cue to the activation.
    """

    met: FloatArray
    trials: FloatArray
    false: FloatArray
    idle_s: FloatArray
    first_s: FloatArray

    def rates(self, i: int, people: npt.NDArray[np.bool_] | None = None) -> tuple[FloatArray, FloatArray]:
        """Share of trials met, and false activations a minute, of each person by policy `i`."""
        chosen = slice(None) if people is None else people
        return (
            self.met[i, chosen] / self.trials[i, chosen],
            60.0 * self.false[i, chosen] / self.idle_s[i, chosen],
        )


def policies_of(start: DecisionSettings) -> list[DecisionSettings]:
    """All policies that are tried; the refractory time is the recipe's."""
    return [
        start.model_copy(update={"threshold": threshold, "dwell_s": dwell_s, "smoothing_s": smoothing_s})
        for threshold, dwell_s, smoothing_s in product(THRESHOLDS, DWELLS_S, SMOOTHINGS_S)
    ]


def count_policies(
    people: Sequence[Sequence[Span]], recipe: ParadigmRecipe, policies: Sequence[DecisionSettings]
) -> Counted:
    """Run every policy over every person's recordings."""
    table = np.zeros((5, len(policies), len(people)))
    for i, settings in enumerate(policies):
        for k, spans in enumerate(people):
            counts = Counts()
            for span in spans:
                decided = decide(span, recipe.classes, settings)
                count_activations(counts, span, decided, recipe.window.hop_s, settings.refractory_s)
            first_s = float(np.sum(counts.first_right_s))
            table[:, i, k] = counts.n_true, counts.n_trials, counts.n_false, counts.idle_s, first_s
    return Counted(*table)


def choose_policy(counted: Counted, people: npt.NDArray[np.bool_], limit_per_min: float) -> int:
    """The policy that meets most trials of these people with at most so many false activations a minute on average.

    Where none stays below: the one with the fewest.
    """
    rates = [counted.rates(i, people) for i in range(len(counted.met))]
    met, false = np.array([one[0].mean() for one in rates]), np.array([one[1].mean() for one in rates])
    allowed = false <= limit_per_min
    return int(np.argmax(np.where(allowed, met, -1.0))) if allowed.any() else int(false.argmin())
