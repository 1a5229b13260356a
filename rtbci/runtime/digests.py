"""What each part of a pipeline computed, as one checksum for each part and window: where two runs part.

`rtbci verify` compares them (docs/verify.md, docs/adr/0016).
"""

import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rtbci.probe.branches import Branch
from rtbci.stages.stage import FloatArray, Stage

__all__ = ["DIGITS", "Digests"]

DIGITS = 8
"""Hexadecimal digits of one part's checksum."""
N_WAITING = 64
"""Chunks whose checksums may wait for a window."""

Numbers = npt.NDArray[np.generic] | None


class Digests:
    """Collects what a pipeline computes, and later turns it into checksums.

    Parameters
    ----------
    stages : sequence of Stage
        Of its chain, whose `listener` is `note`.

    Notes
    -----
    `note` and `window` stand between a sample and its decision and only keep references: stages, heads and fusion give
    fresh arrays, which nobody writes to. `take` computes CRC-32 of their bytes. One owner.
    """

    def __init__(self, stages: Sequence[Stage]) -> None:
        self._waiting: list[tuple[Numbers, ...]] = []
        self._ends: list[int] = []  # where in `_waiting` each window is
        self._crcs: list[int] = []  # of each stage since the last window
        self._stages = stages
        self._branches: Sequence[Branch] = ()

    @property
    def part_names(self) -> list[str]:
        """Parts of the newest window's checksums, in the order in which they are computed."""
        names = [f"stage {i} ({type(stage).__name__})" for i, stage in enumerate(self._stages, 1)]
        names += [f"features of branch '{branch.name}'" for branch in self._branches]
        names += [f"logits of branch '{branch.name}'" for branch in self._branches]
        return [*names, "fused logits", "probabilities"]

    def note(self, outputs: Sequence[FloatArray]) -> None:
        """Take what each stage gave of the same samples."""
        self._waiting.append(tuple(outputs))

    def window(
        self,
        branches: Sequence[Branch],
        logits: Sequence[FloatArray | None],
        fused: FloatArray | None,
        probs: FloatArray | None,
    ) -> None:
        """Take note that a window is complete, and what was made of it."""
        self._ends.append(len(self._waiting))
        self._branches = branches
        self._waiting.append((*(getattr(one, "newest", None) for one in branches), *logits, fused, probs))

    def take(self) -> tuple[str, ...]:
        """Checksums of the windows since the last call.

        Returns
        -------
        tuple of str
            For each window `DIGITS` hexadecimal digits a part, in the order of `part_names`. Of a stage, all that it
            gave since the window before; what has not been computed counts as nothing.
        """
        if not self._ends and len(self._waiting) < N_WAITING:
            return ()
        taken, ends = [], set(self._ends)
        for i, outputs in enumerate(self._waiting):
            if i in ends:
                parts = self._crcs + [_crc(one, 0) for one in outputs]
                taken.append("".join(f"{crc:08x}" for crc in parts))
                self._crcs = [0] * len(self._crcs)
            else:
                before = self._crcs or [0] * len(outputs)
                self._crcs = [_crc(one, crc) for one, crc in zip(outputs, before, strict=True)]
        self._waiting, self._ends = [], []
        return tuple(taken)


def _crc(numbers: Numbers, crc: int) -> int:
    return crc if numbers is None else zlib.crc32(np.ascontiguousarray(numbers).data, crc)
