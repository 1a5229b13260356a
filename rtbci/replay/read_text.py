"""Text files of consumer headsets: Muse (eeg-notebooks, Muse Monitor) and the OpenBCI GUI."""

import math
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

from rtbci.errors import FileFormatError
from rtbci.replay.recording import Recording, source_id_of
from rtbci.replay.sniff import Kind
from rtbci.stream.source import Channel, FloatArray, Marker, StreamInfo

__all__ = ["read_text"]

MAX_FILE_BYTES = 256 * 1024**2
MAX_BAD_SHARE = 0.01
"""Rows that do not parse are left out and counted; more than this share of them is a damaged file."""
RATE_SNAP = 0.005
"""Measured rates this close to a whole number are that number; stamps are rounded to milliseconds."""
LONG_PAUSE_S = 0.5
CYTON_INDEX_WRAP = 256

Row = list[str]


def read_text(path: Path, kind: Kind) -> list[Recording]:
    """Read one recording.

    Stamps of Muse files are kept as they are, rounding and gaps included. OpenBCI's stamps are those of
    the packets' arrival, in bursts; there the time is counted in samples, and lost samples and pauses
    are gaps.

    Raises
    ------
    FileFormatError
        When columns are missing, too many rows do not parse, or there are fewer than two samples.
    """
    readers = {"Muse CSV": _muse, "Muse Monitor CSV": _muse_monitor, "OpenBCI text": _openbci}
    if path.stat().st_size > MAX_FILE_BYTES:
        raise FileFormatError(
            f"{path}: {path.stat().st_size / 1e6:.0f} MB of text, "
            f"the limit is {MAX_FILE_BYTES / 1e6:.0f} MB; split it, or convert it to EDF"
        )
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileFormatError(
            f"{path}: begins like {kind.name}, but byte {error.start} is not text; damaged"
        ) from error
    return [readers[kind.name](path, text.splitlines())]


def _muse(path: Path, lines: list[str]) -> Recording:
    header = _cells(lines[0])
    marked = [i for i, name in enumerate(header) if name.startswith("Marker")]
    signal = [i for i in range(1, len(header)) if i not in marked]
    if not signal:
        raise FileFormatError(f"{path}: has no signal column after 'timestamps'; need TP9, AF7, AF8, TP10")
    table, notes = _numbers(path, lines[1:], len(header))
    channels = tuple(
        Channel(header[i], "microvolts", "AUX" if "AUX" in header[i].upper() else "EEG") for i in signal
    )
    markers = [m for i in marked for m in _column_markers(table[:, i], table[:, 0] - table[0, 0])]
    return _stamped(path, table[:, 0], table[:, signal], channels, markers, notes)


def _muse_monitor(path: Path, lines: list[str]) -> Recording:
    header = _cells(lines[0])
    signal = [i for i, name in enumerate(header) if name.startswith(("RAW_", "AUX"))]
    if not signal:
        raise FileFormatError(f"{path}: has no RAW_ column; switch on raw EEG in Muse Monitor's settings")
    elements = header.index("Elements") if "Elements" in header else -1
    events: list[tuple[float, str]] = []

    def parse(row: Row) -> list[float] | None:
        t_s = datetime.fromisoformat(row[0]).timestamp()
        if elements >= 0 and len(row) > elements and row[elements]:
            events.append((t_s, row[elements]))
        return [t_s, *(float(row[i]) for i in signal)] if row[signal[0]] else None

    table, notes = _parsed(path, lines[1:], parse)
    channels = tuple(
        Channel(
            header[i].removeprefix("RAW_"), "microvolts", "EEG" if header[i].startswith("RAW_") else "AUX"
        )
        for i in signal
    )
    markers = [Marker(t - table[0, 0], value) for t, value in events]
    return _stamped(path, table[:, 0], table[:, 1:], channels, markers, notes)


def _stamped(
    path: Path,
    stamps: FloatArray,
    data: FloatArray,
    channels: tuple[Channel, ...],
    markers: Sequence[Marker],
    notes: list[str],
) -> Recording:
    steps_s = np.diff(stamps)
    n_back = int((steps_s < 0).sum())
    if n_back:
        notes.append(f"{n_back} stamps run back by up to {-steps_s.min() * 1e3:.0f} ms; kept as recorded")
    rate_hz = _rate_of(path, stamps)
    notes.append(f"rate {rate_hz:g} Hz, measured on the stamps")
    if rate_hz < 100:
        notes.append("too slow for EEG: the file was recorded at an interval, not continuously")
    info = StreamInfo(path.stem, source_id_of(path), rate_hz, channels, manufacturer="Interaxon (Muse)")
    t0_s = float(stamps[0])
    return Recording(info, data, tuple(sorted(markers)), stamps - t0_s, t0_s, tuple(notes))


def _openbci(path: Path, lines: list[str]) -> Recording:
    head = [line for line in lines[:20] if line.startswith("%")]
    rows = lines[len(head) :]
    titled = bool(rows) and rows[0].startswith("Sample Index")
    titles = [title.strip() for title in rows[0].split(",")] if titled else []
    signal = [i for i, title in enumerate(titles) if title.startswith("EXG Channel")]
    if titled and not signal:
        raise FileFormatError(
            f"{path}: its line of titles names no 'EXG Channel', need one for each channel; the file is damaged"
        )
    n_channels = len(signal) or int(_setting(path, head, "Number of channels"))
    signal = signal or list(range(1, n_channels + 1))
    rate_hz = _setting(path, head, "Sample Rate")
    n_needed = max([*signal, *(titles.index(t) for t in ("Timestamp", "Marker Channel") if t in titles)]) + 1
    table, notes = _numbers(path, rows[1:] if titled else rows, n_needed)
    t_s = _openbci_times(table, titles, rate_hz, notes)
    markers: list[Marker] = []
    if "Marker Channel" in titles:
        at_s = np.arange(len(table)) / rate_hz if t_s is None else t_s
        markers = _column_markers(table[:, titles.index("Marker Channel")], at_s)
    if len(titles) > n_channels + 1:
        notes.append("only the EXG channels are sent, not the accelerometer and the pins")
    channels = tuple(
        Channel(titles[i] if titled else f"EXG Channel {i - 1}", "microvolts", "EEG") for i in signal
    )
    t0_s = float(table[0, titles.index("Timestamp")]) if "Timestamp" in titles else 0.0
    info = StreamInfo(path.stem, source_id_of(path), rate_hz, channels, manufacturer="OpenBCI")
    return Recording(info, table[:, signal], tuple(markers), t_s, t0_s, tuple(notes))


def _openbci_times(
    table: FloatArray, titles: list[str], rate_hz: float, notes: list[str]
) -> FloatArray | None:
    """Sample times from the sample index (lost samples) and the arrival stamps (pauses); None: regular."""
    steps = np.diff(table[:, 0]) % CYTON_INDEX_WRAP
    usual = float(np.median(steps)) or 1.0
    steps = np.maximum(1.0, np.round(steps / usual))
    n_lost = int((steps - 1).sum())
    paused_s = np.zeros(steps.shape)
    if "Timestamp" in titles:
        stamps = table[:, titles.index("Timestamp")]
        stamps = stamps / (1e3 if stamps[0] > 1e11 else 1.0)  # milliseconds in version 5, seconds since
        extra_s = np.diff(stamps) - steps / rate_hz
        paused_s = np.where(extra_s > LONG_PAUSE_S, extra_s, 0.0)
    if n_lost == 0 and not paused_s.any():
        return None
    notes.append(f"{n_lost} samples lost by their index, {int((paused_s > 0).sum())} pauses; both are gaps")
    return np.concatenate([[0.0], np.cumsum(steps / rate_hz + paused_s)])


def _setting(path: Path, head: list[str], name: str) -> float:
    for line in head:
        if line.lstrip("% ").startswith(name):
            try:
                value = float(line.split("=")[1].split()[0])
            except (IndexError, ValueError):
                break
            if 1 <= value < 1e5:
                return value
    raise FileFormatError(
        f"{path}: '%{name} = ...' is missing or unreadable in its first lines; the file is damaged"
    )


def _cells(line: str) -> Row:
    # no csv module: none of these programs quotes, and a stray quote would swallow the rest of the file
    return [cell.strip() for cell in line.split(",")]


def _numbers(path: Path, lines: list[str], n_columns: int) -> tuple[FloatArray, list[str]]:
    return _parsed(
        path, lines, lambda row: [float(cell) for cell in row[:n_columns]] if len(row) >= n_columns else []
    )


def _parsed(
    path: Path, lines: list[str], parse: Callable[[Row], list[float] | None]
) -> tuple[FloatArray, list[str]]:
    """Parse all rows; `parse` gives the numbers, None for a row without samples, [] for a bad one."""
    good: list[list[float]] = []
    n_bad = 0
    for row in (_cells(line) for line in lines if line.strip()):
        try:
            numbers = parse(row)
        except (ValueError, IndexError):
            numbers = []
        if numbers:
            good.append(numbers)
        n_bad += numbers is not None and not numbers
    if len(good) < 2 or n_bad > max(1, MAX_BAD_SHARE * len(good)):
        raise FileFormatError(
            f"{path}: {len(good)} rows of samples and {n_bad} that do not parse, need at least two and "
            f"at most {MAX_BAD_SHARE:.0%} bad; the file is damaged"
        )
    table = np.array(good)
    if not np.isfinite(table[:, 0]).all():
        raise FileFormatError(f"{path}: a time or sample index is not a finite number; the file is damaged")
    return table, [f"{n_bad} rows did not parse and were left out"] if n_bad else []


def _rate_of(path: Path, stamps: FloatArray) -> float:
    """Mean rate outside of gaps longer than ten intervals, snapped to a whole number."""
    steps_s = np.diff(stamps)
    typical_s = float(np.median(steps_s[steps_s > 0])) if (steps_s > 0).any() else 0.0
    inside = steps_s[np.abs(steps_s) < 10 * typical_s]
    mean_s = float(inside.mean()) if inside.size else 0.0
    if not (mean_s > 0 and math.isfinite(mean_s)):
        raise FileFormatError(f"{path}: stamps do not advance, need rising times; the file is damaged")
    rate_hz = 1.0 / mean_s
    whole = round(rate_hz)
    return float(whole) if whole and abs(rate_hz / whole - 1) < RATE_SNAP else rate_hz


def _column_markers(codes: FloatArray, t_s: FloatArray) -> list[Marker]:
    """Every change of a marker column to a value other than 0."""
    before = np.concatenate([[0.0], codes[:-1]])
    at = np.flatnonzero((codes != before) & (codes != 0) & np.isfinite(codes))
    return [Marker(float(t_s[i]), f"{codes[i]:g}") for i in at]
