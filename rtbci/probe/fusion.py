"""Several branches' logits to one set of calibrated probabilities."""

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from rtbci.errors import ConfigError, ShapeError
from rtbci.stages.stage import FloatArray

__all__ = ["Centring", "Fusion"]


class Centring(Protocol):
    """Takes what a user's logits lean to off them; `rtbci.probe.recentre`, `adapt` and `baseline` have one each."""

    def push(self, logits: FloatArray) -> FloatArray | None:
        """Logits (n_classes,) of the next window, centred by what was learnt before it; a new array.

        None: not enough was learnt to say anything.
        """
        ...


class Fusion:
    """``softmax((sum_b w_b logits_b + bias) / temperature)``.

    Parameters
    ----------
    weights : array_like, shape (n_branches,)
        One weight per branch, in the order in which `logits` gets them.
    bias : array_like, shape (n_classes,)
        Added to the sum.
    temperature : float
        Above 1 makes the probabilities less sure (Guo et al. 2017, On calibration of modern neural networks).

    Raises
    ------
    ConfigError
        When a number is not finite, there is no branch, fewer than two classes, or the temperature is
        not positive.
    """

    def __init__(self, weights: npt.ArrayLike, bias: npt.ArrayLike, temperature: float = 1.0) -> None:
        self.weights: FloatArray = np.array(weights, dtype=np.float64)
        self.bias: FloatArray = np.array(bias, dtype=np.float64)
        self.temperature = float(temperature)
        if self.weights.ndim != 1 or not self.weights.size or not np.isfinite(self.weights).all():
            raise ConfigError(
                f"Fusion: weights are {self.weights.tolist()}, need one finite number per branch"
            )
        if self.bias.ndim != 1 or self.bias.size < 2 or not np.isfinite(self.bias).all():
            raise ConfigError(f"Fusion: bias is {self.bias.tolist()}, need one finite number per class")
        if not (np.isfinite(self.temperature) and self.temperature > 0):
            raise ConfigError(f"Fusion: temperature is {temperature:g}, need a number above 0")
        # A few numbers at a time: as plain floats 4.3 us for three branches, as arrays 7.2.
        self._weights: list[float] = self.weights.tolist()
        self._bias: list[float] = self.bias.tolist()

    def logits(self, branch_logits: Sequence[FloatArray]) -> FloatArray:
        """Weighted sum of the branches' logits, before the temperature.

        Parameters
        ----------
        branch_logits : sequence of ndarray, each of shape (n_classes,)
            In the order of the weights.

        Returns
        -------
        ndarray of float64, shape (n_classes,)

        Raises
        ------
        ShapeError
            When the number of branches or of classes differs.
        """
        if len(branch_logits) != self.weights.size:
            raise ShapeError(f"Fusion: got logits of {len(branch_logits)} branches, need {self.weights.size}")
        shape = self.bias.shape
        total = self._bias
        for weight, logits in zip(self._weights, branch_logits, strict=True):
            if logits.shape != shape:
                raise ShapeError(f"Fusion: logits have shape {logits.shape}, need {shape}")
            total = [so_far + weight * one for so_far, one in zip(total, logits.tolist(), strict=True)]
        return np.array(total)

    def centred(self, branch_logits: Sequence[FloatArray], centring: Centring | None) -> FloatArray | None:
        """What `logits` gives, with a running mean taken off all but the bias.

        The bias stays: it was fitted with labels, and a mean without labels would undo it.

        Parameters
        ----------
        branch_logits : sequence of ndarray, each of shape (n_classes,)
        centring : Centring or None
            Learns from this window; None: nothing is taken off.

        Returns
        -------
        ndarray of float64, shape (n_classes,), or None
            None when the centring says nothing yet.
        """
        fused = self.logits(branch_logits)
        if centring is None:
            return fused
        centred = centring.push(fused - self.bias)
        return None if centred is None else np.asarray(centred + self.bias)

    def probs(self, logits: FloatArray) -> FloatArray:
        """Calibrated probabilities, shape (n_classes,), from what `logits` returned."""
        values = logits.tolist()
        highest = max(values)
        exponentials = [math.exp((value - highest) / self.temperature) for value in values]
        total = sum(exponentials)
        return np.array([value / total for value in exponentials])
