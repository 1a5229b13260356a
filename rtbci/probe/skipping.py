"""Hops whose window is not decoded: what a branch does with them, and what it leaves for later."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from rtbci.probe.branches import Branch
from rtbci.stages.stage import FloatArray

__all__ = ["Skipping", "skip_hop"]


@runtime_checkable
class Skipping(Protocol):
    """A branch that can take a hop whose window nobody asks for without the engine's work for it."""

    def skip(self, hop: FloatArray) -> None:
        """Take the next hop; later windows are the same, to the bit, as if it had been pushed.

        Parameters
        ----------
        hop : ndarray of float64, shape (hop_samples, n_channels)
            See `Branch.push`.
        """
        ...


def skip_hop(branches: Sequence[Branch], hop: FloatArray) -> None:
    """Give branches a hop whose window is not decoded; those that have no engine do what they always do."""
    for branch in branches:
        if isinstance(branch, Skipping):
            branch.skip(hop)
        else:
            branch.push(hop)
