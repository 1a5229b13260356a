"""Band power of learned spatial filters: what reads desynchronisation, cached exactly like the encoder."""

from typing import Self

import numpy as np
import numpy.typing as npt

from rtbci.errors import ShapeError
from rtbci.stages.stage import FloatArray

__all__ = ["POWER_FLOOR", "HopPowers", "PowerProbe"]

POWER_FLOOR = 0.01
"""Added to a power before its logarithm; the input is whitened, so its power is about 1."""

TENSORS = ("spatial", "temporal", "patch_weight", "coef", "intercept")


class PowerProbe:
    """Spatial filters, band-pass, log power per patch, weighted mean over the patches, linear classifier.

    Parameters
    ----------
    spatial : array_like, shape (n_bands, n_filters, n_channels)
        Filters over the electrodes, applied before the power is taken.
    temporal : array_like, shape (n_bands, n_taps)
        Impulse response of each band; tap 0 meets the newest sample.
    patch_weight : array_like, shape (n_bands * n_filters, n_patches)
        Weights of the patches in each feature's mean, oldest patch first.
    coef : array_like, shape (n_classes, n_bands * n_filters)
    intercept : array_like, shape (n_classes,)

    Raises
    ------
    ShapeError
        When the shapes do not fit each other.
    """

    def __init__(
        self,
        spatial: npt.ArrayLike,
        temporal: npt.ArrayLike,
        patch_weight: npt.ArrayLike,
        coef: npt.ArrayLike,
        intercept: npt.ArrayLike,
    ) -> None:
        self.spatial: FloatArray = np.array(spatial, dtype=np.float64)
        self.temporal: FloatArray = np.array(temporal, dtype=np.float64)
        self.patch_weight: FloatArray = np.array(patch_weight, dtype=np.float64)
        self.coef: FloatArray = np.array(coef, dtype=np.float64)
        self.intercept: FloatArray = np.array(intercept, dtype=np.float64)
        self._check()
        self.n_bands, self.n_filters, self.n_channels = self.spatial.shape
        self.n_patches = self.patch_weight.shape[1]
        self.n_classes = self.intercept.size

    @classmethod
    def from_tensors(cls, tensors: dict[str, npt.NDArray[np.float64]]) -> Self:
        """Build from the tensors that `tensors` gives."""
        return cls(*(tensors[name] for name in TENSORS))

    def tensors(self) -> dict[str, FloatArray]:
        """Weights by name, for a profile."""
        return {name: getattr(self, name) for name in TENSORS}

    def logits(self, hop_powers: FloatArray) -> FloatArray:
        """Logits of one window, shape (n_classes,).

        Parameters
        ----------
        hop_powers : ndarray of float64, shape (n_hops, n_bands * n_filters)
            Mean square of each filter's output in each hop, oldest first; a whole number of hops per patch.

        Raises
        ------
        ShapeError
            When the powers have another shape.
        """
        n_hops, n_features = hop_powers.shape
        if n_features != self.coef.shape[1] or n_hops % self.n_patches:
            raise ShapeError(
                f"PowerProbe: powers have shape {hop_powers.shape}, need (a multiple of {self.n_patches}, "
                f"{self.coef.shape[1]})"
            )
        patches = hop_powers.reshape(self.n_patches, -1, n_features).mean(axis=1)
        features = np.einsum("pf,fp->f", np.log(patches + POWER_FLOOR), self.patch_weight)
        return np.asarray(self.coef @ features + self.intercept)

    def _check(self) -> None:
        fits = self.spatial.ndim == 3 and self.temporal.ndim == 2 and self.patch_weight.ndim == 2
        if fits:
            n_bands, n_filters = self.spatial.shape[:2]
            n_features = n_bands * n_filters
            fits = self.temporal.shape[0] == n_bands and self.patch_weight.shape[0] == n_features
            fits = fits and self.coef.shape == (self.intercept.size, n_features) and self.intercept.ndim == 1
        if not fits:
            shapes = [getattr(self, name).shape for name in TENSORS]
            raise ShapeError(
                f"PowerProbe: {', '.join(TENSORS)} have shapes {shapes}, need (b, f, c), (b, n_taps), "
                "(b * f, n_patches), (n_classes, b * f), (n_classes,); export them again"
            )


class HopPowers:
    """Mean square of each filter's output, hop by hop; the newest window of them.

    Parameters
    ----------
    probe : PowerProbe
        Gives the filters.
    hop_samples : int
        Samples of every hop.
    n_hops : int
        Hops of a window.

    Notes
    -----
    History before the first sample is zeros. Each row is stored twice, so that the window is a contiguous
    view in the order of time. Not thread-safe.
    """

    def __init__(self, probe: PowerProbe, hop_samples: int, n_hops: int) -> None:
        self.hop_samples, self.n_hops = hop_samples, n_hops
        self._n_channels = probe.n_channels
        n_bands, n_taps = probe.temporal.shape
        self._spatial = np.ascontiguousarray(probe.spatial.transpose(0, 2, 1))  # (bands, channels, filters)
        self._past = n_taps - 1
        self._convolution = np.zeros((n_bands, hop_samples, self._past + hop_samples))
        for i in range(hop_samples):
            self._convolution[:, i, i : i + n_taps] = probe.temporal[:, ::-1]
        self._virtual = np.zeros((n_bands, self._past + hop_samples, probe.n_filters))
        self._rows = np.zeros((2 * n_hops, n_bands * probe.n_filters))
        self._n_pushed = 0

    @property
    def filled(self) -> bool:
        """Whether a whole window has been pushed."""
        return self._n_pushed >= self.n_hops

    def push(self, hop: FloatArray) -> FloatArray:
        """Add the next hop, shape (hop_samples, n_channels); return its powers, a fresh array.

        Raises
        ------
        ShapeError
            When the hop has another shape.
        """
        if hop.shape != (self.hop_samples, self._n_channels):
            raise ShapeError(
                f"HopPowers: hop has shape {hop.shape}, need ({self.hop_samples}, {self._n_channels})"
            )
        self._virtual[:, : self._past] = self._virtual[:, self.hop_samples :].copy()
        np.matmul(hop, self._spatial, out=self._virtual[:, self._past :])
        filtered = self._convolution @ self._virtual
        i = self._n_pushed % self.n_hops
        powers: FloatArray = np.einsum("bsf,bsf->bf", filtered, filtered).ravel() / self.hop_samples
        self._rows[i] = self._rows[i + self.n_hops] = powers
        self._n_pushed += 1
        return powers

    def window(self) -> FloatArray:
        """Powers of the newest hops, shape (n_hops, n_bands * n_filters); a view until the next `push`."""
        i = self._n_pushed % self.n_hops
        return self._rows[i : i + self.n_hops]

    def reset(self) -> None:
        """Forget all hops."""
        self._n_pushed = 0
        self._virtual[:] = 0.0
        self._rows[:] = 0.0
