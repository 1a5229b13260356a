"""Patches for the encoder: short windows cut from a stream, one per hop."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from rtbci.errors import ConfigError
from rtbci.stages.stage import FloatArray, check_chunk
from rtbci.stream.ring import Ring

__all__ = ["PatchSlicer"]


class PatchSlicer:
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
    Patch k holds samples ``k * hop_samples`` to ``k * hop_samples + patch_samples - 1`` since the last
    `reset`; it is returned by the push that brings its newest sample. Not thread-safe.

    Examples
    --------
    >>> slicer = PatchSlicer(patch_samples=4, hop_samples=2, n_channels=1)
    >>> slicer.push(np.arange(7.0)[:, None])[:, 0]
    array([[0., 1., 2., 3.],
           [2., 3., 4., 5.]], dtype=float32)
    """

    def __init__(self, patch_samples: int = 64, hop_samples: int = 16, *, n_channels: int) -> None:
        if min(patch_samples, hop_samples, n_channels) < 1:
            raise ConfigError(
                f"PatchSlicer: got patches of {patch_samples} samples every {hop_samples} of {n_channels} "
                f"channels, need at least 1 each"
            )
        self.patch_samples, self.hop_samples, self.n_channels_in = patch_samples, hop_samples, n_channels
        self._ring = Ring(2 * patch_samples, n_channels, np.float32)
        self._i_end = patch_samples  # index after the newest sample of the next patch

    def push(self, chunk: FloatArray) -> npt.NDArray[np.float32]:
        """Return the patches that `chunk` completes.

        Parameters
        ----------
        chunk : ndarray of float64, shape (n_samples, n_channels)
            Never written to; `n_samples` may be 0.

        Returns
        -------
        ndarray of float32, shape (n_patches, n_channels, patch_samples)
            C-contiguous, owned by the caller. `n_patches` may be 0.

        Raises
        ------
        ShapeError
            When the chunk is not two-dimensional with `n_channels` columns.
        """
        check_chunk("PatchSlicer", chunk, self.n_channels_in)
        n_new = max(0, (self._ring.n_written + chunk.shape[0] - self._i_end) // self.hop_samples + 1)
        patches = np.empty((n_new, self.n_channels_in, self.patch_samples), np.float32)
        k = 0
        for piece in _pieces(chunk, self.patch_samples):
            self._ring.write(piece)
            while self._i_end <= self._ring.n_written:
                patches[k] = self._ring.range(self._i_end - self.patch_samples, self._i_end).T
                self._i_end += self.hop_samples
                k += 1
        return patches

    def reset(self) -> None:
        """Forget the past, as after a gap: the next sample is sample 0 of patch 0."""
        self._ring.reset()
        self._i_end = self.patch_samples


def _pieces(chunk: FloatArray, n_piece: int) -> Iterator[FloatArray]:
    """Cut a long chunk so that a ring never loses what a patch still needs."""
    if chunk.shape[0] <= n_piece:
        yield chunk
        return
    for start in range(0, chunk.shape[0], n_piece):
        yield chunk[start : start + n_piece]
