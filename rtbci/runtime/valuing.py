"""The continuous output of a decoder: from what a window says, and what is usual, to a number from 0 to 1."""

import math

from rtbci.decide.level import Level
from rtbci.probe.baseline import log_odds
from rtbci.probe.fusion import Fusion
from rtbci.recipes import ParadigmRecipe
from rtbci.runtime.estimate import Estimate
from rtbci.runtime.pipeline import Pipeline
from rtbci.runtime.verdict import Verdict

__all__ = ["Valuing"]


class Valuing:
    """Makes the value of each window, where the recipe has one.

    Parameters
    ----------
    recipe : ParadigmRecipe
        Its `value` says of which class, how smooth, and against which baseline.

    Notes
    -----
    With a baseline, 0.5 is what is usual for the user, and a unit is the spread of their own windows then; without one
    it is the smoothed probability of the class.
    """

    def __init__(self, recipe: ParadigmRecipe) -> None:
        self._level: Level | None = None
        if recipe.value is not None:
            self._i_class = recipe.classes.index(recipe.value.of)
            self._level = Level(recipe.value.smoothing_s)
        self._is_good, self._t_poor = True, -math.inf

    def guard(self, is_good: bool, pipeline: Pipeline) -> None:
        """Say whether the signal is good from now on; windows that hold bad signal have no value, and no baseline is
        learnt from them.
        """
        self._is_good = is_good
        if pipeline.baseline is not None:
            pipeline.baseline.is_trusted = is_good

    def valued(self, verdict: Verdict, pipeline: Pipeline, fusion: Fusion) -> Verdict:
        """A verdict with its value, where there is anything to say; parameters as of `push`."""
        if self._level is None or verdict.label is None or verdict.why == "poor_signal":
            return verdict
        return verdict._replace(value=self.push(verdict.estimate, pipeline, fusion))

    def push(self, estimate: Estimate, pipeline: Pipeline, fusion: Fusion) -> float | None:
        """Value after a window.

        Parameters
        ----------
        estimate : Estimate
            What it gave.
        pipeline : Pipeline
            That gave it: knows the baseline.
        fusion : Fusion
            That its logits come from.

        Returns
        -------
        float or None
            None where the recipe asks for none, nothing was decoded, or the window holds bad signal or what the guard refuses.
        """
        if self._level is None or estimate.logits is None:
            return None
        t_first, t_newest = estimate.t_window
        self._t_poor = self._t_poor if self._is_good else t_newest
        if t_first < self._t_poor <= t_newest or estimate.clean < 1.0:  # nor does the mean take it in
            return None
        baseline = pipeline.baseline
        if baseline is None:
            z = log_odds(estimate.logits / fusion.temperature, self._i_class)
        else:
            z = log_odds(estimate.logits - fusion.bias, self._i_class) - baseline.middle
            z /= baseline.spread
        return self._level.push(z, t_newest)
