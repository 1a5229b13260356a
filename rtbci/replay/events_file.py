"""Events that MNE keeps in a file of their own, beside the recording."""

from pathlib import Path
from typing import Any

import numpy as np

from rtbci.errors import FileFormatError
from rtbci.stream.source import Marker

__all__ = ["is_events_file", "read_events"]

ENDINGS = ("-eve.fif", "_eve.fif")


def is_events_file(path: Path) -> bool:
    """Whether a file's name says that it holds events, and no signal."""
    return path.name.lower().endswith(ENDINGS)


def read_events(path: Path, raw: Any) -> list[Marker]:
    """Events of a FIF recording that lie beside it, in ``NAME-eve.fif`` or ``NAME_eve.fif``.

    Parameters
    ----------
    path : Path
        Of the recording: ``NAME_raw.fif`` or ``NAME.fif``.
    raw : mne.io.BaseRaw

    Returns
    -------
    list of Marker
        Their codes, in seconds from the recording's first sample; empty where there is no such file.

    Raises
    ------
    FileFormatError
        When it cannot be read.
    """
    if path.suffix.lower() != ".fif":
        return []
    stem = path.stem.removesuffix("_raw").removesuffix("-raw")
    found = [path.with_name(stem + ending) for ending in ENDINGS if path.with_name(stem + ending).is_file()]
    if not found:
        return []
    import mne

    try:
        events = np.asarray(mne.read_events(found[0], verbose="ERROR"))
    except Exception as error:  # MNE parses whatever bytes it is given
        raise FileFormatError(
            f"{found[0]}: cannot be read ({type(error).__name__}: {str(error)[:200]}), need events as MNE writes them; "
            "copy it again, or move it away"
        ) from error
    rate_hz = float(raw.info["sfreq"])
    return [
        Marker((int(i) - int(raw.first_samp)) / rate_hz, str(int(code)))
        for i, code in zip(events[:, 0], events[:, 2], strict=True)
        if code
    ]
