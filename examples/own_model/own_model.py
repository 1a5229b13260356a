"""A scikit-learn pipeline as a decoder of rtbci, fitted where it is loaded."""

from typing import Any

import numpy as np
import numpy.typing as npt
from pyriemann.estimation import Covariances
from pyriemann.tangentspace import TangentSpace
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline


def new_pipeline() -> Pipeline:
    """The decoder, not fitted: from windows (n, n_channels, n_samples) to a class."""
    return make_pipeline(Covariances("oas"), TangentSpace(), LogisticRegression(C=0.1, max_iter=1000))


class OwnModel:
    """Made once with what the engine's recipe says, then called for the newest window at every hop."""

    def __init__(self, contract: Any) -> None:
        with np.load(contract.weights) as kept:  # numbers and nothing else
            if tuple(kept["channels"]) != contract.channels or kept["rate_hz"] != contract.rate_hz:
                raise ValueError(f"was trained on {', '.join(kept['channels'])} at {kept['rate_hz']} Hz")
            self._pipeline = new_pipeline().fit(kept["x"].astype(float), kept["y"])

    def run(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """From windows (n, n_channels, n_samples) in the recipe's unit to probabilities (n, n_classes)."""
        return np.asarray(self._pipeline.predict_proba(x.astype(float)))
