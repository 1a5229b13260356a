"""Whether the first second of a stream is in the unit that it states."""

import math

import numpy as np
import numpy.typing as npt

from rtbci.stages.stage import FloatArray
from rtbci.stream.source import StreamInfo
from rtbci.stream.units import check_spread

__all__ = ["UnitCheck"]

CHECK_S = 1.0
"""Signal that is looked at, in seconds."""


class UnitCheck:
    """Collects a stream's first second, then looks at its spread, once.

    Parameters
    ----------
    info : StreamInfo
        The stream.
    read : ndarray of bool, shape (n_channels,)
        Channels that count.
    gains_uv : ndarray of float64, shape (n_channels,)
        Unit of each channel in microvolts.
    unit : str
        As it is stated, for the message.
    """

    def __init__(
        self, info: StreamInfo, read: npt.NDArray[np.bool_], gains_uv: FloatArray, unit: str
    ) -> None:
        self._info, self._read, self._gains_uv, self._unit = info, read, gains_uv, unit
        self._first: list[FloatArray] | None = []

    def push(self, data: FloatArray) -> None:
        """Take samples as the stream gives them, shape (n_samples, n_channels); kept until they are a second.

        Raises
        ------
        UnitError, SignalError
            When they show that the unit is wrong or the signal unusable.
        """
        if self._first is None:
            return
        self._first.append(data)
        if sum(map(len, self._first)) < CHECK_S * self._info.rate_hz:
            return
        signal, self._first = self._judged(np.concatenate(self._first)), None
        read = self._read
        finite = read & np.isfinite(signal).all(axis=0)
        if 2 * finite.sum() >= read.sum():
            read = finite  # a dead electrode is masked; of the unit the others tell
        labels = [self._info.labels[i] for i in np.flatnonzero(read)]
        check_spread((signal * self._gains_uv)[:, read], labels, self._unit)

    def _judged(self, signal: FloatArray) -> FloatArray:
        """The first second, and of what came with it, as of a whole recording, the samples that are finite.

        A minute that was lost hours later is no reason to refuse a night.
        """
        first, later = np.split(signal, [math.ceil(CHECK_S * self._info.rate_hz)])
        return np.concatenate([first, later[np.isfinite(later[:, self._read]).all(axis=1)]])
