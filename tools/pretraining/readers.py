"""Recordings for pretraining, one at a time: what a reader is, and the reader of a folder of any files."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import numpy as np

from rtbci.encoder.vocabulary import CHANNELS
from rtbci.errors import ChannelError, SignalError
from rtbci.replay.read import read_recordings
from rtbci.replay.recording import Recording
from rtbci.replay.sniff import KINDS
from rtbci.runtime.build import stream_gains_uv
from rtbci.stages.stage import FloatArray
from rtbci.stream.labels import canonical_label, is_eeg

__all__ = ["FolderReader", "Reader", "Signal", "pick_electrodes"]

PART_S = 1800.0
"""Longest part of a file that is in memory at once."""
MARGIN_S = 1.0
RANGE_UV = (0.1, 10_000.0)
"""Standard deviation of a channel, drift included; outside this the unit is wrong, or there is no signal."""
EXTENSIONS = frozenset(extension for kind in KINDS for extension in kind.extensions)


@dataclass(frozen=True, slots=True, eq=False)
class Signal:
    """An uninterrupted piece of EEG.

    Parameters
    ----------
    name : str
        Where it is from; unique in a data set.
    labels : tuple of str
        Canonical electrode names, each in the encoder's vocabulary.
    rate_hz : float
        Sampling rate.
    data_uv : ndarray of float64, shape (n_samples, n_channels)
        Microvolts.
    """

    name: str
    labels: tuple[str, ...]
    rate_hz: float
    data_uv: FloatArray


class Reader(Protocol):
    """Gives the recordings of a data set, by name."""

    def names(self) -> Sequence[str]:
        """Names of all recordings, sorted; nothing is read yet."""
        ...

    def read(self, name: str) -> Iterator[Signal]:
        """Pieces of one recording, in the order of time, each in memory only while it is used.

        Raises
        ------
        RtbciError
            When the recording cannot be used; whoever reads reports it and goes on with the next.
        """
        ...


class FolderReader:
    """All recordings below a folder that rtbci can replay: npz, whatever MNE reads, XDF, text; a `Reader`.

    Parameters
    ----------
    folder : Path
        Searched with all its subfolders; a single file is taken as well.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> Sequence[str]:
        """Paths relative to the folder; files whose name ends like no recording's are left out."""
        if self._folder.is_file():
            return [""]
        found = (path for path in self._folder.rglob("*") if path.suffix.lower() in EXTENSIONS)
        return sorted(path.relative_to(self._folder).as_posix() for path in found if path.is_file())

    def read(self, name: str) -> Iterator[Signal]:
        """See `Reader.read`; files are read in parts of half an hour, and cut at gaps."""
        path = self._folder / name
        start_s, is_more = 0.0, True
        while is_more:
            is_more = False
            # One second more than is used tells whether the file goes on.
            for recording in read_recordings(path, start_s=start_s, stop_s=start_s + PART_S + MARGIN_S):
                if not any(is_eeg(channel) for channel in recording.info.channels):
                    continue  # an XDF file holds other streams beside the EEG
                is_more |= recording.duration_s > PART_S
                yield from _pieces(recording.crop(0.0, PART_S), f"{name or path.name}@{start_s:.0f}")
            start_s += PART_S


def _pieces(recording: Recording, name: str) -> Iterator[Signal]:
    labels = [
        canonical_label(channel.label) if is_eeg(channel) else "" for channel in recording.info.channels
    ]
    gains_uv = stream_gains_uv(recording.info)
    ends_s = [*recording.gaps()[:, 0], np.inf]
    times_s = recording.sample_times()
    cuts = [0, *np.searchsorted(times_s, ends_s, side="right")]
    for start, stop in pairwise(cuts):
        data_uv = recording.data[start:stop] * gains_uv
        piece = f"{name}+{times_s[start]:.0f}:{recording.name}"
        yield pick_electrodes(piece, labels, recording.info.rate_hz, data_uv)


def pick_electrodes(name: str, labels: Sequence[str], rate_hz: float, data_uv: FloatArray) -> Signal:
    """Keep the electrodes that the encoder knows, in its order, and check that they carry a signal.

    Parameters
    ----------
    name, rate_hz
        See `Signal`.
    labels : sequence of str
        Canonical names of the columns; others than the encoder's are left out, and so are flat channels.
    data_uv : ndarray of float64, shape (n_samples, n_channels)
        Microvolts.

    Raises
    ------
    ChannelError
        When an electrode comes twice, or fewer than three are left.
    SignalError
        When samples are not finite or cannot be microvolts.
    """
    known = [label for label in labels if label in CHANNELS]
    if len(set(known)) < len(known):
        raise ChannelError(f"{name}: names an electrode twice ({', '.join(known)}), need each once")
    columns = [list(labels).index(label) for label in CHANNELS if label in known]
    picked = data_uv[:, columns]
    if not np.isfinite(picked).all():
        raise SignalError(f"{name}: has samples that are not finite, need numbers; cut them out")
    columns = [
        column for column, is_flat in zip(columns, np.ptp(picked, axis=0) == 0, strict=True) if not is_flat
    ]
    if len(columns) < 3:
        raise ChannelError(
            f"{name}: has {len(columns)} electrodes of the encoder with a signal ({', '.join(labels)}), "
            "need at least 3; rename its channels to 10-20 names"
        )
    picked = np.ascontiguousarray(data_uv[:, columns])
    spread_uv = float(np.median(picked.std(axis=0)))
    if not RANGE_UV[0] <= spread_uv <= RANGE_UV[1]:
        raise SignalError(
            f"{name}: has a standard deviation of {spread_uv:.3g} uV, need {RANGE_UV[0]:g} to {RANGE_UV[1]:g}; "
            "the file states a wrong unit, or none"
        )
    return Signal(name, tuple(labels[column] for column in columns), rate_hz, picked)
