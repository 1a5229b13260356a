"""The encoder on a stream: one patch is encoded per hop, the other features of a window are cached.

No temporal mixing happens in the encoder, so a cached feature is the feature. For hops shorter than a
patch there are several patch grids, each a hop later than the one before; `FeatureRing` keeps one ring
for each of them.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rtbci.backends.session import Float32Array, Session
from rtbci.errors import EngineError, ShapeError
from rtbci.stages.patches import PatchSlicer

__all__ = ["FeatureRing", "FeatureWindow", "StreamingEncoder"]


class FeatureRing:
    """Features of the newest patches, on several phase-shifted patch grids.

    Parameters
    ----------
    n_features : int
        Length of a feature vector.
    n_patches : int
        Patches in a window.
    n_phases : int
        Patch grids: patch length over hop length. Push k belongs to grid ``k % n_phases``.

    Raises
    ------
    EngineError
        When a count is below 1.

    Notes
    -----
    Each vector is written twice, `n_patches` rows apart, so that every window is contiguous without moving
    older features. Not thread-safe.

    Examples
    --------
    >>> ring = FeatureRing(n_features=1, n_patches=2, n_phases=2)
    >>> for k in range(5):
    ...     ring.push(np.float32([k]))
    >>> ring.filled, ring.window().ravel()
    (True, array([2., 4.], dtype=float32))
    """

    def __init__(self, n_features: int, n_patches: int, n_phases: int) -> None:
        if min(n_features, n_patches, n_phases) < 1:
            raise EngineError(
                f"FeatureRing: got {n_features} features, {n_patches} patches, {n_phases} phases, "
                "need at least 1 each"
            )
        self.n_features, self.n_patches, self.n_phases = n_features, n_patches, n_phases
        self._rows = np.zeros((n_phases, 2 * n_patches, n_features), np.float32)
        self._n_pushed = 0

    @property
    def filled(self) -> bool:
        """Whether the grid that was pushed to last holds a whole window."""
        return self._n_pushed > (self.n_patches - 1) * self.n_phases

    def push(self, features: npt.NDArray[np.floating]) -> None:
        """Take the features of the next hop's patch.

        Parameters
        ----------
        features : ndarray, shape (n_features,)
            Copied.

        Raises
        ------
        ShapeError
            When the vector has another length.
        """
        if features.shape != (self.n_features,):
            raise ShapeError(f"FeatureRing: features have shape {features.shape}, need ({self.n_features},)")
        i_patch, phase = divmod(self._n_pushed, self.n_phases)
        row = i_patch % self.n_patches
        self._rows[phase, row] = features
        self._rows[phase, row + self.n_patches] = features
        self._n_pushed += 1

    def window(self) -> Float32Array:
        """Return the features of the grid that was pushed to last, oldest patch first.

        Returns
        -------
        ndarray of float32, shape (n_patches, n_features)
            A contiguous view, valid until this grid's next push; zeros where nothing was pushed yet.

        Raises
        ------
        ShapeError
            When nothing was pushed.
        """
        if not self._n_pushed:
            raise ShapeError("FeatureRing: holds no features, need at least one push; push first")
        i_patch, phase = divmod(self._n_pushed - 1, self.n_phases)
        start = i_patch % self.n_patches + 1
        return self._rows[phase, start : start + self.n_patches]

    def reset(self) -> None:
        """Forget all features."""
        self._rows[:] = 0.0
        self._n_pushed = 0


class FeatureWindow(NamedTuple):
    """Features of a full window.

    Parameters
    ----------
    i_newest : int
        Index of the window's newest sample, from 0 at reset.
    features : ndarray of float32, shape (n_patches, S * D)
        Owned by the receiver.
    """

    i_newest: int
    features: Float32Array


class StreamingEncoder:
    """Samples in, features of every full window out.

    Parameters
    ----------
    session : Session
        Patch encoder of input shape (1, n_channels, patch_samples).
    patch_samples, hop_samples : int
        The hop must divide the patch.
    n_patches : int
        Patches in a window.

    Raises
    ------
    EngineError
        When the session takes other patches, or the hop does not divide them.

    Notes
    -----
    Any chunking gives the same features, bit for bit: patches are encoded one by one. They equal the
    features of the full window encoded at once within 1e-5 (tested). Not thread-safe.
    """

    def __init__(
        self, session: Session, patch_samples: int = 64, hop_samples: int = 16, *, n_patches: int
    ) -> None:
        shape = session.input_shape
        if len(shape) != 3 or shape[2] != patch_samples:
            raise EngineError(
                f"StreamingEncoder: engine takes {shape}, need (1, n_channels, {patch_samples}); "
                "use an engine of kind 'patch' with this patch length"
            )
        if hop_samples < 1 or patch_samples % hop_samples:
            raise EngineError(
                f"StreamingEncoder: got a hop of {hop_samples} samples, need one that divides "
                f"the patch of {patch_samples}"
            )
        self._session = session
        self._slicer = PatchSlicer(patch_samples, hop_samples, n_channels=shape[1])
        n_features = int(np.prod(session.output_shape[1:]))
        self._ring = FeatureRing(n_features, n_patches, patch_samples // hop_samples)
        self._n_encoded = 0

    def push(self, chunk: npt.NDArray[np.float64]) -> list[FeatureWindow]:
        """Encode the patches that `chunk` completes.

        Parameters
        ----------
        chunk : ndarray of float64, shape (n_samples, n_channels)
            At the engine's rate and in its unit; not written to. `n_samples` may be 0.

        Returns
        -------
        list of FeatureWindow
            One for each hop at which the window was full, oldest first.

        Raises
        ------
        ShapeError
            When the chunk has other columns than the engine.
        """
        windows: list[FeatureWindow] = []
        for patch in self._slicer.push(chunk):
            self._ring.push(self._session.run(patch[np.newaxis]).reshape(-1))
            if self._ring.filled:
                windows.append(
                    FeatureWindow(self._slicer.i_newest(self._n_encoded), self._ring.window().copy())
                )
            self._n_encoded += 1
        return windows

    def reset(self) -> None:
        """Forget the past, as after a gap."""
        self._slicer.reset()
        self._ring.reset()
        self._n_encoded = 0
