"""Archives of one recording and its stimulus channel (``data``, ``stim``), with a YAML file of the same name beside it.

The format of Eegle.jl and its data sets ("NY"): what the codes mean, labels and rate are in the YAML file.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rtbci.errors import FileFormatError, MissingPackageError
from rtbci.installing import pip_extra
from rtbci.replay.recording import Recording, source_id_of
from rtbci.stream.source import Channel, Marker, StreamInfo

__all__ = ["is_stim_archive", "read_stim_npz"]


def is_stim_archive(keys: Mapping[str, Any]) -> bool:
    """Whether an archive with these keys is of this kind."""
    return {"data", "stim"} <= set(keys)


def read_stim_npz(path: Path, contents: Mapping[str, Any]) -> Recording:
    """Make a recording; every sample whose `stim` is not 0 is a marker with that number for a text.

    Columns of `data` behind the labelled ones are left out: they are unused.

    Parameters
    ----------
    path : Path
        Of the archive; the YAML file beside it has its name.
    contents : mapping
        `data`, shape (n_samples, n_columns), microvolts, and `stim`, shape (n_samples,).

    Raises
    ------
    FileFormatError
        When the YAML file is missing, or the two do not fit each other.
    MissingPackageError
        Without PyYAML.
    """
    acquisition = _acquisition(path.with_suffix(".yml"), path)
    data, stim = np.asarray(contents["data"]), np.asarray(contents["stim"])
    try:
        labels = [str(label) for label in acquisition["sensors"]]
        rate_hz = float(acquisition["samplingrate"])
    except (KeyError, TypeError, ValueError) as error:
        raise FileFormatError(
            f"{path.with_suffix('.yml')}: has no usable acquisition.sensors and acquisition.samplingrate ({error}), need "
            "labels and a rate in Hz; copy it again"
        ) from error
    if (
        data.ndim != 2
        or stim.shape != data.shape[:1]
        or not 0 < len(labels) <= data.shape[1]
        or not rate_hz > 0
    ):
        raise FileFormatError(
            f"{path}: data has shape {data.shape} and stim {stim.shape} for {len(labels)} sensors at {rate_hz:g} Hz, need "
            "(n_samples, n_sensors or more) and (n_samples,); copy both files again"
        )
    info = StreamInfo(
        path.stem, source_id_of(path), rate_hz, tuple(Channel(label, "microvolts", "EEG") for label in labels)
    )
    markers = tuple(Marker(float(i) / rate_hz, f"{stim[i]:g}") for i in np.flatnonzero(stim))
    return Recording(info, np.ascontiguousarray(data[:, : len(labels)], np.float64), markers)


def _acquisition(path: Path, archive: Path) -> Mapping[str, Any]:
    try:
        import yaml
    except ImportError as error:
        raise MissingPackageError(
            f"{archive}: has data and stim, need PyYAML to read the file beside it; {pip_extra('eval')}"
        ) from error
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))["acquisition"]
    except OSError as error:
        raise FileFormatError(
            f"{archive}: has data and stim, need {path.name} with labels and rate beside it ({error.strerror}); copy it there"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise FileFormatError(
            f"{path}: is no description of a recording ({type(error).__name__}), need YAML with acquisition; copy it again"
        ) from error
    if not isinstance(found, dict):
        raise FileFormatError(f"{path}: acquisition is {type(found).__name__}, need a mapping; copy it again")
    return found
