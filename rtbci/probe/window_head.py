"""A linear head on what a whole-window engine gives, and logits that are not numbers."""

import math
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from rtbci.backends.session import Session
from rtbci.errors import EngineError
from rtbci.stages.stage import FloatArray

__all__ = ["WindowHead", "finite", "has_head"]


class WindowHead:
    """``logits = weight @ features + bias``.

    Parameters
    ----------
    weight : array_like, shape (n_classes, n_features)
    bias : array_like, shape (n_classes,)

    Raises
    ------
    EngineError
        When the shapes do not fit each other.
    """

    def __init__(self, weight: npt.ArrayLike, bias: npt.ArrayLike) -> None:
        self.weight: FloatArray = np.array(weight, dtype=np.float64)
        self.bias: FloatArray = np.array(bias, dtype=np.float64)
        if self.weight.ndim != 2 or self.bias.shape != self.weight.shape[:1]:
            raise EngineError(
                f"WindowHead: weight and bias have shapes {self.weight.shape} and {self.bias.shape}, need (n_classes, n_features) "
                "and (n_classes,); calibrate again"
            )

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, npt.NDArray[Any]]) -> Self | None:
        """The head of a branch's tensors; None where they hold none."""
        return cls(tensors["weight"], tensors["bias"]) if {"weight", "bias"} <= set(tensors) else None

    def logits(self, features: FloatArray) -> FloatArray:
        """Logits (n_classes,) of features (n_features,), a fresh array.

        Raises
        ------
        EngineError
            When there are more or fewer features.
        """
        if features.shape != self.weight.shape[1:]:
            raise EngineError(
                f"WindowHead: engine gives {features.size} features, need the {self.weight.shape[1]} that the head was fitted on; "
                "calibrate again"
            )
        return np.asarray(self.weight @ features + self.bias)


def has_head(session: Session, tensors: Mapping[str, npt.NDArray[Any]]) -> bool:
    """Whether a branch's tensors hold a head for what its whole-window engine gives."""
    weight = tensors.get("weight")
    return (
        "bias" in tensors
        and weight is not None
        and weight.shape[1:] == (math.prod(session.output_shape[1:]),)
    )


def finite(logits: FloatArray) -> FloatArray | None:
    """The logits, or None where one is not a number: then nothing can be said of the window."""
    return logits if all(map(math.isfinite, logits.tolist())) else None
