"""Filter-bank canonical correlation: how much of a window is the answer to each of several flickers."""

from typing import Self

import numpy as np
import numpy.typing as npt

from rtbci.errors import ShapeError
from rtbci.probe.reference_products import WindowProducts
from rtbci.stages.stage import FloatArray

__all__ = ["CcaProbe", "band_weights", "correlations"]

RIDGE = 1e-12
"""Share of the mean variance that is added to every channel's: interpolated channels make covariances singular."""
FLAT_UV2 = 1e-18
"""At least this is added, so that a flat signal's rounding errors are not taken for a signal."""


class CcaProbe:
    """One logit for each flicker: squared canonical correlations, weighted by window length and band.

    Parameters
    ----------
    weight : array_like, shape (n_lengths, n_bands)
        At least 0. The same for all frequencies, so that they can be changed.

    Raises
    ------
    ShapeError
        When a weight is negative or not finite, or the shape is another.

    Notes
    -----
    Filter-bank CCA (Chen et al. 2015, J Neural Eng 12:046008, doi 10.1088/1741-2560/12/4/046008) in windows of several
    lengths at once, that all end now: short ones say first where the user looks, long ones are surer. What
    looks at nothing has the logit 0, and the fusion's bias says how much it takes to be above it.
    """

    def __init__(self, weight: npt.ArrayLike) -> None:
        self.weight: FloatArray = np.array(weight, dtype=np.float64)
        if self.weight.ndim != 2 or not self.weight.size or not (self.weight >= 0).all():
            raise ShapeError(
                f"CcaProbe: weight has shape {self.weight.shape} and numbers from {self.weight.min(initial=0):g} on, need "
                "(n_lengths, n_bands), all at least 0"
            )
        self.n_lengths, self.n_bands = self.weight.shape

    @classmethod
    def from_tensors(cls, tensors: dict[str, npt.NDArray[np.float64]]) -> Self:
        """Build from the tensors that `tensors` gives."""
        return cls(tensors["weight"])

    def tensors(self) -> dict[str, FloatArray]:
        """Weights by name, for a profile."""
        return {"weight": self.weight}

    def scores(self, products: WindowProducts) -> FloatArray:
        """Weighted sum of the squared correlations with each frequency, shape (n_frequencies,)."""
        return np.asarray(np.einsum("lb,lbf->f", self.weight, correlations(products)))


def correlations(products: WindowProducts) -> FloatArray:
    """Squared largest canonical correlations, shape (n_lengths, n_bands, n_frequencies).

    Of a window's channels with the sines and cosines of a frequency and its harmonics (Lin et al. 2006, IEEE TBME
    53:2610, doi 10.1109/TBME.2006.886577). A flat signal has the correlation 0.
    """
    signal, cross, _ = products
    n_channels = signal.shape[-1]
    level = np.trace(signal, axis1=-2, axis2=-1)[..., np.newaxis, np.newaxis] / n_channels
    ridge = np.maximum(RIDGE * level, FLAT_UV2)
    root = np.linalg.cholesky(signal + ridge * np.eye(n_channels))
    flat = np.linalg.solve(root, cross.reshape(*signal.shape[:3], -1))
    whitened = flat.reshape(cross.shape).transpose(0, 1, 3, 4, 2)  # ..., frequency, sine, channel
    values = np.linalg.eigvalsh(whitened @ whitened.transpose(0, 1, 2, 4, 3))
    return np.asarray(values[..., -1], dtype=np.float64)


def band_weights(n_bands: int) -> FloatArray:
    """Weights of the sub-bands, from the lowest on: ``n ** -1.25 + 0.25`` (Chen et al. 2015)."""
    return np.asarray(np.arange(1, n_bands + 1) ** -1.25 + 0.25, dtype=np.float64)
