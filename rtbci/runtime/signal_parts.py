"""What a decoder without a decoder has: the signal of a paradigm, and nothing that reads it."""

from collections.abc import Sequence

import numpy as np

from rtbci.clock import Clock
from rtbci.probe.branches import Branch
from rtbci.probe.fusion import Fusion
from rtbci.probe.profile import Profile
from rtbci.recipes import BranchSettings
from rtbci.runtime.parts import Parts
from rtbci.runtime.pipeline import Pipeline
from rtbci.stages.stage import Chain, FloatArray, Stage
from rtbci.stream.source import StreamInfo

__all__ = ["SignalParts"]


class SignalParts(Parts):
    """Opens no engine and makes no branch of a recipe or profile, so neither needs to be there; says nothing of any window.

    A profile still tells what the stages take from one: the covariance that the alignment starts from, the electrodes.
    """

    def _open(self, branch: BranchSettings, backend: str, engine: str, n_threads: int) -> None:
        """Open nothing."""

    def _make(self, profile: Profile | None) -> tuple[list[Branch], Fusion]:  # noqa: ARG002
        return [], Fusion([1.0], np.zeros(len(self._recipe.window_classes)))

    def pipeline(self, stages: Sequence[Stage] | Chain, info: StreamInfo, clock: Clock) -> Pipeline:
        """Make the pipeline for a stream; see `Parts.pipeline`."""
        rate_hz = stages.rate_out_hz if isinstance(stages, Chain) else stages[-1].rate_out_hz
        self.branches = (_Mute(round(self._recipe.window.length_s * rate_hz)),)
        return super().pipeline(stages, info, clock)


class _Mute:
    """A branch that says nothing; see `Branch`."""

    def __init__(self, window_samples: int) -> None:
        self.name, self.window_samples = "signal", window_samples

    def push(self, hop: FloatArray) -> None:
        """Take the next hop."""

    def logits(self) -> FloatArray | None:
        """Nothing."""
        return None

    def logits_of(self, window: FloatArray) -> FloatArray:  # noqa: ARG002
        """Nothing."""
        return np.empty(0)

    def rehearse(self) -> None:
        """Cost nothing."""

    def reset(self) -> None:
        """Forget nothing."""
