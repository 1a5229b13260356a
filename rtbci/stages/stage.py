"""What a stage is: chunk in, chunk out, and any chunking gives the same samples.

A stage's settings are fixed at construction and its state is private to it. There is no base class:
`Stage` is a protocol, and a `Chain` of stages is a stage again.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from rtbci.errors import ShapeError

__all__ = ["Chain", "Float32Array", "FloatArray", "Learning", "Stage", "check_chunk"]

FloatArray = npt.NDArray[np.float64]
Float32Array = npt.NDArray[np.float32]


class Stage(Protocol):
    """A causal transformation of a sampled multichannel signal.

    Attributes
    ----------
    n_channels_in, n_channels_out : int
        Columns of the chunks that go in and come out.
    rate_in_hz, rate_out_hz : float
        Sampling rates before and after.
    delay_s : float
        Group delay added by this stage, in seconds: at DC for a low-pass, at the centre of the band for a
        band-pass, 0 for a matrix. Reported, never subtracted.
    """

    n_channels_in: int
    n_channels_out: int
    rate_in_hz: float
    rate_out_hz: float
    delay_s: float

    def push(self, chunk: FloatArray) -> FloatArray:
        """Transform the next samples.

        Parameters
        ----------
        chunk : ndarray of float64, shape (n_samples, n_channels_in)
            Never written to; `n_samples` may be 0.

        Returns
        -------
        ndarray of float64, shape (n_samples_out, n_channels_out)
            Owned by the caller (a stage that changes nothing may return `chunk` itself).
            `n_samples_out` may be 0.

        Raises
        ------
        ShapeError
            When the chunk is not two-dimensional with `n_channels_in` columns.
        """
        ...

    def reset(self) -> None:
        """Forget the past; afterwards the stage is as new."""
        ...

    def i_newest(self, i_out: int) -> int:
        """Index of the newest input sample that output sample `i_out` depends on (both from 0 at reset)."""
        ...


@runtime_checkable
class Learning(Protocol):
    """A stage that knows something which a gap does not make untrue."""

    def skip_gap(self) -> None:
        """Begin anew behind a gap, as `Stage.reset`, but keep that."""
        ...


def check_chunk(where: str, chunk: FloatArray, n_channels: int) -> None:
    """Refuse a chunk of the wrong shape.

    Raises
    ------
    ShapeError
        Says what the chunk has and what is needed.
    """
    if chunk.ndim != 2 or chunk.shape[1] != n_channels:
        raise ShapeError(f"{where}: chunk has shape {chunk.shape}, need (n_samples, {n_channels})")


class Chain:
    """Stages one after the other; itself a stage.

    Parameters
    ----------
    stages : sequence of Stage
        At least one; neighbours must agree in channels and rate.

    Raises
    ------
    ShapeError
        When two neighbours do not fit.
    """

    def __init__(self, stages: Sequence[Stage]) -> None:
        if not stages:
            raise ShapeError("Chain: got no stages, need at least one")
        for before, after in itertools.pairwise(stages):
            if before.n_channels_out != after.n_channels_in or before.rate_out_hz != after.rate_in_hz:
                raise ShapeError(
                    f"Chain: {type(before).__name__} gives {before.n_channels_out} channels at "
                    f"{before.rate_out_hz:g} Hz, {type(after).__name__} needs {after.n_channels_in} at "
                    f"{after.rate_in_hz:g} Hz"
                )
        self.stages = tuple(stages)
        self.n_channels_in = stages[0].n_channels_in
        self.n_channels_out = stages[-1].n_channels_out
        self.rate_in_hz = stages[0].rate_in_hz
        self.rate_out_hz = stages[-1].rate_out_hz
        self.delay_s = sum(stage.delay_s for stage in stages)
        self.listener: Callable[[Sequence[FloatArray]], None] | None = None

    def push(self, chunk: FloatArray) -> FloatArray:
        """Push `chunk` through all stages; see `Stage.push`."""
        outputs = []
        for stage in self.stages:
            chunk = stage.push(chunk)
            outputs.append(chunk)
        if self.listener is not None:
            self.listener(outputs)
        return chunk

    def reset(self) -> None:
        """Reset all stages."""
        for stage in self.stages:
            stage.reset()

    def skip_gap(self) -> None:
        """Begin anew behind a gap: all stages forget the past, those that are `Learning` keep what they know."""
        for stage in self.stages:
            if isinstance(stage, Learning):
                stage.skip_gap()
            else:
                stage.reset()

    def i_newest(self, i_out: int) -> int:
        """See `Stage.i_newest`."""
        for stage in reversed(self.stages):
            i_out = stage.i_newest(i_out)
        return i_out
