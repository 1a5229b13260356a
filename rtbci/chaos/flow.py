"""What goes from fault to fault, and what comes out at the end."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from rtbci.chaos.schedule import Part
from rtbci.stream.source import Chunk, FloatArray, StreamInfo

__all__ = ["Action", "Appear", "Disappear", "Flow", "Injected", "Note", "Samples"]

Scalar = str | float | int | bool | None


class Flow(NamedTuple):
    """Samples on their way through the faults; all arrays are owned.

    Parameters
    ----------
    data : ndarray of float64, shape (n_samples, n_channels)
    t_s : ndarray of float64, shape (n_samples,)
        Seconds of the source: sample i is at ``i / rate_hz``, also where others are missing.
    t_source : ndarray of float64, shape (n_samples,)
        Stamps of the source, in seconds of the local LSL clock.
    t_lsl : ndarray of float64, shape (n_samples,)
        Stamps that are sent.
    t_due : ndarray of float64, shape (n_samples,)
        When they are sent, in seconds of the local LSL clock.
    """

    data: FloatArray
    t_s: FloatArray
    t_source: FloatArray
    t_lsl: FloatArray
    t_due: FloatArray

    def take(self, rows: slice | npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> "Flow":
        """Keep some samples."""
        return Flow(*(array[rows] for array in self))


class Injected(msgspec.Struct, frozen=True, kw_only=True):
    """One fault that was injected, as in the log.

    Parameters
    ----------
    kind : str
        As in the scenario.
    fault, number : int
        Which of the scenario's faults, from 0, and how many times it had happened before.
    t_lsl : float
        Stamp of the source at the first sample concerned, in seconds of the local LSL clock.
    t_s : float
        The same in seconds from the stream's first sample.
    length_s : float or None
        How long it lasts; None: to the end.
    data : mapping
        What it did: channels, offset, source id.
    """

    kind: str
    fault: int
    number: int
    t_lsl: float
    t_s: float
    length_s: float | None
    data: Mapping[str, Scalar] = {}


class Appear(NamedTuple):
    """A stream is there from `t_due` on; `life` tells it from others of the same name and id."""

    t_due: float
    life: int
    info: StreamInfo


class Disappear(NamedTuple):
    """A stream is destroyed, and with it what it has not sent."""

    t_due: float
    life: int


class Samples(NamedTuple):
    """Samples of one stream, each with the time at which it is sent, ascending."""

    t_due: FloatArray
    life: int
    chunk: Chunk


Action = Appear | Disappear | Samples
Note = Callable[[Part, Flow, Mapping[str, Scalar]], None]
"""Writes down that a fault has begun with the first sample of a part."""
