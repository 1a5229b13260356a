"""An encoder for rtbci: the log power of each electrode at a few frequencies, patch by patch."""

from typing import Any

import numpy as np
import numpy.typing as npt

FLOOR = 1e-3


class BandPower:
    """Made once with what the engine's recipe says, then called for each patch of the signal."""

    def __init__(self, contract: Any) -> None:
        frequencies_hz = np.array(contract.settings["frequencies_hz"])
        t_s = np.arange(contract.n_samples) / contract.rate_hz
        self._waves = np.hanning(len(t_s)) * np.exp(-2j * np.pi * frequencies_hz[:, np.newaxis] * t_s)
        n_features = contract.n_channels * len(frequencies_hz)
        if contract.output_shape != (n_features,):
            raise ValueError(f"shape in [output] is {contract.output_shape}, need [{n_features}]")

    def run(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """From patches (n, n_channels, n_samples) to features (n, n_features)."""
        power = np.abs(x @ self._waves.T) ** 2
        features: npt.NDArray[np.float32] = np.log(power + FLOOR).astype(np.float32)
        return features.reshape(len(x), -1)
