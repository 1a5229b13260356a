"""The continuous output of a decoder: from what a window says, and what is usual, to a number from 0 to 1."""

from rtbci.decide.level import Level
from rtbci.probe.baseline import MIN_SCORE, log_odds
from rtbci.probe.fusion import Fusion
from rtbci.recipes import ParadigmRecipe
from rtbci.runtime.pipeline import Estimate, Pipeline

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
            self._level = Level(recipe.value.smoothing_s, recipe.window.hop_s)

    def push(self, estimate: Estimate, pipeline: Pipeline, fusion: Fusion) -> float | None:
        """Value after a window.

        Parameters
        ----------
        estimate : Estimate
            What it gave.
        pipeline : Pipeline
            That gave it: knows baseline and electrodes.
        fusion : Fusion
            That its logits come from.

        Returns
        -------
        float or None
            None where the recipe asks for none, nothing was decoded, or too many electrodes are bad.
        """
        if self._level is None or estimate.logits is None:
            return None
        electrodes, baseline = pipeline.electrodes, pipeline.baseline
        if electrodes is not None and electrodes.score < MIN_SCORE:
            return None
        if baseline is None:
            z = log_odds(estimate.logits / fusion.temperature, self._i_class)
        else:
            z = log_odds(estimate.logits - fusion.bias, self._i_class) - baseline.middle
            z /= baseline.spread
        return self._level.push(z, estimate.t_window[1])
