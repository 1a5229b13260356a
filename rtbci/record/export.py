"""Sessions for other programs: EDF, BDF, BIDS through MNE, and CSV."""

import csv
import importlib.util
import re
import shutil
import unicodedata
import warnings
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rtbci.errors import ConfigError, FileFormatError, MissingPackageError
from rtbci.files import move_in, staged
from rtbci.installing import pip_extra
from rtbci.record.session_json import read_session_json
from rtbci.record.sessions import xdf_of
from rtbci.record.signal import Gap, Signal, main_stream, markers_of, on_grid
from rtbci.record.streams import PROBS_NAME
from rtbci.record.xdf_read import StreamData, read_xdf_file
from rtbci.runtime.build import stream_gains_uv
from rtbci.stream.source import FloatArray, StreamInfo

__all__ = ["export_session"]

FORMAT_NAMES = ("bids", "edf", "bdf", "csv")
UV_PER_V = 1e6
CSV_NAMES = ("samples.csv", "probabilities.csv", "markers.csv")
BIDS_TEXTS = ("README", "README.md", "README.txt", "CHANGES", ".bidsignore")
MNE_TYPES = {"EEG": "eeg", "EOG": "eog", "EMG": "emg", "ECG": "ecg"}
N_EDF_LABEL = 16
MAX_EDF = 9_999_999.0
"""With its sign it has the eight characters that a header has for it (Kemp et al. 1992, doi:10.1016/0013-4694(92)90009-7)."""


def export_session(session: Path, format: str, target: Path, *, unit: str = "") -> list[Path]:
    """Write a session in another format.

    Parameters
    ----------
    session : Path
        Its folder, or an XDF file.
    format : {'bids', 'edf', 'bdf', 'csv'}
        ``edf`` and ``bdf``: one file of 16 or 24 bits with markers and decisions as annotations, gaps filled
        with zeros under an annotation ``BAD_gap``, samples that are not finite under ``BAD_not_finite``; labels are of
        ASCII and 16 letters at most. ``bids``: a data set with such an EDF, or one more subject of
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
        When the session cannot be read or the target cannot be written (nothing of it is there then), or the format cannot hold it
        (a rate that is no whole number, values too large).
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
        subject=_alnum(user) or "unknown",
        session=_alnum(start) or None,
        task=_alnum(paradigm) or "unknown",
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
    """The session's signal as MNE has it: volts, annotations, a date; as EDF can hold it."""
    import mne

    xdf = xdf_of(session)
    signal = on_grid(read_xdf_file(xdf), xdf)
    types: Any = [MNE_TYPES.get(channel.type.upper(), "misc") for channel in signal.info.channels]
    to_volts = np.where(np.array(types) == "misc", 1.0, stream_gains_uv(signal.info, unit) / UV_PER_V)
    info = mne.create_info(_edf_labels(signal.info.labels), signal.info.rate_hz, types, verbose="ERROR")
    volts = signal.data * to_volts
    is_finite = np.isfinite(volts)
    volts[~is_finite] = 0.0
    _check_fits(volts * np.where(np.array(types) == "misc", 1.0, UV_PER_V), signal.info, session)
    raw = mne.io.RawArray(volts.T, info, verbose="ERROR")
    if start := _started(session):
        raw.set_meas_date(start)
    raw.set_annotations(
        _annotations(signal, raw, _not_finite(is_finite, signal.info.rate_hz)), verbose="ERROR"
    )
    return raw


def _check_fits(data: FloatArray, info: StreamInfo, session: Path) -> None:
    """Refuse what EDF and BDF cannot hold: records have whole numbers of samples, numbers of the header eight characters."""
    if info.rate_hz != round(info.rate_hz):
        raise FileFormatError(
            f"{session}: the signal has {info.rate_hz:g} Hz, EDF and BDF need a whole number of samples a second; export it as csv"
        )
    largest = np.abs(data).max(axis=0)
    if (n := largest[i := int(np.argmax(largest))]) > MAX_EDF:
        raise FileFormatError(
            f"{session}: channel {info.labels[i]} reaches {n:.3g}, the largest number of EDF and BDF is {MAX_EDF:g} (microvolts, "
            "where it is a voltage); check the unit (--unit), or export it as csv"
        )


def _not_finite(is_finite: npt.NDArray[np.bool_], rate_hz: float) -> list[Gap]:
    """Where a channel has no numbers that has some elsewhere."""
    is_bad = ~is_finite[:, is_finite.any(axis=0)].all(axis=1)
    edges = np.flatnonzero(np.diff(is_bad, prepend=False, append=False)).tolist()
    return [
        Gap(start / rate_hz, (stop - start) / rate_hz)
        for start, stop in zip(edges[::2], edges[1::2], strict=True)
    ]


def _annotations(signal: Signal, raw: Any, not_finite: list[Gap]) -> Any:
    import mne

    last_s = float(raw.times[-1])
    inside = [marker for marker in signal.markers if 0.0 <= marker.t_lsl <= last_s and marker.value]
    return mne.Annotations(
        [*(one.t_lsl for one in inside), *(gap.t_s for gap in [*signal.gaps, *not_finite])],
        [*(0.0 for _ in inside), *(gap.gap_s for gap in [*signal.gaps, *not_finite])],
        [
            *(one.value for one in inside),
            *("BAD_gap" for _ in signal.gaps),
            *("BAD_not_finite" for _ in not_finite),
        ],
        orig_time=raw.info["meas_date"],
    )


def _edf_labels(labels: tuple[str, ...]) -> list[str]:
    """Labels as EDF takes them, up to 16 letters of ASCII; one that comes again, or is empty, gets its channel's number."""
    found: list[str] = []
    for i, label in enumerate(labels):
        plain = _ascii(label)[:N_EDF_LABEL]
        if not plain or plain in found:
            number = f"-{i + 1}"
            plain = f"{plain[: N_EDF_LABEL - len(number)]}{number}".lstrip("-")
        found.append(plain)
    return found


def _ascii(text: str) -> str:
    """Letters without their accents; a question mark for what is none of ASCII."""
    bare = (c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in bare)


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
