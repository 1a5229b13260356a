"""Whether the signal is still like the one that a decoder was calibrated on."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rtbci.errors import ShapeError
from rtbci.probe.profile_record import Profile, Weights
from rtbci.stages.align import inverse_root
from rtbci.stages.stage import FloatArray

__all__ = ["LIMIT", "Drift", "DriftMonitor", "covariance_distance", "drift_tensors"]

SPREAD = 0.32
"""Distance that counts as 1 unless a profile says more. The highest half minute of a person's later runs in a session is 0.4
from the first run, the median of 20 people (EEGMMIDB, 31 electrodes, 8-30 Hz; docs/calibration.md)."""
LIMIT = 2.5
"""Above this for `HOLD_S`, calibrating again is advised."""
HOLD_S = 30.0
TIME_CONSTANT_S = 30.0
FIRST_S = 60.0
"""Without a calibration to compare with, the stream's own first minute is what it is compared with."""
SETTLED_S = 20.0
SHRINKAGE = 0.05


class Drift(NamedTuple):
    """How far the signal is from what it was.

    Parameters
    ----------
    signal : float
        Distance of the covariance, in units of its spread.
    logits : float or None
        How far the mean of the fused logits is from the calibration's, in standard deviations of a window; None when the
        profile does not tell. No reason to calibrate again: a user who favours a class moves it too.
    reference : {'calibration', 'stream'}
        What it is compared with.
    advised : bool
        Whether calibrating again is advised, from this moment on; told once.
    """

    signal: float
    logits: float | None
    reference: str
    advised: bool


def covariance_distance(covariance: FloatArray, reference: FloatArray) -> float:
    """Riemannian distance of two covariances' shapes; 0 for the same, not changed by one gain for all channels.

    Both are divided by their mean power and shrunk by 5 %. Then the root mean square over the channels of ``log`` of the
    eigenvalues of ``reference^(-1) covariance`` (affine-invariant, Pennec et al. 2006, doi 10.1007/s11263-005-3222-z).
    """
    one, other = _shaped(covariance), _shaped(reference)
    whitener = inverse_root(other, 1e-9)
    values = np.linalg.eigvalsh(whitener @ one @ whitener)
    return float(np.sqrt(np.mean(np.log(values) ** 2)))


def drift_tensors(covariances: Sequence[FloatArray], logits: FloatArray | None = None) -> Weights:
    """What a calibration leaves for the monitor in its profile.

    Parameters
    ----------
    covariances : sequence of ndarray, each of shape (n_channels, n_channels)
        Of successive parts of the calibration in front of the alignment, in the channels that the alignment had;
        for instance one for each run.
    logits : ndarray of float64, shape (n_windows, n_classes), optional
        Fused logits of the calibration's windows.

    Returns
    -------
    dict of ndarray
        ``drift.covariance``, ``drift.spread`` (largest distance of a part to the mean, at least the usual spread), and
        ``drift.logits`` (mean and standard deviation, shape (2, n_classes)).
    """
    mean = np.mean(covariances, axis=0)
    spread = max(SPREAD, *(covariance_distance(one, mean) for one in covariances))
    tensors: Weights = {"drift.covariance": mean, "drift.spread": np.array([spread])}
    if logits is not None:
        centred = logits - logits.mean(axis=1, keepdims=True)
        tensors["drift.logits"] = np.stack([centred.mean(axis=0), centred.std(axis=0)])
    return tensors


class DriftMonitor:
    """Compares the newest half minute with a reference, once a second.

    Parameters
    ----------
    profile : Profile or None
        May have the tensors of `drift_tensors`. Without, or when they are of other channels, the first minute
        of the stream is the reference.
    n_channels : int
        Channels of the alignment.

    Notes
    -----
    Costs 0.4 ms a call for 31 channels. The reference is never the population's covariance: people differ from that by
    more (0.6 to 3.5) than a swapped pair of electrodes moves them.
    """

    def __init__(self, profile: Profile | None, n_channels: int) -> None:
        weights = {} if profile is None else profile.weights
        self._spread = float(np.ravel(weights.get("drift.spread", SPREAD))[0])
        found = weights.get("drift.covariance")
        is_usable = found is not None and found.shape == (n_channels, n_channels)
        self._reference = np.asarray(found, float) if is_usable else None
        self._kind = "calibration" if is_usable else "stream"
        own = weights.get("drift.logits")
        self._logits = None if own is None else np.asarray(own, float)
        self._shape = (n_channels, n_channels)
        self._total, self._weight = np.zeros(self._shape), 0.0
        self._mean = np.zeros(0)
        self._t_first: float | None = None
        self._t_last = 0.0
        self._t_above: float | None = None
        self._was_advised = False

    def push(self, t_s: float, covariance: FloatArray, logits: Sequence[FloatArray] = ()) -> Drift | None:
        """Take the newest seconds.

        Parameters
        ----------
        t_s : float
            Time in seconds.
        covariance : ndarray of float64, shape (n_channels, n_channels)
            Of the newest seconds, in front of the alignment.
        logits : sequence of ndarray, each of shape (n_classes,)
            Of the windows since the call before.

        Returns
        -------
        Drift or None
            None until there is enough to compare.

        Raises
        ------
        ShapeError
            When the covariance is of another number of channels.
        """
        if covariance.shape != self._shape:
            raise ShapeError(f"DriftMonitor: covariance has shape {covariance.shape}, need {self._shape}")
        if self._t_first is None:
            self._t_first = self._t_last = t_s
        step_s = max(0.0, t_s - self._t_last)
        self._t_last = t_s
        is_first = self._reference is None
        keep = 1.0 if is_first else math.exp(-step_s / TIME_CONSTANT_S)
        self._total, self._weight = keep * self._total + covariance, keep * self._weight + 1.0
        self._take(logits, step_s)
        if is_first:
            if t_s - self._t_first >= FIRST_S:
                self._reference = self._total / self._weight
                self._total, self._weight, self._t_first = 0.0 * self._total, 0.0, t_s
            return None
        if t_s - self._t_first < SETTLED_S:
            return None
        return self._judge(t_s)

    def _judge(self, t_s: float) -> Drift | None:
        if self._reference is None:
            return None
        signal = covariance_distance(self._total / self._weight, self._reference) / self._spread
        if signal <= LIMIT:
            self._t_above = None
        elif self._t_above is None:
            self._t_above = t_s
        is_long = self._t_above is not None and t_s - self._t_above >= HOLD_S
        advised, self._was_advised = is_long and not self._was_advised, is_long or self._was_advised
        return Drift(signal, self._logit_drift(), self._kind, advised)

    def _take(self, logits: Sequence[FloatArray], step_s: float) -> None:
        if not len(logits) or self._logits is None:
            return
        rows = np.stack(logits)
        newest = (rows - rows.mean(axis=1, keepdims=True)).mean(axis=0)
        share = 1.0 if not self._mean.size else 1.0 - math.exp(-step_s / (2 * TIME_CONSTANT_S))
        self._mean = newest if not self._mean.size else self._mean + share * (newest - self._mean)

    def _logit_drift(self) -> float | None:
        if self._logits is None or not self._mean.size:
            return None
        mean, deviation = self._logits
        return float(np.max(np.abs(self._mean - mean) / np.maximum(deviation, 1e-9)))


def _shaped(covariance: FloatArray) -> FloatArray:
    n = len(covariance)
    level = max(float(np.trace(covariance)) / n, 1e-30)
    return np.asarray((1.0 - SHRINKAGE) * covariance / level + SHRINKAGE * np.eye(n))
