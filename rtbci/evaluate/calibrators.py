"""From a user's first trials to that user's profile: the protocol, and methods that hold back.

A calibrator is named on the command line: one of `CALIBRATORS`, or ``package.module:attribute``, something that
gives a `Calibrator` when called without arguments.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

import msgspec
import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from rtbci.errors import ConfigError
from rtbci.probe.head_features import window_features
from rtbci.probe.moved_heads import Windows, learned_scales, move_heads
from rtbci.probe.profile import BranchEntry, Profile
from rtbci.probe.refit import PRECISION, SCALE_NAME, feature_scale, refit_profile
from rtbci.recipes import idle_class
from rtbci.stages.stage import FloatArray
from rtbci.stream.labels import mirror_columns

__all__ = [
    "CALIBRATORS",
    "CalibrationTrials",
    "Calibrator",
    "LearnedPrior",
    "RefitHeads",
    "ScaleBias",
    "find_calibrator",
    "rescored",
]

REFITTED = ("power", "tangent")


@dataclass(frozen=True)
class CalibrationTrials:
    """A user's calibration trials in time order: one window each, the one that the trial would be judged by.

    Parameters
    ----------
    classes : tuple of str
        Order of logits.
    labels : ndarray of int, shape (n_trials,)
        Class asked for.
    logits : ndarray of float64, shape (n_trials, n_classes)
        The population decoder's fused logits, recentred where the recipe says so, before the temperature.
    branch_logits : ndarray of float64, shape (n_trials, n_branches, n_classes), or None
        What each branch said, before fusion and recentring; only for calibrators with `needs_signals`.
    signals : ndarray of float32, shape (n_trials, n_context + window_samples, n_channels), or None
        The decoder's signal, after all stages: the window, and one second before it so that filters inside a
        branch settle; zeros where the stream began later. Only for calibrators with `needs_signals`. Given to
        `Branch.logits_of` it gives what the running branch said, to within that settling.
    window_samples, hop_samples : int
        Of the window at the end of each signal.
    """

    classes: tuple[str, ...]
    labels: npt.NDArray[np.intp]
    logits: FloatArray
    branch_logits: FloatArray | None = None
    signals: npt.NDArray[np.float32] | None = None
    window_samples: int = 0
    hop_samples: int = 0


class Calibrator(Protocol):
    """Turns the population's profile into a user's.

    Attributes
    ----------
    name : str
        For the record, with its settings.
    needs_signals : bool
        Whether `CalibrationTrials` must hold signals and branch logits.
    """

    name: str
    needs_signals: bool

    def fit(self, profile: Profile, trials: CalibrationTrials) -> Profile:
        """Return the user's profile: `profile` with other weights, fusion, bias or temperature.

        When only the fusion's weights (all by one factor), bias or temperature differ, stored logits are
        rescored (see `rescored`); otherwise the runs are decoded again with the new profile.
        """
        ...


class ScaleBias:
    """Scale and bias of the fused logits, a logistic MAP around the population's (scale 1, no bias).

    Minimises the cross-entropy of ``softmax(s z + b)`` over the trials, where z are the logits after the
    temperature, plus ``scale_precision / 2 (s - 1)^2 + bias_precision / 2 |b|^2``: the logarithm of Gaussian priors.
    Convex; the scale stays at or above 0, so that a few trials never turn the answer round. With an idle class the
    scale stays 1 and idle keeps its bias, because calibration trials say nothing of idle time.

    Parameters
    ----------
    bias_precision, scale_precision : float
        Inverse variances of the priors: how many trials' worth the population counts.
    """

    needs_signals = False

    def __init__(self, bias_precision: float = 4.0, scale_precision: float = 10.0) -> None:
        if min(bias_precision, scale_precision) <= 0:
            raise ConfigError(
                f"ScaleBias: precisions are {bias_precision:g} and {scale_precision:g}, need both above 0"
            )
        self.bias_precision, self.scale_precision = bias_precision, scale_precision
        self.name = f"scale_bias(bias_precision={bias_precision:g}, scale_precision={scale_precision:g})"

    def fit(self, profile: Profile, trials: CalibrationTrials) -> Profile:
        """Return the profile with scaled branch weights and another bias; see `Calibrator.fit`."""
        idle = idle_class(trials.classes)
        active = [i for i in range(len(trials.classes)) if i != idle]
        used = np.isin(trials.labels, active)
        z = trials.logits[used][:, active] / profile.temperature
        labels = np.searchsorted(active, trials.labels[used])
        scale, bias = self._solve(z, labels, fixed_scale=idle is not None)
        full_bias = np.zeros(len(trials.classes))
        full_bias[active] = bias * profile.temperature
        branches = [msgspec.structs.replace(entry, weight=entry.weight * scale) for entry in profile.branches]
        new_bias = (scale * np.array(profile.bias) + full_bias).tolist()
        return msgspec.structs.replace(profile, branches=branches, bias=new_bias)

    def _solve(
        self, z: FloatArray, labels: npt.NDArray[np.intp], fixed_scale: bool
    ) -> tuple[float, FloatArray]:
        n_classes = z.shape[1]
        wanted = np.eye(n_classes)[labels]

        def loss(x: FloatArray) -> tuple[float, FloatArray]:
            scale, bias = x[0], x[1:]
            scores = scale * z + bias
            error = softmax(scores, axis=1) - wanted
            value = -float((log_softmax(scores, axis=1) * wanted).sum())
            value += 0.5 * self.scale_precision * (scale - 1.0) ** 2 + 0.5 * self.bias_precision * bias @ bias
            slope = np.concatenate([[(error * z).sum()], error.sum(axis=0)])
            slope += np.concatenate([[self.scale_precision * (scale - 1.0)], self.bias_precision * bias])
            return value, slope

        bounds = [(1.0, 1.0) if fixed_scale else (0.0, None)] + [(None, None)] * n_classes
        start = np.concatenate([[1.0], np.zeros(n_classes)])
        # The loss is in nats over a few trials; 1e-10 relative is far below what any decision can see.
        found = minimize(
            loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-12, "gtol": 1e-8}
        )
        return float(found.x[0]), np.asarray(found.x[1:], dtype=np.float64)


class RefitHeads:
    """Heads of the power and tangent branches, a logistic MAP around the population's, features fixed; see `rtbci.probe.refit`.

    Branches that the fusion does not use, and an encoder's probe, keep their heads. Where the profile lacks the
    population's spread of a feature, that of the calibration trials stands in.

    Parameters
    ----------
    precision : float
        Inverse variance of the prior on the heads, in standardised features.
    """

    needs_signals = True

    def __init__(self, precision: float = PRECISION) -> None:
        self.precision = precision
        self.name = f"refit(precision={precision:g})"

    def fit(self, profile: Profile, trials: CalibrationTrials) -> Profile:
        """Return the profile with refitted heads; see `Calibrator.fit`.

        Raises
        ------
        ConfigError
            When the trials come without signals.
        """
        if trials.signals is None:
            raise ConfigError("RefitHeads: trials have no signals, need them; decode with a HopDecoder")
        features: dict[str, FloatArray] = {}
        scales: dict[str, FloatArray] = {}
        for entry in profile.branches:
            if entry.kind not in REFITTED or entry.weight == 0.0:
                continue
            features |= _features(profile, [entry], trials.signals)
            if f"{entry.name}.{SCALE_NAME}" not in profile.weights:
                scales[entry.name] = feature_scale(features[entry.name])
        return refit_profile(profile, features, trials.labels, precision=self.precision, scales=scales)


class LearnedPrior:
    """Heads of the branches that know how far people differ, moved as `rtbci calibrate` moves them; see `rtbci.probe.moved_heads`.

    A trial is one window here, the one that it would be judged by; `rtbci calibrate` fits on three.

    Parameters
    ----------
    bias_precision : float
        Inverse variance of the prior on the change of the difference between two classes' biases.
    """

    needs_signals = True

    def __init__(self, bias_precision: float = 10.0) -> None:
        self.bias_precision = bias_precision
        self.name = f"prior(bias_precision={bias_precision:g})"

    def fit(self, profile: Profile, trials: CalibrationTrials) -> Profile:
        """Return the profile with moved heads; see `Calibrator.fit`.

        Raises
        ------
        ConfigError
            When the trials come without signals, or no branch of the profile has a prior of how far people differ.
        """
        scales = learned_scales(profile)
        if trials.signals is None or not scales:
            lacks = (
                "profile has no branch that knows how far people differ"
                if not scales
                else "trials have no signals"
            )
            raise ConfigError(f"--calibrator prior: {lacks}, need it; take scale_bias or refit")
        moved = [entry for entry in profile.branches if entry.name in scales]
        heads = _features(profile, moved, trials.signals)
        images = {}
        if profile.mirror:
            images = _features(profile, moved, trials.signals[:, :, mirror_columns(profile.channels)])
        weights = np.ones(len(trials.labels))
        windows = Windows(heads, trials.logits, trials.labels, weights, images)
        return move_heads(profile, windows, scales, 2.0 * self.bias_precision).profile()


CALIBRATORS: dict[str, Callable[[], Calibrator]] = {
    "scale_bias": ScaleBias,
    "refit": RefitHeads,
    "prior": LearnedPrior,
}
"""Calibrators by the name that the command line takes."""


def find_calibrator(name: str) -> Calibrator:
    """Make a calibrator by its name, or from ``package.module:attribute``.

    Raises
    ------
    ConfigError
        When there is none; names those that there are.
    """
    if name in CALIBRATORS:
        return CALIBRATORS[name]()
    module, colon, attribute = name.partition(":")
    needed = f"need {', '.join(CALIBRATORS)} or package.module:attribute"
    if not colon:
        raise ConfigError(f"--calibrator: got '{name}', {needed}")
    try:
        found = getattr(import_module(module), attribute)()
    except (ImportError, AttributeError, TypeError) as error:
        raise ConfigError(f"--calibrator: '{name}' cannot be made ({error}), {needed}") from error
    if not all(hasattr(found, part) for part in ("fit", "name", "needs_signals")):
        raise ConfigError(
            f"--calibrator: '{name}' gives a {type(found).__name__} without fit, name or needs_signals, need a "
            "Calibrator; see rtbci.evaluate.calibrators"
        )
    calibrator: Calibrator = found
    return calibrator


def rescored(logits: FloatArray, old: Profile, new: Profile) -> FloatArray | None:
    """Fused logits as the new profile would give them, when only its fusion differs.

    Parameters
    ----------
    logits : ndarray of float64, shape (n, n_classes)
        Of the old profile, recentred where the recipe says so, before the temperature.
    old, new : Profile

    Returns
    -------
    ndarray of float64, shape (n, n_classes), or None
        None when tensors differ or the branches' weights do not change by one factor: decode again.

    Notes
    -----
    Exact for recentred logits too: recentring is linear, and the fusion's bias is not part of what it centres.
    """
    same_tensors = old.weights.keys() == new.weights.keys() and all(
        old.weights[name] is new.weights[name] or np.array_equal(old.weights[name], new.weights[name])
        for name in old.weights
    )
    before = np.array([entry.weight for entry in old.branches])
    after = np.array([entry.weight for entry in new.branches])
    if not same_tensors or before.shape != after.shape or not before.any():
        return None
    i = int(np.abs(before).argmax())
    factor = after[i] / before[i]
    if not np.allclose(after, factor * before, rtol=1e-12, atol=0.0):
        return None
    return np.asarray(factor * (logits - np.array(old.bias)) + np.array(new.bias))


def _features(
    profile: Profile, branches: Sequence[BranchEntry], signals: npt.NDArray[np.float32]
) -> dict[str, FloatArray]:
    """What the heads of branches read of the last window of each signal; see `rtbci.probe.head_features`."""
    return {
        entry.name: np.stack([window_features(profile, entry, signal) for signal in signals])
        for entry in branches
    }
