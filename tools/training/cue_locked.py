"""What is locked to a cue: slow potentials, right side of the head less left. Mostly gaze; for track A only."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from rtbci.stages.filter import SosFilter
from rtbci.stages.resample import Resample
from rtbci.stages.stage import Chain, FloatArray
from rtbci.stream.labels import mirror_columns
from tools.training.eye_rule import BASELINE_S
from tools.training.signals import Run

__all__ = ["END_S", "fit_weights", "lateral_trials", "side_pairs", "slow_features"]

BAND_HZ = (0.3, 30.0)
BAND_ORDER = 2
RATE_HZ = 128.0
END_S = 4.0
BIN_S = 0.125
LEVEL_UV = 30.0
"""Where features bend, so that no artefact outvotes the rest; a cue moves F8 less F7 by some 25 microvolts to its side."""

INVERSE_PENALTY = 6e-4
"""On features of root mean square 1."""

Lateral = npt.NDArray[np.float32]


def side_pairs(labels: Sequence[str]) -> list[str]:
    """Electrodes on the right that have a partner on the left, in order; midline electrodes have none."""
    mirror = mirror_columns(labels)
    return [label for i, label in enumerate(labels) if mirror[i] != i and label[-1] in "02468"]


def lateral_trials(run: Run, right: Sequence[str], keep: npt.NDArray[np.bool_]) -> Lateral:
    """Right less left of each pair, from `BASELINE_S` before each cue to `END_S` after it.

    Parameters
    ----------
    run : Run
        As recorded.
    right : sequence of str
        From `side_pairs`.
    keep : ndarray of bool, shape (n_cues,)
        Which cues.

    Returns
    -------
    ndarray of float32, shape (n_trials, n_pairs, n_samples)
        Microvolts at `RATE_HZ`, by the streaming stages, causally from the run's start. A difference does not depend on
        the reference. Less each trial's mean before the cue.
    """
    columns = [run.labels.index(label) for label in right]
    left = mirror_columns(run.labels)
    lateral = run.data_uv[:, columns] - run.data_uv[:, [left[i] for i in columns]]
    n = len(columns)
    chain = Chain(
        [
            SosFilter.bandpass(*BAND_HZ, run.rate_hz, n, BAND_ORDER),
            Resample(run.rate_hz, RATE_HZ, n, BAND_HZ[1]),
        ]
    )
    signal = chain.push(np.ascontiguousarray(lateral))
    n_before, n_after = round(BASELINE_S * RATE_HZ), round(END_S * RATE_HZ)
    i_cue = np.ceil(run.i_cue[keep] * RATE_HZ / run.rate_hz).astype(np.intp)
    trials = np.stack([signal[i - n_before : i + n_after].T for i in i_cue])
    return np.asarray(trials - trials[:, :, :n_before].mean(axis=2, keepdims=True), dtype=np.float32)


def slow_features(lateral: Lateral, span_s: tuple[float, float]) -> FloatArray:
    """Means over bins of `BIN_S`, bent by tanh at `LEVEL_UV`; shape (n_trials, n_pairs * n_bins).

    Parameters
    ----------
    lateral : ndarray of float32
        From `lateral_trials`.
    span_s : (float, float)
        Seconds after the cue, whole bins.

    Notes
    -----
    Mirrored trials have the same features with the other sign.
    """
    n_before, n_bin = round(BASELINE_S * RATE_HZ), round(BIN_S * RATE_HZ)
    start, stop = (n_before + round(at_s / BIN_S) * n_bin for at_s in span_s)
    n, n_pairs = lateral.shape[:2]
    bins = lateral[:, :, start:stop].astype(np.float64).reshape(n, n_pairs, -1, n_bin).mean(axis=3)
    return np.asarray(np.tanh(bins / LEVEL_UV).reshape(n, -1))


def fit_weights(features: FloatArray, classes: npt.NDArray[np.int64]) -> FloatArray:
    """Logistic regression without intercept, so that a mirrored trial gets the other answer.

    Parameters
    ----------
    features : ndarray of float64, shape (n_trials, n_features)
    classes : ndarray of int64, shape (n_trials,)
        0 left, 1 right.

    Returns
    -------
    ndarray of float64, shape (n_features,)
        ``features @ weights`` is the logit of right.
    """
    scale = np.sqrt(np.mean(features**2, axis=0)) + 1e-12
    model = LogisticRegression(C=INVERSE_PENALTY, max_iter=500, fit_intercept=False)
    return np.asarray(model.fit(features / scale, classes).coef_[0] / scale)
