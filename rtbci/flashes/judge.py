"""How well flashes tell items: discrimination of flashes, items decided, how many flashes that takes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from scipy.stats import rankdata

from rtbci.decide.items import ItemPolicy
from rtbci.stages.stage import FloatArray

__all__ = [
    "Area",
    "Outcome",
    "Selection",
    "area_under_curve",
    "fit_temperature",
    "play",
    "posteriors",
]

Z95 = 1.959963984540054
PRECISION = 2.0


@dataclass(frozen=True)
class Area:
    """Area under the ROC curve: how often a target scores above a nontarget.

    Parameters
    ----------
    value, low, high : float
        With the bounds of the 95 % interval (Hanley, McNeil 1982, doi 10.1148/radiology.143.1.7063747).
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Selection:
    """Flashes of one selection, each with what it says.

    Parameters
    ----------
    item : str
        Attended to.
    groups : tuple of str
        What flashed, in the order of time.
    evidence : tuple of float
        Log-likelihood ratio of each.
    """

    item: str
    groups: tuple[str, ...]
    evidence: tuple[float, ...]


@dataclass(frozen=True)
class Outcome:
    """What a policy made of a selection.

    Parameters
    ----------
    decision : str or None
    n_flashes : int
        Until the decision, or all.
    confidence : float
        Highest posterior at that flash.
    """

    decision: str | None
    n_flashes: int
    confidence: float


def area_under_curve(scores: FloatArray, is_target: npt.NDArray[np.bool_]) -> Area:
    """Of some scores; those that are NaN are left out.

    Returns
    -------
    Area
        NaN where there are no targets or no nontargets.
    """
    known = np.isfinite(scores)
    x, y = scores[known], is_target[known]
    n, m = int(y.sum()), int((~y).sum())
    if not n or not m:
        return Area(np.nan, np.nan, np.nan)
    area = float((rankdata(x)[y].sum() - n * (n + 1) / 2) / (n * m))
    of_targets, of_nontargets = area / (2 - area), 2 * area**2 / (1 + area)
    variance = (
        area * (1 - area) + (n - 1) * (of_targets - area**2) + (m - 1) * (of_nontargets - area**2)
    ) / (n * m)
    half = Z95 * float(np.sqrt(max(variance, 0.0)))
    return Area(area, max(area - half, 0.0), min(area + half, 1.0))


def play(selection: Selection, policy: ItemPolicy, soa_s: float = 0.2) -> Outcome:
    """Give a policy the flashes of a selection, one after the other, as a stream would.

    Parameters
    ----------
    selection : Selection
    policy : ItemPolicy
        Is reset first.
    soa_s : float
        Between two flashes.
    """
    policy.reset()
    policy.begin(0.0)
    for i, (group, evidence) in enumerate(zip(selection.groups, selection.evidence, strict=True)):
        said = policy.push(evidence, group, i * soa_s, (i + 1) * soa_s)
        if said.decision is not None:
            return Outcome(said.decision, i + 1, max(said.probs))
    return Outcome(None, len(selection.groups), float(policy.posterior.max()))


def posteriors(selection: Selection, policy: ItemPolicy) -> FloatArray:
    """Log of the unnormalised posterior after each flash, shape (n_flashes, n_items)."""
    steps = [e * policy.holds(group) for group, e in zip(selection.groups, selection.evidence, strict=True)]
    return np.asarray(np.cumsum(np.array(steps, dtype=np.float64), axis=0), dtype=np.float64)


def fit_temperature(selections: Sequence[Selection], policy: ItemPolicy, every: int) -> float:
    """What evidence is to be divided by so that posteriors are true, above 0.

    Flashes that follow each other closely share noise, so together they say less than their sum. Minimises the mean
    cross entropy of the items at every `every`-th flash, times the number of selections, with a prior at 1 that weighs
    as much as about `PRECISION` selections.

    Parameters
    ----------
    selections : sequence of Selection
        Their evidence by fits that did not see them.
    policy : ItemPolicy
        Knows items and groups.
    every : int
    """
    sums = [posteriors(one, policy)[every - 1 :: every] for one in selections]
    items = [policy.items.index(one.item) for one in selections]

    def loss(log_t: float) -> float:
        entropy = [
            -log_softmax(z * np.exp(-log_t), axis=1)[:, i].mean()
            for z, i in zip(sums, items, strict=True)
            if len(z)
        ]
        return float(np.sum(entropy)) + 0.5 * PRECISION * log_t**2

    return float(np.exp(minimize_scalar(loss, bounds=(-2.0, 2.0), method="bounded").x))
