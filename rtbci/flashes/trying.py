"""Fixed numbers of repetitions against stopping as soon as it is sure: items right, flashes, seconds, bits."""

from collections.abc import Callable, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from rtbci.decide.items import ItemPolicy
from rtbci.evaluate.metrics import expected_calibration_error, itr_bits_per_min, reliability
from rtbci.flashes.judge import Selection, play, posteriors
from rtbci.recipes import DecisionSettings, ParadigmRecipe
from rtbci.runtime.deciding import item_policy
from rtbci.stages.stage import FloatArray

__all__ = ["THRESHOLDS", "Spell", "Trying", "try_selections"]

THRESHOLDS = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995)
N_BOOTSTRAP = 2000

Blocks = npt.NDArray[np.intp]


class Spell(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One way to end a selection.

    Parameters
    ----------
    rule : str
        ``"fixed"``: after `value` repetitions; ``"posterior"``: at that threshold.
    value : float
    right : float
        Share of items right; an item that is not decided on is wrong.
    right_low, right_high : float
        Bounds of the 95 % interval, by drawing blocks of the recording with replacement.
    flashes : float
        Mean number until the decision.
    seconds : float
        Mean time: onset to onset of the recipe, and the last flash's window.
    bits_per_min : float
        See `rtbci.evaluate.metrics.itr_bits_per_min`.
    """

    rule: str
    value: float
    right: float
    right_low: float
    right_high: float
    flashes: float
    seconds: float
    bits_per_min: float


class Trying(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What became of selections under every rule.

    Parameters
    ----------
    n_items, n_selections : int
    spells : list of Spell
        Fixed ones first.
    saved : list of (float, float, float, float)
        For each fixed number of repetitions: the least mean number of flashes of a threshold that is right at least as
        often, and how many flashes it saves, with bounds of the 95 % interval; NaN is left out as a row of zeros.
    bins : list of (float, float, float)
        Posteriors after each repetition, in ten bins: number, mean posterior, share right.
    calibration_error : float
        Expected calibration error of these.
    """

    n_items: int
    n_selections: int
    spells: list[Spell]
    saved: list[tuple[float, float, float, float]]
    bins: list[tuple[float, float, float]]
    calibration_error: float


def try_selections(selections: Sequence[Selection], blocks: Blocks, recipe: ParadigmRecipe) -> Trying:
    """Try every rule on the same selections.

    Parameters
    ----------
    selections : sequence of Selection
        All of the same number of repetitions.
    blocks : ndarray of int, shape (n_selections,)
        Which part of the recording each begins in; parts are drawn for the intervals.
    recipe : ParadigmRecipe
    """
    bare = item_policy(recipe, recipe.decision)
    items = np.array([bare.items.index(one.item) for one in selections])
    n_each = bare.n_groups
    sums = np.stack([posteriors(one, bare) for one in selections])  # (n_selections, n_flashes, n_items)
    n_repetitions = sums.shape[1] // n_each
    draws = _drawn(blocks)
    found: list[tuple[str, float, FloatArray, FloatArray]] = []
    for k in range(1, n_repetitions + 1):
        right = sums[:, k * n_each - 1].argmax(axis=1) == items
        found.append(("fixed", float(k), right.astype(float), np.full(len(items), float(k * n_each))))
    for threshold in THRESHOLDS:
        policy = _policy(recipe, threshold, n_repetitions * n_each)
        outcomes = [play(one, policy) for one in selections]
        right = np.array([one.decision == each.item for one, each in zip(outcomes, selections, strict=True)])
        flashes = np.array([float(one.n_flashes) for one in outcomes])
        found.append(("posterior", threshold, right.astype(float), flashes))
    bins = _bins(sums[:, n_each - 1 :: n_each], items)
    return Trying(
        n_items=len(bare.items),
        n_selections=len(selections),
        spells=[_spell(*one, recipe, draws) for one in found],
        saved=[_saved(one, found[n_repetitions:], draws) for one in found[:n_repetitions]],
        bins=[(float(n), float(s / n), float(r / n)) for n, s, r in bins if n],
        calibration_error=expected_calibration_error(bins),
    )


def _policy(recipe: ParadigmRecipe, threshold: float, max_flashes: int) -> ItemPolicy:
    decision = DecisionSettings(**{**recipe.decision.model_dump(), "threshold": threshold})
    policy = item_policy(recipe, decision)
    policy.max_flashes = max_flashes
    return policy


def _spell(
    rule: str,
    value: float,
    right: FloatArray,
    flashes: FloatArray,
    recipe: ParadigmRecipe,
    draws: list[Blocks],
) -> Spell:
    share, n_flashes = float(right.mean()), float(flashes.mean())
    low, high = _interval(draws, lambda rows: float(right[rows].mean()))
    soa_s = recipe.flashes.soa_s if recipe.flashes else 0.0
    seconds = (n_flashes - 1) * soa_s + recipe.window.t_min_s + recipe.window.length_s
    bits = itr_bits_per_min(len(recipe.classes), share, seconds)
    return Spell(
        rule=rule,
        value=value,
        right=share,
        right_low=low,
        right_high=high,
        flashes=n_flashes,
        seconds=seconds,
        bits_per_min=bits,
    )


def _saved(
    fixed: tuple[str, float, FloatArray, FloatArray],
    dynamic: Sequence[tuple[str, float, FloatArray, FloatArray]],
    draws: list[Blocks],
) -> tuple[float, float, float, float]:
    enough = [one for one in dynamic if one[2].mean() >= fixed[2].mean()]
    if not enough:
        return 0.0, 0.0, 0.0, 0.0
    best = min(enough, key=lambda one: float(one[3].mean()))
    saved = fixed[3] - best[3]
    return (
        float(best[3].mean()),
        float(saved.mean()),
        *_interval(draws, lambda rows: float(saved[rows].mean())),
    )


def _drawn(blocks: Blocks) -> list[Blocks]:
    """Rows of selections, blocks drawn with replacement."""
    rng, numbers = np.random.default_rng(0), np.unique(blocks)
    rows = {int(one): np.flatnonzero(blocks == one) for one in numbers}
    drawn = rng.choice(numbers, (N_BOOTSTRAP, len(numbers)))
    return [np.concatenate([rows[int(one)] for one in some]) for some in drawn]


def _interval(draws: list[Blocks], of: Callable[[Blocks], float]) -> tuple[float, float]:
    low, high = np.percentile([of(rows) for rows in draws], [2.5, 97.5])
    return float(low), float(high)


def _bins(sums: FloatArray, items: npt.NDArray[np.intp]) -> FloatArray:
    """Counts for a reliability diagram of the most probable item, after each repetition."""
    shifted = np.exp(sums - sums.max(axis=2, keepdims=True))
    probs = shifted / shifted.sum(axis=2, keepdims=True)
    right = probs.argmax(axis=2) == items[:, np.newaxis]
    return reliability(probs.max(axis=2).ravel(), right.ravel())
