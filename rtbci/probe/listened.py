"""A branch that is listened to: what it was given and what it said, kept for whoever refits it."""

import numpy as np
import numpy.typing as npt

from rtbci.probe.branches import Branch
from rtbci.stages.stage import FloatArray

__all__ = ["ListenedBranch"]


class ListenedBranch:
    """Passes everything on to a branch and keeps copies; itself a `Branch`.

    Parameters
    ----------
    branch : Branch
    said : list of ndarray or None
        Gets what the branch says at every hop.
    hops : list of ndarray of float32, shape (hop_samples, n_channels), or None
        Gets every hop; None: hops are not kept.

    Notes
    -----
    The lists are the caller's, who may empty them between two pushes.
    """

    def __init__(
        self,
        branch: Branch,
        said: list[FloatArray | None],
        hops: list[npt.NDArray[np.float32]] | None = None,
    ) -> None:
        self.name, self.window_samples = branch.name, branch.window_samples
        self._branch, self._said, self._hops = branch, said, hops

    def push(self, hop: FloatArray) -> None:
        """Keep a copy and pass it on; see `Branch.push`."""
        if self._hops is not None:
            self._hops.append(hop.astype(np.float32))
        self._branch.push(hop)

    def logits(self) -> FloatArray | None:
        """Keep what the branch says; see `Branch.logits`."""
        logits = self._branch.logits()
        self._said.append(None if logits is None else logits.copy())
        return logits

    def logits_of(self, window: FloatArray) -> FloatArray:
        """See `Branch.logits_of`."""
        return self._branch.logits_of(window)

    def rehearse(self) -> None:
        """See `Branch.rehearse`."""
        self._branch.rehearse()

    def reset(self) -> None:
        """Forget all hops; see `Branch.reset`."""
        self._branch.reset()
