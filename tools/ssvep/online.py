"""The decoder as it runs, on whole recordings: decisions in trials, and while the user looks at nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from rtbci.evaluate.decode import Windows
from rtbci.evaluate.online import Span, decide
from rtbci.evaluate.trials import IDLE
from rtbci.recipes import ParadigmRecipe
from tools.ssvep.correlate import Correlated

__all__ = ["AFTER_S", "Online", "judge_online"]

ONSET_S, AFTER_S = 0.5, 0.5
"""A decision belongs to a trial from half a second after its cue to half a second after its end."""


@dataclass
class Online:
    """Counts over people.

    Parameters
    ----------
    n_trials, n_right, n_wrong : int
        Trials, and those whose first decision was right, or wrong; the rest had none.
    right_s : list of float
        From cue to decision, where the first is right.
    n_false : int
        Decisions at rest.
    rest_s : float
        Rest, in seconds.
    """

    n_trials: int = 0
    n_right: int = 0
    n_wrong: int = 0
    right_s: list[float] = field(default_factory=list)
    n_false: int = 0
    rest_s: float = 0.0

    def row(self) -> dict[str, float]:
        """Numbers for a table."""
        return {
            "right": self.n_right / self.n_trials,
            "wrong": self.n_wrong / self.n_trials,
            "none": 1.0 - (self.n_right + self.n_wrong) / self.n_trials,
            "median_s": float(np.median(self.right_s)) if self.right_s else float("nan"),
            "false_per_min": 60.0 * self.n_false / self.rest_s,
            "rest_min": self.rest_s / 60.0,
        }


def judge_online(
    people: Sequence[tuple[Windows, Correlated]], recipe: ParadigmRecipe, threshold: float
) -> Online:
    """Count decisions of the recipe's policy at another threshold.

    Parameters
    ----------
    people : sequence
        Windows of the decoder, and what was asked when.
    recipe : ParadigmRecipe
    threshold : float
    """
    found = Online()
    policy = recipe.decision.model_copy(update={"threshold": threshold})
    for windows, run in people:
        span = Span.of(windows, windows.probs, run.trials, recipe.idle, -1.0)
        decided = decide(span, recipe.classes, policy)
        at = np.flatnonzero(decided != IDLE)
        times = span.t_newest[at]
        for trial in run.trials:
            inside = at[(times >= trial.t_cue + ONSET_S) & (times <= trial.t_end + AFTER_S)]
            found.n_trials += 1
            if not len(inside):
                continue
            if decided[inside[0]] == trial.i_class:
                found.n_right += 1
                found.right_s.append(float(span.t_newest[inside[0]] - trial.t_cue))
            else:
                found.n_wrong += 1
        for start, stop in run.rests:
            found.n_false += int(((times >= start) & (times <= stop)).sum())
            found.rest_s += stop - start
    return found
