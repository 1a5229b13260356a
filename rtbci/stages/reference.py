"""Re-referencing: to the average of all electrodes, or to named ones."""

import difflib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rtbci.errors import ChannelError, ConfigError
from rtbci.stages.stage import FloatArray, check_chunk

__all__ = ["AverageReference", "NamedReference"]


class _MeanReference:
    """Subtract the mean of some columns from all columns.

    Parameters
    ----------
    name : str
        Begins every error message.
    columns : ndarray of int, shape (n_reference,)
        Columns whose mean is the reference.
    """

    def __init__(self, name: str, columns: npt.NDArray[np.intp], n_channels: int, rate_hz: float) -> None:
        if not (np.isfinite(rate_hz) and rate_hz > 0):
            raise ConfigError(f"{name}: rate_hz is {rate_hz:g}, need a number above 0")
        self.n_channels_in = self.n_channels_out = n_channels
        self.rate_in_hz = self.rate_out_hz = rate_hz
        self.delay_s = 0.0
        self._name = name
        # Other columns are left out by index, not by a weight of 0: 0 * NaN would spoil all channels.
        self._columns = None if columns.size == n_channels else columns
        self._weights = np.full(columns.size, 1.0 / columns.size)

    def push(self, chunk: FloatArray) -> FloatArray:
        """Re-reference the next samples; see `Stage.push`."""
        check_chunk(self._name, chunk, self.n_channels_in)
        reference = chunk if self._columns is None else chunk.take(self._columns, axis=1)
        # A product with weights takes a third of the time of mean(axis=1) on small chunks.
        mean: FloatArray = reference @ self._weights
        return chunk - mean[:, np.newaxis]

    def reset(self) -> None:
        """Nothing to forget."""

    def i_newest(self, i_out: int) -> int:
        """See `Stage.i_newest`: a sample in, a sample out."""
        return i_out


class AverageReference(_MeanReference):
    """Subtract the mean of the channels from each channel; a `Stage`.

    Parameters
    ----------
    n_channels : int
        Columns of every chunk.
    rate_hz : float
        Sampling rate.

    Notes
    -----
    The output has rank ``n_channels - 1``: its covariances need shrinkage or a floor before they are
    inverted.
    """

    def __init__(self, n_channels: int, rate_hz: float) -> None:
        super().__init__("AverageReference", np.arange(n_channels), n_channels, rate_hz)


class NamedReference(_MeanReference):
    """Subtract the mean of named channels from each channel; a `Stage`.

    Parameters
    ----------
    labels : sequence of str
        Labels of the columns, canonical (``"CZ"``, ``"TP9"``).
    reference_labels : sequence of str
        Labels whose mean is the reference, for instance both mastoids. They stay in the output.
    rate_hz : float
        Sampling rate.

    Raises
    ------
    ChannelError
        When `reference_labels` is empty or has labels that are not in `labels`.
    """

    def __init__(self, labels: Sequence[str], reference_labels: Sequence[str], rate_hz: float) -> None:
        if not reference_labels:
            raise ChannelError("NamedReference: got no reference labels, need at least one")
        missing = [label for label in reference_labels if label not in labels]
        if missing:
            near = sorted({hit for label in missing for hit in difflib.get_close_matches(label, labels)})
            hint = f"; nearest are {', '.join(near)}" if near else ""
            raise ChannelError(
                f"NamedReference: {', '.join(missing)} not among the channels, need labels of "
                f"{', '.join(labels)}{hint}"
            )
        columns = np.array(sorted({list(labels).index(label) for label in reference_labels}), dtype=np.intp)
        super().__init__("NamedReference", columns, len(labels), rate_hz)
