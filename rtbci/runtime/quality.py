"""How good the signal is: which of the channels that are read cannot be EEG just now."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rtbci.publish.messages import Quality
from rtbci.stages.stage import FloatArray
from rtbci.stream.units import spread_uv

__all__ = ["SignalQuality"]

FLAT_UV = 0.1
"""Below amplifier noise (about 1 uV RMS in a bandwidth of 100 Hz): the channel is not connected."""
NOISY_UV = 300.0
"""Above this spread within a second it is movement or an open input, not EEG (10 to 100 uV)."""


class SignalQuality:
    """Looks at every second of signal.

    Parameters
    ----------
    labels : sequence of str
        Names of the channels of the stream.
    read : ndarray of bool, shape (n_channels,)
        Which of them the decoder reads.
    gains_uv : ndarray of float64, shape (n_channels,)
        Unit of each channel in microvolts.
    rate_hz : float
        Sampling rate.

    Notes
    -----
    `push` only keeps a reference to the chunk; `look` computes. Not thread-safe.
    """

    def __init__(
        self, labels: Sequence[str], read: npt.NDArray[np.bool_], gains_uv: FloatArray, rate_hz: float
    ) -> None:
        self._labels = [label for label, is_read in zip(labels, read, strict=True) if is_read]
        self._columns = np.flatnonzero(read)
        self._gains_uv = gains_uv[self._columns]
        self._n_look = max(8, round(rate_hz))
        self._chunks: list[FloatArray] = []
        self._n_kept = 0
        self.quality = Quality(score=1.0, bad_channels=())

    def push(self, data: FloatArray) -> bool:
        """Keep the next samples, shape (n_samples, n_channels); True when a second is there to look at."""
        self._chunks.append(data)
        self._n_kept += len(data)
        return self._n_kept >= self._n_look

    def look(self) -> Quality:
        """Judge what was kept, and forget it."""
        signal = np.concatenate(self._chunks)[-4 * self._n_look :, self._columns] * self._gains_uv
        self._chunks, self._n_kept = [], 0
        spread = spread_uv(signal)
        bad = ~((spread >= FLAT_UV) & (spread <= NOISY_UV))
        names = tuple(label for label, is_bad in zip(self._labels, bad, strict=True) if is_bad)
        self.quality = Quality(score=1.0 - float(bad.mean()), bad_channels=names)
        return self.quality

    def reset(self) -> None:
        """Forget what was kept, as after a gap."""
        self._chunks, self._n_kept = [], 0
