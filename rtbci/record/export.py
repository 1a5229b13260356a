"""Sessions for other programs: EDF, BDF, BIDS through MNE, and CSV."""

import csv
import importlib.util
import re
import shutil
import warnings
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from rtbci.errors import ConfigError, FileFormatError, MissingPackageError
from rtbci.files import move_in, staged
from rtbci.installing import pip_extra
from rtbci.record.session_json import read_session_json
from rtbci.record.sessions import xdf_of
from rtbci.record.signal import Signal, main_stream, markers_of, on_grid
from rtbci.record.streams import PROBS_NAME
from rtbci.record.xdf_read import StreamData, read_xdf_file
from rtbci.runtime.build import stream_gains_uv

__all__ = ["export_session"]

FORMAT_NAMES = ("bids", "edf", "bdf", "csv")
UV_PER_V = 1e6
CSV_NAMES = ("samples.csv", "probabilities.csv", "markers.csv")
BIDS_TEXTS = ("README", "README.md", "README.txt", "CHANGES", ".bidsignore")
MNE_TYPES = {"EEG": "eeg", "EOG": "eog", "EMG": "emg", "ECG": "ecg"}


def export_session(session: Path, format: str, target: Path, *, unit: str = "") -> list[Path]:
    """Write a session in another format.

    Parameters
    ----------
    session : Path
        Its folder, or an XDF file.
    format : {'bids', 'edf', 'bdf', 'csv'}
        ``edf`` and ``bdf``: one file of 16 or 24 bits with markers and decisions as annotations, gaps filled
        with zeros under an annotation ``BAD_gap``. ``bids``: a data set with such an EDF, or one more subject of
        it. ``csv``: tables of samples, markers and probabilities with their stamps, nothing rounded or filled.
    target : Path
        File (EDF, BDF) or folder (BIDS, CSV); a file that is there is not replaced.
    unit : str
        Overrides the unit that the stream states.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    MissingPackageError
        When edfio or mne-bids is needed and not installed.
    FileFormatError
        When the session cannot be read or the target cannot be written; nothing of it is there then.
    """
    if format not in FORMAT_NAMES:
        raise ConfigError(f"export: format is '{format}', need one of {', '.join(FORMAT_NAMES)}")
    for package in {"edf": ["edfio"], "bdf": ["edfio"], "bids": ["mne_bids", "edfio"]}.get(format, []):
        if importlib.util.find_spec(package) is None:
            raise MissingPackageError(
                f"export to {format}: needs {package}, which is not installed; {pip_extra('export')}"
            )
    try:
        if format == "csv":
            return _write_csv(session, target)
        if format == "bids":
            return _write_bids(session, target, unit)
        return _write_edf(session, target, format, unit)
    except OSError as error:
        why = error.strerror or f"the disk took a part of it: {error}"  # numpy has no number for it
        raise FileFormatError(f"{target}: cannot be written ({why})") from error


# -- EDF and BIDS --------------------------------------------------------------------------------------


def _write_edf(session: Path, target: Path, format: str, unit: str) -> list[Path]:
    import mne

    if target.exists():
        raise FileFormatError(f"{target}: is there already; name another file, or move it away")
    raw = _raw(session, unit)
    with staged(target) as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the last record is filled up, and units of other channels
        mne.export.export_raw(
            folder / target.name, raw, fmt=format, physical_range="channelwise", verbose="ERROR"
        )
        return move_in(folder, target.parent)


def _write_bids(session: Path, target: Path, unit: str) -> list[Path]:
    import mne_bids

    raw = _raw(session, unit)
    user, paradigm, start = _named(session)
    path = mne_bids.BIDSPath(
        subject=_alnum(user),
        session=_alnum(start) or None,
        task=_alnum(paradigm),
        datatype="eeg",
        root=target,
    )
    if path.fpath.exists():
        raise FileFormatError(f"{path.fpath}: is there already; name another folder, or move it away")
    with staged(target) as folder, warnings.catch_warnings():
        _copy_tables(target, folder, f"sub-{path.subject}")
        warnings.simplefilter("ignore")  # that data in memory are written as EDF
        written = mne_bids.write_raw_bids(
            raw, path.copy().update(root=folder), format="EDF", allow_preload=True, verbose="ERROR"
        )
        move_in(folder, target)
        return [target / Path(written.fpath).relative_to(folder)]


def _copy_tables(dataset: Path, folder: Path, subject: str) -> None:
    """What a data set says of itself and of one subject, which another session of it adds to."""
    paths = [one for one in dataset.glob("*") if one.suffix in (".json", ".tsv") or one.name in BIDS_TEXTS]
    paths += [one for one in (dataset / subject).rglob("*") if one.suffix in (".json", ".tsv")]
    for path in paths:
        if path.is_file():
            place = folder / path.relative_to(dataset)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)


def _raw(session: Path, unit: str) -> Any:
    """The session's signal as MNE has it: volts, annotations, a date."""
    import mne

    xdf = xdf_of(session)
    signal = on_grid(read_xdf_file(xdf), xdf)
    types: Any = [MNE_TYPES.get(channel.type.upper(), "misc") for channel in signal.info.channels]
    to_volts = np.where(np.array(types) == "misc", 1.0, stream_gains_uv(signal.info, unit) / UV_PER_V)
    info = mne.create_info(_unique(signal.info.labels), signal.info.rate_hz, types, verbose="ERROR")
    raw = mne.io.RawArray((signal.data * to_volts).T, info, verbose="ERROR")
    if start := _started(session):
        raw.set_meas_date(start)
    raw.set_annotations(_annotations(signal, raw), verbose="ERROR")
    return raw


def _annotations(signal: Signal, raw: Any) -> Any:
    import mne

    last_s = float(raw.times[-1])
    inside = [marker for marker in signal.markers if 0.0 <= marker.t_lsl <= last_s and marker.value]
    return mne.Annotations(
        [*(one.t_lsl for one in inside), *(gap.t_s for gap in signal.gaps)],
        [*(0.0 for _ in inside), *(gap.gap_s for gap in signal.gaps)],
        [*(one.value for one in inside), *("BAD_gap" for _ in signal.gaps)],
        orig_time=raw.info["meas_date"],
    )


def _unique(labels: tuple[str, ...]) -> list[str]:
    """Labels as they are; one that comes again, or is empty, gets its channel's number."""
    return [
        label if label and labels.index(label) == i else f"{label}-{i + 1}".lstrip("-")
        for i, label in enumerate(labels)
    ]


def _started(session: Path) -> datetime | None:
    if not session.is_dir():
        return None
    try:
        return datetime.fromisoformat(read_session_json(session).started_utc).astimezone(UTC)
    except (FileFormatError, ValueError):
        return None


def _named(session: Path) -> tuple[str, str, str]:
    """User, paradigm and start, for names of files."""
    try:
        record = read_session_json(session)
        return record.user, record.paradigm, session.name.partition("-")[0]
    except FileFormatError:
        return "unknown", "unknown", ""


def _alnum(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "", text)


# -- CSV -----------------------------------------------------------------------------------------------


def _write_csv(session: Path, target: Path) -> list[Path]:
    xdf = xdf_of(session)
    file = read_xdf_file(xdf)
    signal, probs = main_stream(file, str(xdf)), file.named(PROBS_NAME)
    for name in CSV_NAMES:
        if (target / name).exists():
            raise FileFormatError(f"{target / name}: is there already; name another folder, or move it away")
    with staged(target) as folder:
        _write_stream(folder / CSV_NAMES[0], signal)
        if probs is not None and len(probs.t_s):
            _write_stream(folder / CSV_NAMES[1], probs)
        _write_table(folder / CSV_NAMES[2], ["t_lsl", "value"], markers_of(file))
        written = {path.name: path for path in move_in(folder, target)}
    return [written[name] for name in CSV_NAMES if name in written]


def _write_stream(path: Path, data: StreamData) -> None:
    """Stamps and values; every number with as many digits as it takes to be read back the same."""
    titles = ["t_lsl", *(channel.label for channel in data.channels)]
    rows = ((t_s, *map(str, row)) for t_s, row in zip(data.t_s.tolist(), data.values, strict=True))
    _write_table(path, titles, rows)


def _write_table(path: Path, titles: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    with path.open("x", encoding="utf-8", newline="") as out:
        table = csv.writer(out, lineterminator="\n")
        table.writerow(titles)
        table.writerows(rows)
