"""Features of an encoder on a stream: one patch is encoded per hop, those of a window's other patches are cached.

No temporal mixing happens in the encoder, so a cached feature is the feature. For hops shorter than a
patch there are several patch grids, each a hop later than the one before; `FeatureRing` keeps one ring
for each of them.
"""

import numpy as np
import numpy.typing as npt

from rtbci.errors import EngineError, ShapeError
from rtbci.stages.stage import Float32Array

__all__ = ["FeatureRing"]


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
        self._put(self._n_pushed, features)
        self._n_pushed += 1

    @property
    def n_pushed(self) -> int:
        """Pushes and skips since `reset`; also the number of the next one."""
        return self._n_pushed

    def skip(self) -> None:
        """Let the next hop's features be put in later; until then a window of its grid holds older ones in their place."""
        self._n_pushed += 1

    def put(self, i_push: int, features: npt.NDArray[np.floating]) -> None:
        """Put in the features of a hop that was skipped.

        Parameters
        ----------
        i_push : int
            Its number; one of the newest ``n_patches * n_phases``.
        features : ndarray, shape (n_features,)
            Copied.

        Raises
        ------
        ShapeError
            When the vector has another length, or the hop is in no window any more.
        """
        if not max(0, self._n_pushed - self.n_patches * self.n_phases) <= i_push < self._n_pushed:
            raise ShapeError(
                f"FeatureRing: push {i_push} of {self._n_pushed} is in no window, need a newer one"
            )
        self._put(i_push, features)

    def _put(self, i_push: int, features: npt.NDArray[np.floating]) -> None:
        if features.shape != (self.n_features,):
            raise ShapeError(f"FeatureRing: features have shape {features.shape}, need ({self.n_features},)")
        i_patch, phase = divmod(i_push, self.n_phases)
        row = i_patch % self.n_patches
        self._rows[phase, row] = features
        self._rows[phase, row + self.n_patches] = features

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
