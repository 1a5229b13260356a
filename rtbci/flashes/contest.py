"""Bake-off of decoders of flashes: the population's as it is, the user's own, and both together; all on the same flashes."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rtbci.decide.items import ItemPolicy
from rtbci.evaluate.statistics import wilson
from rtbci.flashes.epochs import FlashEpochs
from rtbci.flashes.evaluate import fit_any
from rtbci.flashes.fit import fit_evidence
from rtbci.flashes.judge import Area, Selection, area_under_curve, fit_temperature, play
from rtbci.flashes.profile import erp_branch_name, flash_profile
from rtbci.flashes.user_fit import selections_of
from rtbci.probe.erp import ErpProbe
from rtbci.probe.profile import Accuracy, Profile
from rtbci.recipes import ParadigmRecipe
from rtbci.runtime.deciding import item_policy
from rtbci.stages.stage import FloatArray

__all__ = ["Contender", "Contest", "hold_contest"]

OWN = "own"
"""Name of a user's own branch beside the population's."""


@dataclass(frozen=True)
class Contender:
    """One decoder, cross-validated.

    Parameters
    ----------
    name : str
        For people.
    evidence : ndarray of float64, shape (n_flashes,)
        Of each flash, by a fit that did not see its selection.
    area : Area
    loss : float
        Cross-entropy of target against nontarget, each kind weighing the same, in nats.
    n_right, n_items : int
        Items right after all flashes of their selections, and how many there are.
    """

    name: str
    evidence: FloatArray
    area: Area
    loss: float
    n_right: int
    n_items: int


@dataclass(frozen=True)
class Contest:
    """What came of it.

    Parameters
    ----------
    contenders : list of Contender
    chosen : Contender
        The one of the least loss.
    profile : Profile
        Of the chosen one, fitted on all flashes.
    """

    contenders: list[Contender]
    chosen: Contender
    profile: Profile

    @property
    def usable(self) -> bool:
        """Whether flashes are told better than by chance: the whole 95 % interval is above it."""
        return bool(self.chosen.area.low > 0.5)


def hold_contest(
    found: FlashEpochs,
    recipe: ParadigmRecipe,
    user: str,
    population: Profile | None,
) -> Contest:
    """Fit and compare.

    Parameters
    ----------
    found : FlashEpochs
    recipe : ParadigmRecipe
    user : str
    population : Profile or None
        Takes part where there is one; one of the branches of kind erp alone.

    Raises
    ------
    CalibrationError
        When there are too few selections.
    """
    fit, is_target = fit_any(found, recipe), found.is_target
    name = erp_branch_name(recipe)
    probes = {name: [(name, fit.probe, fit.evidence.slopes[0])]}
    offsets, temperatures = {name: fit.evidence.offset}, {name: fit.temperature}
    contenders = [_contender("own", fit.crossed, found, recipe)]
    keys = [name]
    said = None if population is None else _population_scores(population, found)
    if population is not None and said is not None:
        contenders.append(_contender("population", said / population.temperature, found, recipe))
        keys.append("population")
        lean, of_population = population.bias[1] - population.bias[0], _branches(population)
        probes["population"], offsets["population"] = of_population, lean
        temperatures["population"] = population.temperature
        scores = np.column_stack([said, fit.scores])
        evidence = fit_evidence(scores, is_target)
        if evidence.slopes[0]:  # both say something that the other does not
            both = _crossed(scores, is_target, fit.folds)
            temperatures["both"] = _temperature(both, found, recipe)
            contenders.append(_contender("both", both / temperatures["both"], found, recipe))
            keys.append("both")
            weighed = [(one, probe, weight * evidence.slopes[0]) for one, probe, weight in of_population]
            probes["both"] = [*weighed, (OWN, fit.probe, evidence.slopes[1])]
            offsets["both"] = evidence.offset + evidence.slopes[0] * lean
    best = int(np.argmin([one.loss for one in contenders]))
    profile = flash_profile(
        recipe,
        probes[keys[best]],
        offsets[keys[best]],
        found.rate_hz,
        user,
        temperature=temperatures[keys[best]],
        n_trials=fit.n_selections,
        montage=found.found,
        accuracy=_accuracy(contenders[best], len(recipe.classes)),
        covariance=_fitted_with(population) if keys[best] == "population" else fit.covariance,
    )
    return Contest(contenders, contenders[best], profile)


def _fitted_with(population: Profile | None) -> FloatArray | None:
    return None if population is None else population.weights.get("electrodes.covariance")


def _branches(profile: Profile) -> list[tuple[str, ErpProbe, float]]:
    return [
        (entry.name, ErpProbe.from_tensors(profile.tensors(entry.name)), entry.weight)
        for entry in profile.branches
    ]


def _population_scores(population: Profile, found: FlashEpochs) -> FloatArray | None:
    """Log-likelihood ratios before the temperature; None where the population decodes by something else."""
    if any(entry.kind != "erp" for entry in population.branches):
        return None
    total = np.full(len(found.epochs), population.bias[1] - population.bias[0])
    for _, probe, weight in _branches(population):
        total = total + weight * np.array([probe.score(one) for one in found.epochs])
    return np.asarray(total)


def _crossed(scores: FloatArray, is_target: npt.NDArray[np.bool_], folds: npt.NDArray[np.intp]) -> FloatArray:
    found = np.empty(len(scores))
    for fold in np.unique(folds):
        found[folds == fold] = fit_evidence(scores[folds != fold], is_target[folds != fold]).of(
            scores[folds == fold]
        )
    return found


def _temperature(evidence: FloatArray, found: FlashEpochs, recipe: ParadigmRecipe) -> float:
    policy, cued = item_policy(recipe, recipe.decision), selections_of(found, evidence)
    return fit_temperature(cued, policy, policy.n_groups) if cued else 1.0


def _contender(name: str, evidence: FloatArray, found: FlashEpochs, recipe: ParadigmRecipe) -> Contender:
    is_target = found.is_target
    wrong = np.logaddexp(0.0, np.where(is_target, -evidence, evidence))
    loss = 0.5 * float(wrong[is_target].mean() + wrong[~is_target].mean())
    policy = _to_the_end(recipe)
    cued = selections_of(found, evidence)
    n_right = sum(_best(one, policy) == one.item for one in cued)
    return Contender(name, evidence, area_under_curve(evidence, is_target), loss, n_right, len(cued))


def _to_the_end(recipe: ParadigmRecipe) -> ItemPolicy:
    policy = item_policy(recipe, recipe.decision)
    policy.min_flashes = policy.max_flashes = 1 << 30
    return policy


def _best(selection: Selection, policy: ItemPolicy) -> str:
    play(selection, policy)
    return policy.items[int(policy.posterior.argmax())]


def _accuracy(chosen: Contender, n_items: int) -> Accuracy | None:
    if not chosen.n_items:
        return None
    low, high = wilson(chosen.n_right, chosen.n_items)
    area = chosen.area
    return Accuracy(
        mean=100.0 * chosen.n_right / chosen.n_items,
        low=100.0 * low,
        high=100.0 * high,
        n=chosen.n_items,
        what=f"of {chosen.n_items} items right after all flashes, {n_items} to choose from, each left out of its fit; flashes: "
        f"AUC {area.value:.2f} [{area.low:.2f}, {area.high:.2f}]",
    )
