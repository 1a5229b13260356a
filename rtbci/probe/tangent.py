"""Riemannian branch: covariances kept per hop, log-map at the population's mean, linear classifier."""

from typing import Self

import numpy as np
import numpy.typing as npt

from rtbci.errors import ShapeError
from rtbci.stages.stage import FloatArray

__all__ = ["BlockCovariances", "TangentProbe", "inverse_roots", "shrink", "tangent_vectors", "triangle"]


class BlockCovariances:
    """Covariance of the newest window, from the second moments of its hops.

    Parameters
    ----------
    n_bands, n_channels : int
        Bands that come in with every hop, and channels of each.
    hop_samples : int
        Samples of every hop.
    n_blocks : int
        Hops of a window.

    Notes
    -----
    Blocks are summed anew for every window, in the order of time: no running sum that drifts, and the same
    window gives the same bits wherever in the stream it lies. For that each block is stored twice, so
    that the newest `n_blocks` are always contiguous: 2 * 48 * 2 * 21 * 21 float64 are 0.7 MB.
    Not thread-safe.
    """

    def __init__(self, n_bands: int, n_channels: int, hop_samples: int, n_blocks: int) -> None:
        self.hop_samples, self.n_blocks = hop_samples, n_blocks
        self._shape = (n_bands, hop_samples, n_channels)
        self._ring = np.zeros((2 * n_blocks, n_bands, n_channels, n_channels))
        self._n_pushed = 0

    @property
    def filled(self) -> bool:
        """Whether a whole window has been pushed."""
        return self._n_pushed >= self.n_blocks

    def push(self, hop: FloatArray) -> None:
        """Add the next hop.

        Parameters
        ----------
        hop : ndarray of float64, shape (n_bands, hop_samples, n_channels)
            Band-passed, so that no mean is taken off.

        Raises
        ------
        ShapeError
            When the hop has another shape.
        """
        if hop.shape != self._shape:
            raise ShapeError(f"BlockCovariances: hop has shape {hop.shape}, need {self._shape}")
        i = self._n_pushed % self.n_blocks
        np.matmul(hop.transpose(0, 2, 1), hop, out=self._ring[i])
        self._ring[i + self.n_blocks] = self._ring[i]
        self._n_pushed += 1

    def window(self) -> FloatArray:
        """Second moment of the newest `n_blocks` hops, shape (n_bands, n_channels, n_channels), a fresh array."""
        i = self._n_pushed % self.n_blocks
        total = self._ring[i : i + self.n_blocks].sum(axis=0)
        return np.asarray(total / (self.n_blocks * self.hop_samples))

    def reset(self) -> None:
        """Forget all hops."""
        self._n_pushed = 0
        self._ring[:] = 0.0


class TangentProbe:
    """Linear classifier in the tangent space at a reference covariance, one per band.

    Parameters
    ----------
    reference : array_like, shape (n_bands, n_channels, n_channels)
        Symmetric, positive definite: the population's mean in each band.
    coef : array_like, shape (n_classes, n_bands * n_channels * (n_channels + 1) / 2)
        Weights of the tangent vectors, band after band.
    intercept : array_like, shape (n_classes,)
    shrinkage : float
        Share of the scaled identity in every covariance, above 0 up to 1; average-referenced data are rank
        deficient without it.

    Raises
    ------
    ShapeError
        When the shapes do not fit each other.

    Notes
    -----
    Tangent vector of a covariance C at reference G: the upper triangle of ``log(G^(-1/2) C G^(-1/2))`` with
    off-diagonal entries times sqrt(2) (Barachant et al. 2012, IEEE TBME 59:920, doi
    10.1109/TBME.2011.2172210).
    """

    def __init__(
        self,
        reference: npt.ArrayLike,
        coef: npt.ArrayLike,
        intercept: npt.ArrayLike,
        shrinkage: float = 0.05,
    ) -> None:
        self.reference: FloatArray = np.array(reference, dtype=np.float64)
        self.coef: FloatArray = np.array(coef, dtype=np.float64)
        self.intercept: FloatArray = np.array(intercept, dtype=np.float64)
        self.shrinkage = float(shrinkage)
        self._check()
        self.n_bands, self.n_channels = self.reference.shape[:2]
        self.n_classes = self.coef.shape[0]
        self._inverse_root = inverse_roots(self.reference)
        self._rows, self._columns, self._scale = triangle(self.n_channels)

    @classmethod
    def from_tensors(cls, tensors: dict[str, npt.NDArray[np.float64]]) -> Self:
        """Build from the tensors that `tensors` gives."""
        shrinkage = float(tensors["shrinkage"][0])
        return cls(tensors["reference"], tensors["coef"], tensors["intercept"], shrinkage)

    def tensors(self) -> dict[str, FloatArray]:
        """Weights by name, for a profile."""
        return {
            "reference": self.reference,
            "coef": self.coef,
            "intercept": self.intercept,
            "shrinkage": np.array([self.shrinkage]),
        }

    def logits(self, covariances: FloatArray) -> FloatArray:
        """Logits of one window, shape (n_classes,).

        Parameters
        ----------
        covariances : ndarray of float64, shape (n_bands, n_channels, n_channels)
            As `BlockCovariances.window` gives them, not shrunk yet.

        Raises
        ------
        ShapeError
            When the covariances have another shape.
        """
        if covariances.shape != self.reference.shape:
            raise ShapeError(
                f"TangentProbe: covariances have shape {covariances.shape}, need {self.reference.shape}"
            )
        whitened = self._inverse_root @ shrink(covariances, self.shrinkage) @ self._inverse_root
        values, vectors = np.linalg.eigh(whitened)
        logs = (vectors * np.log(values)[:, np.newaxis, :]) @ vectors.transpose(0, 2, 1)
        vector = (logs[:, self._rows, self._columns] * self._scale).ravel()
        return np.asarray(self.coef @ vector + self.intercept)

    def _check(self) -> None:
        shape = self.reference.shape
        square = len(shape) == 3 and shape[1] == shape[2] > 0
        n = shape[0] * shape[1] * (shape[1] + 1) // 2 if square else 0
        if not square or self.coef.ndim != 2 or self.coef.shape != (self.intercept.size, n):
            raise ShapeError(
                f"TangentProbe: reference has shape {shape}, coef {self.coef.shape}, intercept "
                f"{self.intercept.shape}; need (n_bands, c, c), (n_classes, n_bands * c * (c + 1) / 2), (n_classes,)"
            )
        if not 0.0 < self.shrinkage <= 1.0:
            raise ShapeError(f"TangentProbe: shrinkage is {self.shrinkage:g}, need above 0 and at most 1")


def shrink(covariances: FloatArray, shrinkage: float) -> FloatArray:
    """Mix in the scaled identity: ``(1 - s) C + s I trace(C) / n``; shape (..., n, n), a fresh array.

    A covariance of zeros (a flat signal) becomes a tiny multiple of the identity, so that its logarithm exists.
    """
    n = covariances.shape[-1]
    level = np.trace(covariances, axis1=-2, axis2=-1)[..., np.newaxis, np.newaxis] / n
    identity = np.eye(n) * np.maximum(level, np.finfo(np.float64).tiny ** 0.5)
    return np.asarray((1.0 - shrinkage) * covariances + shrinkage * identity)


def triangle(n: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], FloatArray]:
    """Rows, columns and factors of the upper triangle of an n x n matrix."""
    rows, columns = np.triu_indices(n)
    return rows, columns, np.where(rows == columns, 1.0, np.sqrt(2.0))


def tangent_vectors(covariances: FloatArray, reference: FloatArray) -> FloatArray:
    """Tangent vectors of many shrunk covariances at one reference, for training.

    Parameters
    ----------
    covariances : ndarray of float64, shape (n, n_channels, n_channels)
    reference : ndarray of float64, shape (n_channels, n_channels)

    Returns
    -------
    ndarray of float64, shape (n, n_channels * (n_channels + 1) / 2)
    """
    root = inverse_roots(reference[np.newaxis])[0]
    values, vectors = np.linalg.eigh(root @ covariances @ root)
    logs = (vectors * np.log(values)[:, np.newaxis, :]) @ vectors.transpose(0, 2, 1)
    rows, columns, scale = triangle(reference.shape[0])
    return np.asarray(logs[:, rows, columns] * scale)


def inverse_roots(matrices: FloatArray) -> FloatArray:
    """Inverse square roots of positive definite matrices, shape (n, n_channels, n_channels).

    Raises
    ------
    ShapeError
        When one is not positive definite.
    """
    values, vectors = np.linalg.eigh(matrices)
    if not values.min() > 0:
        raise ShapeError(
            f"TangentProbe: reference has the eigenvalue {values.min():g}, need a positive definite matrix; "
            "shrink the covariances before their mean is taken"
        )
    return np.asarray((vectors / np.sqrt(values)[:, np.newaxis, :]) @ vectors.transpose(0, 2, 1))
