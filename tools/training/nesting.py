"""A fold's decoder, and decoders inside the fold that say what a fusion can be fitted on without its test subjects."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from rtbci.stages.stage import FloatArray
from tools.training.fusing import fit_fusion, fused_margins

__all__ = [
    "Answer",
    "Classes",
    "Fit",
    "Nested",
    "Rows",
    "fused",
    "loosely_nested",
    "nested_margins",
    "outer_margins",
]

Rows = npt.NDArray[np.bool_]
Classes = npt.NDArray[np.int64]
Answer = Callable[[Rows], FloatArray]
Fit = Callable[[Rows], Answer]
"""Fits on some trials; what it gives answers for others, with their margins."""


@dataclass(frozen=True, slots=True)
class Nested:
    """Margins from decoders that never saw the trial's subject.

    Parameters
    ----------
    outer : ndarray of float64, shape (n_trials,)
        Each fold's answers for its test subjects, fitted on all others.
    inner : ndarray of float64, shape (n_folds, n_trials)
        Row i: answers for the training subjects of fold i, fitted without their own fold and without fold i; NaN for the
        test subjects of fold i.
    """

    outer: FloatArray
    inner: FloatArray


def outer_margins(fit: Fit, folds: Sequence[Rows]) -> FloatArray:
    """Each fold's answers for its test subjects, fitted on all others; shape (n_trials,)."""
    margins = np.full(len(folds[0]), np.nan)
    for test in folds:
        margins[test] = fit(~test)(test)
    return margins


def nested_margins(fit: Fit, folds: Sequence[Rows]) -> Nested:
    """Fit for every fold, and inside every fold for every other one."""
    inner = np.full((len(folds), len(folds[0])), np.nan)
    for i, j in combinations(range(len(folds)), 2):
        answer = fit(~(folds[i] | folds[j]))
        inner[i, folds[j]], inner[j, folds[i]] = answer(folds[j]), answer(folds[i])
    return Nested(outer_margins(fit, folds), inner)


def loosely_nested(fit: Fit, folds: Sequence[Rows]) -> Nested:
    """The same with a third of the fits: the decoder inside a fold that answers for another one is that one's own.

    So it never saw who it answers for, but it did see the test subjects of the fold that it is inside of. For who cannot afford
    `nested_margins`.
    """
    outer = outer_margins(fit, folds)
    return Nested(outer, np.stack([np.where(test, np.nan, outer) for test in folds]))


def fused(
    branches: Sequence[Nested], classes: Classes, folds: Sequence[Rows]
) -> tuple[FloatArray, list[list[float]]]:
    """Fused margins (n_trials,), and each fold's weights, which are fitted on its training subjects."""
    margins, found = np.empty(len(classes)), []
    for i, test in enumerate(folds):
        known = [one.inner[i, ~test][:, np.newaxis] for one in branches]
        weights, temperature = fit_fusion(known, classes[~test])
        answers = fused_margins([one.outer[test] for one in branches], weights)
        margins[test] = answers / temperature
        found.append((weights / temperature).tolist())
    return margins, found
