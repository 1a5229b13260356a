"""What becomes of selections in which nobody attends, and what it costs to reckon with them: for several priors."""

from collections.abc import Sequence

import msgspec
import numpy as np

from rtbci.flashes.epochs import FlashEpochs
from rtbci.flashes.judge import Selection, play
from rtbci.recipes import ParadigmRecipe
from rtbci.runtime.deciding import item_policy
from rtbci.stages.stage import FloatArray

__all__ = ["PRIORS", "NobodyRow", "try_nobody", "unattended"]

PRIORS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.5)
N_DRAWS = 20
SEED = 0


class NobodyRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One prior probability that nobody attends.

    Parameters
    ----------
    p_nobody : float
    written : float
        Share of the selections in which nobody attended that got an item.
    right, wrong, none : float
        Shares of those that somebody attended to: the right item, another one, none.
    flashes : float
        Mean number until the decision, or all, of these.
    """

    p_nobody: float
    written: float
    right: float
    wrong: float
    none: float
    flashes: float


def unattended(
    found: FlashEpochs, evidence: FloatArray, recipe: ParadigmRecipe, n_repetitions: int
) -> list[Selection]:
    """Selections without a target: consecutive nontarget flashes, each group once in a repetition, in orders drawn at random.

    None where there are too few. The item of each is empty. To one who looks elsewhere flashes are no nontargets seen
    beside what is attended to: these are the nearest that a recording with a task has.
    """
    groups = list(item_policy(recipe, recipe.decision).groups)
    said = evidence[~found.is_target & np.isfinite(evidence)]
    n, rng = n_repetitions * len(groups), np.random.default_rng(SEED)
    selections = []
    for start in range(0, len(said) - n + 1, len(groups)):
        for _ in range(N_DRAWS):
            names = [str(one) for _ in range(n_repetitions) for one in rng.permutation(groups)]
            selections.append(Selection("", tuple(names), tuple(said[start : start + n].tolist())))
    return selections


def try_nobody(
    attended: Sequence[Selection], empty: Sequence[Selection], recipe: ParadigmRecipe
) -> list[NobodyRow]:
    """Play both kinds of selections with every prior, threshold and end as the recipe says.

    Parameters
    ----------
    attended : sequence of Selection
        At least one, as `empty` has.
    empty : sequence of Selection
        See `unattended`.
    recipe : ParadigmRecipe
    """
    rows = []
    for p_nobody in PRIORS:
        policy = item_policy(recipe, recipe.decision)
        policy.p_nobody = p_nobody
        policy.max_flashes = min(policy.max_flashes, len(attended[0].groups), len(empty[0].groups))
        written = [play(one, policy).decision is not None for one in empty]
        outcomes = [play(one, policy) for one in attended]
        right = [one.decision == each.item for one, each in zip(outcomes, attended, strict=True)]
        none = [one.decision is None for one in outcomes]
        rows.append(
            NobodyRow(
                p_nobody=p_nobody,
                written=float(np.mean(written)),
                right=float(np.mean(right)),
                wrong=1.0 - float(np.mean(right)) - float(np.mean(none)),
                none=float(np.mean(none)),
                flashes=float(np.mean([one.n_flashes for one in outcomes])),
            )
        )
    return rows
