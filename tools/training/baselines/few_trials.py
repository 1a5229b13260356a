"""A user's first trials: what decoders make of them, judged on the trials that come later."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from rtbci.probe.refit import PRECISION, keeps_population, refit_head
from rtbci.stages.stage import FloatArray
from tools.training.baselines.linear import LinearDecoder, fit_linear
from tools.training.baselines.prepare import Covariances

__all__ = [
    "KS",
    "first_trials",
    "guarded_margins",
    "judged_by_k",
    "linear_margins",
    "own_margins",
    "refitted_margins",
]

KS = (0, 1, 2, 5, 10, 20)
"""Trials a class that are known; 0: the pool's decoder as it is."""

Rows = npt.NDArray[np.intp]
Classes = npt.NDArray[np.int64]
Adapt = Callable[[Rows, Rows], FloatArray]
"""From the rows that calibrate and those that are judged to the margins of the latter."""


def first_trials(classes: Classes, k: int) -> tuple[Rows, Rows]:
    """Split one user's trials, in time order.

    Parameters
    ----------
    classes : ndarray of int64, shape (n,)
    k : int
        The first `k` of each class calibrate; judged are those after the last of these, as it would be live.

    Returns
    -------
    calibration, judged : ndarray of int
        Both empty when a class has fewer trials.
    """
    mine = [np.flatnonzero(classes == side)[:k] for side in (0, 1)]
    if min(len(rows) for rows in mine) < k:
        return np.arange(0), np.arange(0)
    calibration = np.sort(np.concatenate(mine))
    start = int(calibration[-1]) + 1 if k else 0
    return calibration, np.arange(start, len(classes))


def judged_by_k(
    subjects: npt.NDArray[np.intp],
    classes: Classes,
    pool: FloatArray | None,
    adapt: Adapt,
    chosen: Sequence[int] = KS,
) -> FloatArray:
    """Margins for each number of calibration trials.

    Parameters
    ----------
    subjects, classes : ndarray of int, shape (n,)
    pool : ndarray of float64, shape (n,), or None
        Margins without calibration; None: the decoder has none.
    adapt : callable
        See `Adapt`; rows count from 0 to n.
    chosen : sequence of int
        Numbers of calibration trials that are tried; of the others nothing is judged.

    Returns
    -------
    ndarray of float64, shape (len(KS), n)
        NaN where a trial is not judged.
    """
    found = np.full((len(KS), len(classes)), np.nan)
    if pool is not None:
        found[0] = pool
    for i_k, calibration, judged in _splits(subjects, classes, chosen):
        found[i_k, judged] = adapt(calibration, judged)
    return found


def refitted_margins(
    decoder: LinearDecoder, features: FloatArray, classes: Classes, precision: float = PRECISION
) -> Adapt:
    """Head refitted with the pool's head as prior; `features` are those of all trials."""

    def adapt(calibration: Rows, judged: Rows) -> FloatArray:
        coef, intercept = refit_head(
            features[calibration],
            classes[calibration],
            decoder.coef,
            decoder.intercept,
            decoder.scale,
            precision,
        )
        return linear_margins(features[judged], coef, intercept)

    return adapt


def guarded_margins(
    decoder: LinearDecoder, features: FloatArray, classes: Classes, precision: float = PRECISION
) -> Adapt:
    """As `refitted_margins`, but the pool's head stays where the user's own trials speak against the change."""
    refit = refitted_margins(decoder, features, classes, precision)

    def adapt(calibration: Rows, judged: Rows) -> FloatArray:
        if keeps_population(
            features[calibration],
            classes[calibration],
            calibration,
            decoder.coef,
            decoder.intercept,
            decoder.scale,
            precision,
        ):
            return linear_margins(features[judged], decoder.coef, decoder.intercept)
        return refit(calibration, judged)

    return adapt


def own_margins(name: str, covariances: Covariances, classes: Classes) -> Adapt:
    """Trained on the user's own trials alone."""

    def adapt(calibration: Rows, judged: Rows) -> FloatArray:
        decoder = fit_linear(name, _at(covariances, calibration), classes[calibration], None)
        return linear_margins(decoder.features(_at(covariances, judged)), decoder.coef, decoder.intercept)

    return adapt


def linear_margins(features: FloatArray, coef: FloatArray, intercept: FloatArray) -> FloatArray:
    """Logit of class 1 less that of class 0, shape (n,)."""
    return np.asarray(features @ (coef[1] - coef[0]) + intercept[1] - intercept[0])


def _splits(
    subjects: npt.NDArray[np.intp], classes: Classes, chosen: Sequence[int]
) -> Iterator[tuple[int, Rows, Rows]]:
    for subject in np.unique(subjects):
        mine = np.flatnonzero(subjects == subject)
        for i_k, k in enumerate(KS):
            calibration, judged = first_trials(classes[mine], k)
            if k and k in chosen and len(judged):
                yield i_k, mine[calibration], mine[judged]


def _at(covariances: Covariances, rows: Rows) -> Covariances:
    return {name: many[rows] for name, many in covariances.items()}
