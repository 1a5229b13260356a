"""A tangent-space classifier of rest against imagery, its folds, and how far it can be believed."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from rtbci.probe.tangent import TangentProbe, shrink, tangent_vectors
from rtbci.stages.spd import log_euclidean_mean
from rtbci.stages.stage import FloatArray
from tools.rest_switch.periods import UNTIL_S, Periods
from tools.training.fusing import fit_fusion

__all__ = ["fit_switch", "out_of_fold", "temperature_of", "window_ends"]

SHRINKAGE = 0.3
INVERSE_PENALTY = 0.003
STEP_S = 1.0
N_REFERENCE = 1500
"""Windows that the reference is the mean of; more change it by less than a thousandth."""


def window_ends(length_s: float, from_s: float = 1.0) -> list[float]:
    """Ends of the windows that are fitted on and judged, in seconds after a period's onset, the last one first."""
    ends = np.arange(UNTIL_S, from_s + length_s - 1e-9, -STEP_S)
    return [float(one) for one in ends]


def fit_switch(
    periods: Periods, rows: npt.NDArray[np.bool_], length_s: float, mirror: Sequence[int]
) -> TangentProbe:
    """Fit to the periods of `rows`; the references are those of a head that is its own mirror image.

    Returns
    -------
    TangentProbe
        Two classes in the order of the labels: imagery, rest.
    """
    ends = window_ends(length_s)
    moments = np.concatenate([periods.windows(length_s, end)[rows] for end in ends])
    labels = np.tile(periods.labels[rows], len(ends))
    columns = np.array(mirror)
    shrunk = shrink(moments, SHRINKAGE)
    some = shrunk[:: max(1, 2 * len(shrunk) // N_REFERENCE)]
    some = np.concatenate([some, some[:, :, columns][:, :, :, columns]])
    references = np.stack([log_euclidean_mean(some[:, band]) for band in range(some.shape[1])])
    vectors = np.hstack(
        [tangent_vectors(shrunk[:, band], one) for band, one in enumerate(references)], dtype=np.float32
    )
    model = LogisticRegression(C=INVERSE_PENALTY, max_iter=200).fit(vectors, labels)
    half, intercept = model.coef_[0].astype(np.float64) / 2.0, float(model.intercept_[0]) / 2.0
    return TangentProbe(references, np.stack([-half, half]), np.array([-intercept, intercept]), SHRINKAGE)


def margins(probe: TangentProbe, moments: FloatArray) -> FloatArray:
    """Logit of rest less that of imagery, shape (n,)."""
    shrunk = shrink(moments, probe.shrinkage)
    vectors = np.hstack([tangent_vectors(shrunk[:, i], one) for i, one in enumerate(probe.reference)])
    logits = vectors @ probe.coef.T + probe.intercept
    return np.asarray(logits[:, 1] - logits[:, 0])


def out_of_fold(
    periods: Periods, folds: Sequence[npt.NDArray[np.bool_]], length_s: float, mirror: Sequence[int]
) -> tuple[FloatArray, list[TangentProbe]]:
    """Margins of all periods by probes that did not see the person, (n_periods, n_ends), and the probes."""
    ends = window_ends(length_s)
    found = np.zeros((len(periods.labels), len(ends)))
    probes = []
    for test in folds:
        probe = fit_switch(periods, ~test, length_s, mirror)
        for i, end in enumerate(ends):
            found[test, i] = margins(probe, periods.windows(length_s, end)[test])
        probes.append(probe)
    return found, probes


def temperature_of(found: FloatArray, labels: npt.NDArray[np.intp]) -> float:
    """What margins are to be divided by, of least cross-entropy."""
    return fit_fusion([found], labels.astype(np.int64))[1]
