"""Numpy archives: runs of EEGMMIDB as this project's own tools keep them, and recordings with a stimulus channel."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from rtbci.errors import FileFormatError, RtbciError
from rtbci.replay.read_npz_stim import is_stim_archive, read_stim_npz
from rtbci.replay.recording import Recording, join_recordings, source_id_of
from rtbci.stream.source import Channel, Marker, StreamInfo

__all__ = ["read_npz"]

MAX_BYTES = 1024**3
CODES = {0: "T0", 1: "T1", 2: "T2"}
"""As the annotations of the original EDF+ files: rest, left fist, right fist (in runs 4, 8, 12)."""


def read_npz(path: Path | str) -> list[Recording]:
    """Read all runs as one recording, with a gap of 5 s between them; at most `MAX_BYTES` unpacked.

    Keys: `sfreq`, `ch_names`, and for each run `runNN` (channels, samples) in microvolts, `runNN_onset`
    in samples and `runNN_code`. With `data` and `stim` see `rtbci.replay.read_npz_stim`.

    Raises
    ------
    FileFormatError
        When it is missing, another archive, or damaged.
    """
    path = Path(path)
    try:  # opened here: numpy leaves its own file open when the archive is broken
        file = path.open("rb")
    except OSError as error:
        raise FileFormatError(
            f"{path}: cannot be opened ({error.strerror}), need a file that can be read; check its name and permissions"
        ) from error
    try:
        with file, np.load(file, allow_pickle=False) as archive:
            _check_sizes(path, archive.zip)
            contents: dict[str, Any] = {key: archive[key] for key in archive.files}
        if is_stim_archive(contents):
            return [read_stim_npz(path, contents)]
        runs = sorted(key for key in contents if key.startswith("run") and key[3:].isdigit())
        if not runs or "sfreq" not in contents or "ch_names" not in contents:
            raise FileFormatError(
                f"{path}: has {', '.join(contents)}, need 'sfreq', 'ch_names' and at least one 'runNN' "
                "with its '_onset' and '_code'; other archives have no agreed meaning: convert it to EDF"
            )
        return [join_recordings([_run(path, contents, run) for run in runs])]
    except RtbciError:
        raise
    except Exception as error:  # zipfile, zlib and numpy raise many kinds on damaged bytes
        raise FileFormatError(
            f"{path}: cannot be unpacked ({type(error).__name__}: {error}); damaged"
        ) from error


def _check_sizes(path: Path, archive: zipfile.ZipFile) -> None:
    """Refuse what unpacks to more than fits, before anything is: a few bytes can stand for gigabytes."""
    n_bytes = sum(info.file_size for info in archive.infolist())
    if n_bytes > MAX_BYTES:
        raise FileFormatError(
            f"{path}: unpacks to {n_bytes / 1e9:.1f} GB, the limit is {MAX_BYTES / 1e9:.1f} GB; split it, or convert it to EDF"
        )


def _run(path: Path, contents: dict[str, Any], run: str) -> Recording:
    rate_hz = float(np.ravel(contents["sfreq"])[0])
    info = StreamInfo(
        path.stem,
        source_id_of(path),
        rate_hz,
        tuple(Channel(str(label), "microvolts", "EEG") for label in contents["ch_names"]),
    )
    codes, onsets = contents[f"{run}_code"], contents[f"{run}_onset"]
    markers = tuple(
        Marker(float(onset) / rate_hz, CODES.get(int(code), str(code)))
        for onset, code in zip(onsets, codes, strict=True)
    )
    return Recording(info, np.ascontiguousarray(contents[run].T, np.float64), markers)
