"""Running Riemannian recentring: whiten by the geometric mean of the covariances of everything that came before."""

from collections import deque
from typing import NamedTuple

import numpy as np

from rtbci.stages.align import N_RECENT, RunningAlign
from rtbci.stages.spd import powers
from rtbci.stages.stage import FloatArray

__all__ = ["RiemannAlign"]

N_STEP = 4
"""Blocks from one step of the mean to the next: the newest 16 overlap by three quarters."""


class RiemannAlign(RunningAlign):
    """As `RunningAlign`, but whitens by a running geometric mean; a `Stage`.

    Parameters
    ----------
    n_channels, rate_hz, block_s, shrinkage, time_constant_s, warm_start, prior_s
        See `RunningAlign`.

    Notes
    -----
    With every fourth block the mean goes a step along the geodesic to the covariance C of the newest 16 blocks:
    ``G <- G #_a C`` with a the share of four blocks in the weight so far (Zanini et al. 2018, IEEE TBME 65:1107, doi
    10.1109/TBME.2017.2742541, made recursive by the geodesic step of Ho et al. 2013, PMLR 28:325). A block alone has too
    few samples for a covariance of full rank; so each acts over the four steps in which it is among the newest. C is
    shrunk by `shrinkage`, and the prior's seconds are G's own shape. Artefacts are capped as in the arithmetic mean. A step
    costs two eigendecompositions, the blocks between none.

    The geometric mean of noisy covariances is smaller than their arithmetic mean, whose power is what branches are fitted
    to: G is scaled so that the output's power is 1 per channel by the running arithmetic mean. Until 16 blocks are there
    it is R of `RunningAlign`, and that is where G starts.
    """

    def reset(self) -> None:
        """Forget all blocks; what the warm start gave stays."""
        self._means: deque[_Mean] = deque(maxlen=N_RECENT + 1)  # after each of the newest blocks
        self._n_counted = 0
        super().reset()

    def take_back(self, seconds: float) -> None:
        """Count the newest blocks not at all; the mean is again what it was before them. See `RunningAlign.take_back`."""
        before = len(self._recent)
        super().take_back(seconds)
        for _ in range(min(before - len(self._recent), len(self._means))):
            self._means.pop()
        if self._recent or self._weight > 0.0:
            self._whitener = self._inverse_root()

    def _learn(self) -> None:
        """Take a step to the newest blocks; see `RunningAlign._learn`."""
        self._n_counted += 1
        recent = self.recent_covariance
        if (
            recent is None or self._n_counted % N_STEP
        ):  # too few: at the start, and behind blocks that were taken back
            self._means.extend(list(self._means)[-1:])
            return
        start = self._means[-1] if self._means else _Mean.of(super()._shrunk())
        share = N_STEP / max(self._moments()[1], N_STEP)
        self._means.append(_Mean.of(start.towards(self._target(recent, start), share)))

    def _target(self, recent: FloatArray, mean: "_Mean") -> FloatArray:
        """What the mean goes to: full rank, and the mean itself where the newest blocks have its shape."""
        n = len(recent)
        shrunk = (1.0 - self._shrinkage) * recent + self._shrinkage * float(np.trace(recent)) / n * np.eye(n)
        known = N_RECENT / (N_RECENT + self._prior)
        return np.asarray(known * shrunk + (1.0 - known) * mean.level(shrunk) * mean.matrix)

    def _shrunk(self) -> FloatArray:
        """The mean in the input's unit squared, shape (n_channels, n_channels)."""
        arithmetic = super()._shrunk()
        if not self._means:
            return arithmetic
        mean = self._means[-1]
        return np.asarray(mean.matrix * mean.level(arithmetic))

    def _inverse_root(self) -> FloatArray:
        if not self._means:
            return super()._inverse_root()
        mean = self._means[-1]
        return np.asarray(mean.whitener / np.sqrt(mean.level(super()._shrunk())))


class _Mean(NamedTuple):
    """A positive definite matrix with its root and the root's inverse."""

    matrix: FloatArray
    root: FloatArray
    whitener: FloatArray

    @classmethod
    def of(cls, matrix: FloatArray) -> "_Mean":
        return cls(matrix, *powers(matrix, (0.5, -0.5)))

    def level(self, other: FloatArray) -> float:
        """Power per channel that `other` has when it is whitened by this one."""
        return float(np.einsum("ij,ij->", self.whitener @ other, self.whitener)) / len(other)

    def towards(self, other: FloatArray, share: float) -> FloatArray:
        """See `rtbci.stages.spd.geodesic`."""
        (between,) = powers(self.whitener @ other @ self.whitener, (share,))
        found = self.root @ between @ self.root
        return np.asarray((found + found.T) / 2.0)
