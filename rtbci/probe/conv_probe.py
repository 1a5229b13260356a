"""The probe on top of the encoder: a linear map per patch, then one over all patches."""

from typing import Self

import numpy as np
import numpy.typing as npt

from rtbci.errors import ShapeError
from rtbci.stages.stage import FloatArray

__all__ = ["ConvProbe"]


class ConvProbe:
    """Linear map of each patch's features to a few numbers, then a linear map of all of them to logits.

    Parameters
    ----------
    patch_weight : array_like, shape (n_hidden, n_features)
        The same for every patch.
    patch_bias : array_like, shape (n_hidden,)
    weight : array_like, shape (n_classes, n_patches * n_hidden)
        Columns ordered by patch, oldest first.
    bias : array_like, shape (n_classes,)

    Raises
    ------
    ShapeError
        When the shapes do not fit each other.

    Notes
    -----
    The probe of DARE-EEG (arXiv 2605.18298) is linear throughout, so both maps are multiplied out once:
    a decision costs one product of (n_classes, n_patches * n_features) with the window's features, about
    2 microseconds for nano. The factors are kept for writing a profile.
    """

    def __init__(
        self,
        patch_weight: npt.ArrayLike,
        patch_bias: npt.ArrayLike,
        weight: npt.ArrayLike,
        bias: npt.ArrayLike,
    ) -> None:
        self.patch_weight: FloatArray = np.array(patch_weight, dtype=np.float64)
        self.patch_bias: FloatArray = np.array(patch_bias, dtype=np.float64)
        self.weight: FloatArray = np.array(weight, dtype=np.float64)
        self.bias: FloatArray = np.array(bias, dtype=np.float64)
        self._check()
        self.n_hidden, self.n_features = self.patch_weight.shape
        self.n_classes = self.weight.shape[0]
        self.n_patches = self.weight.shape[1] // self.n_hidden
        per_patch = self.weight.reshape(self.n_classes, self.n_patches, self.n_hidden)
        self._product = (per_patch @ self.patch_weight).reshape(self.n_classes, -1)
        self._constant = self.bias + per_patch.sum(axis=1) @ self.patch_bias

    @classmethod
    def from_tensors(cls, tensors: dict[str, npt.NDArray[np.float64]]) -> Self:
        """Build from the tensors that `tensors` gives."""
        return cls(tensors["patch_weight"], tensors["patch_bias"], tensors["weight"], tensors["bias"])

    def tensors(self) -> dict[str, FloatArray]:
        """Weights by name, for a profile."""
        names = ("patch_weight", "patch_bias", "weight", "bias")
        return {name: getattr(self, name) for name in names}

    def logits(self, features: npt.NDArray[np.float32] | FloatArray) -> FloatArray:
        """Logits of one window.

        Parameters
        ----------
        features : ndarray, shape (n_patches, n_features)
            Oldest patch first; summary tokens flattened.

        Returns
        -------
        ndarray of float64, shape (n_classes,)

        Raises
        ------
        ShapeError
            When the features have another shape.
        """
        if features.shape != (self.n_patches, self.n_features):
            raise ShapeError(
                f"ConvProbe: features have shape {features.shape}, need ({self.n_patches}, {self.n_features})"
            )
        return np.asarray(self._product @ features.ravel() + self._constant)

    def _check(self) -> None:
        shapes = [one.shape for one in (self.patch_weight, self.patch_bias, self.weight, self.bias)]
        fits = [len(shape) for shape in shapes] == [2, 1, 2, 1]
        if fits:
            n_hidden, n_classes = shapes[0][0], shapes[2][0]
            fits = shapes[1] == (n_hidden,) and shapes[3] == (n_classes,)
            fits = fits and n_hidden > 0 and shapes[2][1] > 0 and shapes[2][1] % n_hidden == 0
        if not fits:
            raise ShapeError(
                f"ConvProbe: weights have shapes {shapes}, need (h, f), (h,), (n_classes, n_patches * h), "
                "(n_classes,); export them again"
            )
