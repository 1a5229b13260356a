"""Minimum distance to mean: a window's covariance is of the class whose mean is nearest."""

from typing import Self

import numpy as np
import numpy.typing as npt

from rtbci.errors import ShapeError
from rtbci.probe.tangent import shrink
from rtbci.stages.spd import distances, inverse_roots
from rtbci.stages.stage import FloatArray

__all__ = ["MdmProbe"]


class MdmProbe:
    """Softmax of negative squared distances to the classes' means, in each band.

    Parameters
    ----------
    means : array_like, shape (n_classes, n_bands, n_channels, n_channels)
        Symmetric, positive definite: mean of each class in each band, of shrunk covariances.
    scale : array_like, shape (n_bands,)
        What a squared distance in each band counts for, at least 0: one over twice a variance, or over a temperature.
    bias : array_like, shape (n_classes,)
        Added to the logits.
    shrinkage : float
        Share of the scaled identity in every covariance, above 0 up to 1.

    Raises
    ------
    ShapeError
        When the shapes do not fit each other, or a mean is not positive definite.

    Notes
    -----
    ``logit_k = bias_k - sum_b scale_b d(C_b, M_kb)^2`` with the affine-invariant distance d. With one band and equal biases
    the most probable class is that of the classifier MDM (Barachant et al. 2012, IEEE TBME 59:920, doi
    10.1109/TBME.2011.2172210).
    """

    def __init__(
        self,
        means: npt.ArrayLike,
        scale: npt.ArrayLike,
        bias: npt.ArrayLike,
        shrinkage: float = 0.05,
    ) -> None:
        self.means: FloatArray = np.array(means, dtype=np.float64)
        self.scale: FloatArray = np.array(scale, dtype=np.float64)
        self.bias: FloatArray = np.array(bias, dtype=np.float64)
        self.shrinkage = float(shrinkage)
        self._check()
        self.n_classes, self.n_bands, self.n_channels = self.means.shape[:3]
        self._whiteners = inverse_roots(self.means)

    @classmethod
    def from_tensors(cls, tensors: dict[str, npt.NDArray[np.float64]]) -> Self:
        """Build from the tensors that `tensors` gives."""
        return cls(tensors["means"], tensors["scale"], tensors["bias"], float(tensors["shrinkage"][0]))

    def tensors(self) -> dict[str, FloatArray]:
        """Weights by name, for a profile."""
        return {
            "means": self.means,
            "scale": self.scale,
            "bias": self.bias,
            "shrinkage": np.array([self.shrinkage]),
        }

    def squared_distances(self, covariances: FloatArray) -> FloatArray:
        """Squared distances of windows to every class's mean in every band.

        Parameters
        ----------
        covariances : ndarray of float64, shape (..., n_bands, n_channels, n_channels)
            As `BlockCovariances.window` gives them, not shrunk yet.

        Returns
        -------
        ndarray of float64, shape (..., n_classes, n_bands)

        Raises
        ------
        ShapeError
            When the covariances have another shape.
        """
        if covariances.shape[-3:] != self.means.shape[1:]:
            raise ShapeError(
                f"MdmProbe: covariances have shape {covariances.shape}, need (..., {self.means.shape[1:]})"
            )
        shrunk = shrink(covariances, self.shrinkage)
        return np.asarray(distances(shrunk[..., np.newaxis, :, :, :], self._whiteners) ** 2)

    def logits(self, covariances: FloatArray) -> FloatArray:
        """Logits of windows, shape (..., n_classes); see `squared_distances`."""
        return np.asarray(self.bias - self.squared_distances(covariances) @ self.scale)

    def _check(self) -> None:
        shape = self.means.shape
        square = len(shape) == 4 and shape[2] == shape[3] > 0
        if not square or self.bias.shape != shape[:1] or self.scale.shape != shape[1:2]:
            raise ShapeError(
                f"MdmProbe: means have shape {shape}, scale {self.scale.shape}, bias {self.bias.shape}; need (n_classes, "
                "n_bands, c, c), (n_bands,), (n_classes,)"
            )
        if not 0.0 < self.shrinkage <= 1.0 or not self.scale.min() >= 0.0:
            raise ShapeError(
                f"MdmProbe: shrinkage is {self.shrinkage:g}, need above 0 and at most 1; scale is {self.scale.tolist()}, "
                "need numbers of at least 0"
            )
