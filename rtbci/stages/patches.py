"""Patches for the encoder: short windows, one per hop."""

import numpy as np

from rtbci.stages.windows import SlidingWindows

__all__ = ["PatchSlicer"]


class PatchSlicer(SlidingWindows):
    """Cut a stream into overlapping float32 patches, as an encoder takes them.

    Parameters
    ----------
    patch_samples : int
        Samples in a patch.
    hop_samples : int
        Samples from one patch to the next. Patches ``patch_samples // hop_samples`` hops apart are neighbours
        without overlap: one phase-shifted grid.
    n_channels : int
        Columns of every chunk.

    Raises
    ------
    ConfigError
        When a count is below 1.

    Notes
    -----
    `push` returns patches of shape (n_patches, n_channels, patch_samples), float32 and C-contiguous; the
    newest sample of patch k is ``patch_samples - 1 + k * hop_samples``. Not thread-safe.

    Examples
    --------
    >>> slicer = PatchSlicer(patch_samples=4, hop_samples=2, n_channels=1)
    >>> slicer.push(np.arange(7.0)[:, None])[:, 0]
    array([[0., 1., 2., 3.],
           [2., 3., 4., 5.]], dtype=float32)
    """

    def __init__(self, patch_samples: int = 64, hop_samples: int = 16, *, n_channels: int) -> None:
        super().__init__(patch_samples, hop_samples, n_channels, np.float32)
