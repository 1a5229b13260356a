"""From labelled flashes to a profile, judged by cross-validation on the same flashes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rtbci.errors import CalibrationError
from rtbci.flashes.epochs import FlashEpochs
from rtbci.flashes.fit import Evidence, block_folds, crossed_scores, fit_evidence, fit_probe
from rtbci.flashes.judge import Area, Selection, area_under_curve, fit_temperature
from rtbci.flashes.profile import electrode_covariance, erp_branch_name, flash_profile
from rtbci.probe.erp import ErpProbe
from rtbci.probe.profile import Accuracy, Profile
from rtbci.recipes import ParadigmRecipe
from rtbci.runtime.deciding import item_policy
from rtbci.stages.stage import FloatArray

__all__ = ["MAX_FOLDS", "FlashFit", "fit_flashes", "selections_of"]

MAX_FOLDS = 8
LEAST_SELECTIONS = 2
"""With fewer nothing can be judged."""


@dataclass(frozen=True)
class FlashFit:
    """A decoder of flashes, and how good it is.

    Parameters
    ----------
    probe : ErpProbe
    evidence : Evidence
        Of its scores.
    temperature : float
        What evidence is divided by.
    scores : ndarray of float64, shape (n_flashes,)
        Of each flash, by a probe that did not see its selection.
    folds : ndarray of int, shape (n_flashes,)
        Which flashes were left out together.
    crossed : ndarray of float64, shape (n_flashes,)
        Log-likelihood ratio of each flash by a probe that did not see its selection, after the temperature.
    area : Area
        Of these.
    n_selections : int
    covariance : ndarray of float64, shape (n_channels, n_channels), or None
        Of the electrodes; see `rtbci.flashes.profile.electrode_covariance`.
    """

    probe: ErpProbe
    evidence: Evidence
    temperature: float
    scores: FloatArray
    folds: npt.NDArray[np.intp]
    crossed: FloatArray
    area: Area
    n_selections: int
    covariance: FloatArray | None = None

    def branches(self, recipe: ParadigmRecipe) -> list[tuple[str, ErpProbe, float]]:
        """For `rtbci.flashes.profile.flash_profile`."""
        return [(erp_branch_name(recipe), self.probe, self.evidence.slopes[0])]

    def profile(
        self,
        recipe: ParadigmRecipe,
        rate_hz: float,
        user: str,
        *,
        n_trials: int = 0,
        trained_on: Sequence[str] = (),
        accuracy: Accuracy | None = None,
    ) -> Profile:
        """Return the decoder alone as a profile; parameters are those of `rtbci.flashes.profile.flash_profile`."""
        return flash_profile(
            recipe,
            self.branches(recipe),
            self.evidence.offset,
            rate_hz,
            user,
            temperature=self.temperature,
            n_trials=n_trials,
            trained_on=trained_on,
            accuracy=accuracy,
            covariance=self.covariance,
        )

    @property
    def usable(self) -> bool:
        """Whether flashes are told better than by chance: the whole 95 % interval is above it."""
        return bool(self.area.low > 0.5)


def selections_of(found: FlashEpochs, evidence: FloatArray) -> list[Selection]:
    """Cued selections with the evidence of their flashes, in the order of time; none where there are no cues."""
    selections = []
    for number in np.unique(found.i_selection):
        at = np.flatnonzero((found.i_selection == number) & np.isfinite(evidence))
        if len(at) and found.flashes[at[0]].cue:
            groups = tuple(found.flashes[i].group for i in at)
            selections.append(Selection(found.flashes[at[0]].cue, groups, tuple(evidence[at].tolist())))
    return selections


def _crossed_evidence(
    scores: FloatArray, is_target: npt.NDArray[np.bool_], folds: npt.NDArray[np.intp]
) -> FloatArray:
    """Log-likelihood ratios of out-of-fold scores, their scale fitted on the other folds' scores as well."""
    found = np.full(len(scores), np.nan)
    for fold in np.unique(folds):
        others = (folds != fold) & np.isfinite(scores)
        if others.any():
            found[folds == fold] = fit_evidence(scores[others], is_target[others]).of(scores[folds == fold])
    return found


def fit_flashes(
    found: FlashEpochs,
    recipe: ParadigmRecipe,
    selected: Callable[[FloatArray], Sequence[Selection]] | None = None,
) -> FlashFit:
    """Fit on all flashes, judge by leaving consecutive selections out.

    Parameters
    ----------
    found : FlashEpochs
    recipe : ParadigmRecipe
    selected : callable, optional
        Gives the selections that the temperature is fitted on, from the evidence of each flash; default: cued ones.

    Raises
    ------
    CalibrationError
        When there are too few selections, or flashes of one kind only.
    """
    is_target = found.is_target
    n = len(np.unique(found.i_selection))
    if n < LEAST_SELECTIONS:
        raise CalibrationError(
            f"fitting flashes: got {n} selections, need {LEAST_SELECTIONS} or more to judge what is fitted; ask for more items"
        )
    folds = block_folds(found.i_selection, MAX_FOLDS)
    scores = crossed_scores(found.epochs, is_target, folds)
    probe = fit_probe(found.epochs, is_target)
    evidence = fit_evidence(scores, is_target)
    crossed = _crossed_evidence(scores, is_target, folds)
    policy = item_policy(recipe, recipe.decision)
    cued = selections_of(found, crossed) if selected is None else selected(crossed)
    temperature = fit_temperature(cued, policy, policy.n_groups) if cued else 1.0
    area = area_under_curve(crossed, is_target)
    covariance = electrode_covariance(found.epochs, recipe)
    return FlashFit(probe, evidence, temperature, scores, folds, crossed / temperature, area, n, covariance)
