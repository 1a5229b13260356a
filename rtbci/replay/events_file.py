"""Events in a file of their own, beside the recording: MNE's, and those of a BIDS data set."""

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np

from rtbci.errors import FileFormatError
from rtbci.stream.source import Marker

__all__ = ["is_events_file", "read_bids_events", "read_events"]

ENDINGS = ("-eve.fif", "_eve.fif")
BIDS_EEG = "_eeg"
BIDS_COLUMNS = ("trial_type", "value")
"""What may name an event in a BIDS data set, the first that says something."""


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


def read_bids_events(path: Path) -> tuple[Path, list[Marker]] | None:
    """Events of a recording of a BIDS data set, from the ``*_events.tsv`` beside it.

    Parameters
    ----------
    path : Path
        Of the recording: ``NAME_eeg.EXT``.

    Returns
    -------
    (Path, list of Marker) or None
        The file and its events: ``trial_type``, or ``value`` where that says nothing, in seconds from the recording's first
        sample. None where there is no such file.

    Raises
    ------
    FileFormatError
        When it is no table with onsets.

    Notes
    -----
    BIDS (Pernet et al. 2019, doi:10.1038/s41597-019-0104-8): columns with tabs between, ``onset`` in seconds, ``n/a`` for
    nothing. What the recording itself has may be codes that only this file explains, and mne-bids writes such codes.
    """
    if not path.stem.endswith(BIDS_EEG):
        return None
    file = path.with_name(path.stem.removesuffix(BIDS_EEG) + "_events.tsv")
    if not file.is_file():
        return None
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            rows = list(csv.DictReader(lines, delimiter="\t"))
        events = [
            Marker(float(row["onset"]), text)
            for row in rows
            if (text := _named(row)) and row["onset"] not in ("n/a", "", None)
        ]
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise FileFormatError(
            f"{file}: cannot be read ({type(error).__name__}: {str(error)[:200]}), need a table with tabs between and an onset in "
            "seconds in each row, as BIDS has it; mend it, or move it away"
        ) from error
    return file, sorted((one for one in events if math.isfinite(one.t_lsl)), key=lambda one: one.t_lsl)


def _named(row: dict[str, str]) -> str:
    texts = (str(row.get(column) or "").strip() for column in BIDS_COLUMNS)
    return next((text for text in texts if text not in ("", "n/a")), "")
