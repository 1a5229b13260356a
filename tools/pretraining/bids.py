"""Reader of a BIDS folder, through mne-bids: channel types, units and bad channels as its tables say."""

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rtbci.errors import FileFormatError, MissingPackageError
from rtbci.installing import pip_extra
from rtbci.stream.labels import canonical_label
from tools.pretraining.readers import PART_S, FolderReader, Reader, Signal, pick_electrodes

__all__ = ["BidsReader", "open_reader"]

DESCRIPTION = "dataset_description.json"
EXTENSIONS = [".edf", ".bdf", ".vhdr", ".set", ".fif"]
UV_PER_V = 1e6


def open_reader(data: Path) -> Reader:
    """Reader of a file or folder: BIDS where the folder has a ``dataset_description.json``.

    Raises
    ------
    FileFormatError
        When there is nothing at the path.
    """
    if not data.exists():
        raise FileFormatError(f"{data}: no such file or folder, need recordings; check --data")
    return BidsReader(data) if (data / DESCRIPTION).is_file() else FolderReader(data)


class BidsReader:
    """EEG recordings of a BIDS data set; a `Reader`.

    Parameters
    ----------
    root : Path
        Holds ``dataset_description.json``.

    Raises
    ------
    MissingPackageError
        When mne-bids is not installed.
    """

    def __init__(self, root: Path) -> None:
        try:
            import mne_bids
        except ImportError:
            raise MissingPackageError(
                f"BidsReader: mne-bids is not installed, need it for a BIDS folder; {pip_extra('pretrain')}"
            ) from None
        paths = mne_bids.find_matching_paths(
            root, datatypes="eeg", suffixes="eeg", extensions=EXTENSIONS, ignore_nosub=True
        )
        self._paths: dict[str, Any] = {Path(path.fpath).relative_to(root).as_posix(): path for path in paths}

    def names(self) -> Sequence[str]:
        """Paths relative to the root."""
        return sorted(self._paths)

    def read(self, name: str) -> Iterator[Signal]:
        """See `Reader.read`; channels marked as bad are left out, pieces end where an annotation says BAD."""
        import mne_bids

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # tables that are incomplete; what matters is checked below
            try:
                raw = mne_bids.read_raw_bids(self._paths[name], verbose="ERROR")
            except Exception as error:  # mne and mne-bids raise many kinds on damaged files and tables
                raise FileFormatError(
                    f"{name}: cannot be read as BIDS ({type(error).__name__}: {error}); "
                    "check it with the BIDS validator"
                ) from error
            try:
                yield from _pieces(raw, name)
            finally:
                raw.close()


def _pieces(raw: Any, name: str) -> Iterator[Signal]:
    bad = set(raw.info["bads"])
    kinds = zip(raw.ch_names, raw.get_channel_types(), strict=True)
    labels = [label for label, kind in kinds if kind == "eeg" and label not in bad]
    if not labels:
        raise FileFormatError(f"{name}: has no good EEG channel, need some; check its channels.tsv")
    rate_hz = float(raw.info["sfreq"])
    canonical = [canonical_label(label) for label in labels]
    for first, last in _good_spans(raw, rate_hz):
        for start in range(first, last, round(PART_S * rate_hz)):
            stop = min(last, start + round(PART_S * rate_hz))
            data = raw.get_data(picks=labels, start=start, stop=stop, verbose="ERROR")
            data_uv = np.ascontiguousarray(data.T) * UV_PER_V
            yield pick_electrodes(f"{name}@{start / rate_hz:.0f}", canonical, rate_hz, data_uv)


def _good_spans(raw: Any, rate_hz: float) -> Iterator[tuple[int, int]]:
    """Sample ranges between annotations whose text starts with BAD or EDGE, as MNE understands them."""
    good = np.ones(raw.n_times + 1, bool)
    good[-1] = False
    for onset_s, duration_s, text in zip(
        raw.annotations.onset, raw.annotations.duration, raw.annotations.description, strict=True
    ):
        if str(text).upper().startswith(("BAD", "EDGE")):
            start = max(0, int((onset_s - _first_s(raw)) * rate_hz))
            good[start : max(start + 1, int(np.ceil((onset_s - _first_s(raw) + duration_s) * rate_hz)))] = (
                False
            )
    edges = np.flatnonzero(np.diff(good.astype(np.int8), prepend=0))
    yield from ((int(start), int(stop)) for start, stop in edges.reshape(-1, 2))


def _first_s(raw: Any) -> float:
    """Time of the first sample on the clock of the annotations."""
    return float(raw.first_time) if raw.annotations.orig_time is not None else 0.0
