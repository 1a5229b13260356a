"""Population decoders of the Riemannian family, fitted to covariances of aligned windows."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from rtbci.probe.band_branches import Delays
from rtbci.probe.mdm import MdmProbe
from rtbci.probe.tangent import shrink
from rtbci.stages.filter import SosFilter
from rtbci.stages.stage import FloatArray
from tools.training.signals import RATE_HZ, Signal
from tools.training.tangent_fit import SHRINKAGE, riemannian_mean
from tools.training.trials import BAND_ORDER, usable

__all__ = ["DELAYS", "delayed_covariances", "fit_mdm", "fit_scale", "mdm_margins"]

BROAD_HZ = (8.0, 30.0)
DELAYS = (16, 32)
"""Samples: 62.5 and 125 ms, as in the calibration's candidate."""


def fit_mdm(covariances: FloatArray, classes: npt.NDArray[np.int64], mirror: Sequence[int]) -> MdmProbe:
    """Means of two classes that are each other's mirror image, and what the distances count for.

    Parameters
    ----------
    covariances : ndarray of float64, shape (n, n_bands, n_channels, n_channels)
        Not shrunk.
    classes : ndarray of int64, shape (n,)
    mirror : sequence of int
        See `mirror_columns`.
    """
    shrunk, columns = shrink(covariances, SHRINKAGE), np.array(mirror)
    as_left = np.where(
        (classes == 1)[:, np.newaxis, np.newaxis, np.newaxis], shrunk[:, :, columns][:, :, :, columns], shrunk
    )
    left = np.stack([riemannian_mean(as_left[:, band]) for band in range(shrunk.shape[1])])
    means = np.stack([left, left[:, columns][:, :, columns]])
    unscaled = MdmProbe(means, np.ones(len(left)), np.zeros(2), SHRINKAGE)
    scale = fit_scale(unscaled.squared_distances(covariances), classes)
    return MdmProbe(means, scale, np.zeros(2), SHRINKAGE)


def fit_scale(squared: FloatArray, classes: npt.NDArray[np.int64]) -> FloatArray:
    """What a squared distance counts for in each band, at least 0, by maximum likelihood; shape (n_bands,).

    Parameters
    ----------
    squared : ndarray of float64, shape (n, 2, n_bands)
    classes : ndarray of int64, shape (n,)
    """
    signs = 2.0 * classes - 1.0
    nearer = signs[:, np.newaxis] * (squared[:, 0] - squared[:, 1])

    def loss(scale: FloatArray) -> tuple[float, FloatArray]:
        z = nearer @ scale
        slope = -nearer * (1.0 / (1.0 + np.exp(z)))[:, np.newaxis]
        return float(np.logaddexp(0.0, -z).mean()), slope.mean(axis=0)

    start = np.full(squared.shape[2], 0.1)
    return np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * len(start)).x)


def mdm_margins(probe: MdmProbe, covariances: FloatArray) -> FloatArray:
    """Logit of class 1 less that of class 0, shape (n,)."""
    logits = probe.logits(covariances)
    return np.asarray(logits[:, 1] - logits[:, 0])


def delayed_covariances(signals: Sequence[Signal], span: tuple[int, int]) -> FloatArray:
    """Second moments of the delay-embedded signal, embedded and filtered over whole runs as the live branch does.

    Parameters
    ----------
    signals : sequence of Signal
        Aligned.
    span : (int, int)
        Start and end of the window, in samples after the cue.

    Returns
    -------
    ndarray of float64, shape (n_trials, 1, n_channels * (1 + len(DELAYS)), ...)
    """
    found = []
    for signal in signals:
        embedded = Delays(signal.data.shape[1], DELAYS).push(signal.data)
        band = SosFilter.bandpass(*BROAD_HZ, RATE_HZ, embedded.shape[1], BAND_ORDER).push(embedded)
        for i_cue in signal.i_cue[usable(signal)]:
            window = band[i_cue + span[0] : i_cue + span[1]]
            found.append(window.T @ window / (span[1] - span[0]))
    return np.stack(found)[:, np.newaxis]
