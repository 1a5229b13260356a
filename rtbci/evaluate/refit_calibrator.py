"""Calibration that fits the branches' heads anew around the population's; see `rtbci.probe.refit`."""

import numpy as np

from rtbci.errors import ConfigError
from rtbci.evaluate.calibrators import CalibrationTrials
from rtbci.probe.head_features import window_features
from rtbci.probe.profile import Profile
from rtbci.probe.refit import PRECISION, SCALE_NAME, feature_scale, refit_profile

__all__ = ["RefitHeads"]

REFITTED = ("power", "tangent")


class RefitHeads:
    """Heads of the power and tangent branches, a logistic MAP around the population's, features fixed.

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
        features, scales = {}, {}
        for entry in profile.branches:
            if entry.kind not in REFITTED or entry.weight == 0.0:
                continue
            features[entry.name] = np.stack(
                [window_features(profile, entry, signal) for signal in trials.signals]
            )
            if f"{entry.name}.{SCALE_NAME}" not in profile.weights:
                scales[entry.name] = feature_scale(features[entry.name])
        return refit_profile(profile, features, trials.labels, precision=self.precision, scales=scales)
