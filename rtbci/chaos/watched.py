"""A decoder that is watched: whether what it is given hangs together, sample by sample."""

import numpy as np
import numpy.typing as npt

from rtbci.runtime.decoder import Decoder
from rtbci.runtime.verdict import Verdict
from rtbci.stages.stage import FloatArray
from rtbci.stream.layout import ChannelMap
from rtbci.stream.source import StreamInfo
from rtbci.stream.synthetic import INDEX_LABEL

__all__ = ["WatchedDecoder"]

STEP_TOLERANCE = 1e-3


class WatchedDecoder(Decoder):
    """A `Decoder` for streams with a channel ``INDEX`` that holds the number of each sample.

    Attributes
    ----------
    n_broken : int
        Samples that did not follow on the one in front of them, with no new start between: must stay 0.
    n_not_finite : int
        Samples that are not finite in an electrode that is read and not known to be bad: must stay 0.
    n_starts : int
        How often it was opened or started anew.
    fill_s : float
        Longest time from a new start to the first full window, in seconds of samples.
    """

    n_broken = n_not_finite = n_starts = 0
    fill_s = 0.0
    _rate_first_hz = 0.0
    _newest: FloatArray = np.empty(0)
    _n_fed = 0
    _is_full = False

    def open(self, info: StreamInfo, unit: str = "") -> ChannelMap:
        """Take a stream; see `Decoder.open`."""
        found = super().open(info, unit)
        self._column = info.labels.index(INDEX_LABEL)
        self._rate_first_hz = self._rate_first_hz or info.rate_hz
        self._step, self._rate_now_hz = self._rate_first_hz / info.rate_hz, info.rate_hz
        self._begin()
        return found

    def restart(self) -> None:
        """Start anew; see `Decoder.restart`."""
        super().restart()
        self._begin()

    def push(self, data: FloatArray, t_lsl: FloatArray) -> list[Verdict]:
        """Decode the next samples; see `Decoder.push`."""
        index = np.concatenate((self._newest, data[:, self._column]))
        self._newest = index[-1:]
        self.n_broken += int((np.abs(np.diff(index) - self._step) > STEP_TOLERANCE).sum())
        self._n_fed += len(data)
        verdicts = super().push(data, t_lsl)
        self.n_not_finite += int(self._holes(data).any(axis=1).sum())
        if not self._is_full and any(one.estimate.probs is not None for one in verdicts):
            self._is_full = True
            self.fill_s = max(self.fill_s, self._n_fed / self._rate_now_hz)
        return verdicts

    @property
    def read_labels(self) -> tuple[str, ...]:
        """Electrodes that are read, as the stream calls them."""
        labels = () if self.info is None else self.info.labels
        return tuple(label for label, is_read in zip(labels, self.read, strict=False) if is_read)

    def _holes(self, data: FloatArray) -> npt.NDArray[np.bool_]:
        """Where samples are not finite in an electrode that is not known to be bad, shape (n_samples, n_read)."""
        holes = ~np.isfinite(data[:, self.read])
        electrodes, channel_map = self.electrodes, self.channel_map
        if holes.any() and electrodes is not None and electrodes.can_replace and channel_map is not None:
            rows = np.argsort(np.argsort(channel_map.picks or ()))
            holes[:, rows[electrodes.bad]] = False
        return holes

    def _begin(self) -> None:
        self._newest = np.empty(0)
        self._n_fed, self._is_full = 0, False
        self.n_starts += 1
