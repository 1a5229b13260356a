"""Recordings that MNE reads: EDF, BDF, GDF, BrainVision, EEGLAB, FIF, EGI raw, Nicolet, CNT."""

import io
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from rtbci.errors import FileFormatError
from rtbci.replay.edf_records import Records, placed, read_records
from rtbci.replay.events_file import read_bids_events, read_events
from rtbci.replay.recording import Recording, source_id_of
from rtbci.replay.sniff import Kind
from rtbci.stream.source import Channel, FloatArray, Marker, StreamInfo

__all__ = ["MAX_BYTES", "read_mne"]

MAX_BYTES = 2 * 1024**3
"""Largest part of a recording that is taken into memory, as float64."""
BLOCK_BYTES = 32 * 1024**2
HEADER_BYTES = 256
"""Of EDF and BDF: in front, and for each channel (Kemp et al. 1992, doi:10.1016/0013-4694(92)90009-7)."""
FIFF_UNIT_V = 107
UV_PER_V = 1e6
PREFIX_TYPES = {
    "EOG": "EOG",
    "HEOG": "EOG",
    "VEOG": "EOG",
    "ECG": "ECG",
    "EKG": "ECG",
    "EMG": "EMG",
    "RESP": "RESP",
}
"""Channels that are not EEG by their label, where the format itself does not tell."""
N_TRIGGER_BITS = 16
"""A BioSemi status channel has its triggers in the low 16 bits, the state of the amplifier above."""
BORING = ("does not conform to MNE naming conventions", "Not setting positions of")


def read_mne(path: Path, kind: Kind, start_s: float, stop_s: float | None) -> list[Recording]:
    """Read one recording through MNE; only the part from `start_s` to `stop_s` is converted.

    Raises
    ------
    FileFormatError
        When MNE cannot read it, it holds no EEG, or the part is larger than `MAX_BYTES`.
    """
    records = None
    if kind.name in ("EDF", "BDF"):
        _check_header(path)
        records = read_records(path)
    if records is not None:
        return [_in_pieces(path, kind, records, start_s, stop_s)]
    return [_read(path, kind, start_s, stop_s)]


def _in_pieces(path: Path, kind: Kind, records: Records, start_s: float, stop_s: float | None) -> Recording:
    """A file with pauses: MNE reads it as if it had none, and leaves out annotations that then are behind its end."""
    told = read_bids_events(path)
    recording = placed(_read(path, kind, 0.0, None), records, records.markers if told is None else told[1])
    notes = [note for note in recording.notes if "outside" not in note]
    n_gaps = len(recording.gaps())
    recording = replace(recording, notes=(*notes, f"EDF+D: records with {n_gaps} pauses between them"))
    return recording if start_s <= 0 and stop_s is None else recording.crop(start_s, stop_s)


def _read(path: Path, kind: Kind, start_s: float, stop_s: float | None) -> Recording:
    with _told_by_mne() as notes, _as_format_error(path, kind):
        raw = _readers()[kind.name](path)
        try:
            recording = _convert(raw, path, start_s, stop_s)
        finally:
            raw.close()
    return recording.noted(*(note for note in notes if not any(known in note for known in BORING)))


def _readers() -> dict[str, Callable[[Path], Any]]:
    import mne

    quiet: dict[str, Any] = {"preload": False, "verbose": "WARNING"}
    return {
        "EDF": lambda path: mne.io.read_raw_edf(path, **quiet),
        "BDF": lambda path: mne.io.read_raw_bdf(path, **quiet),
        "GDF": lambda path: mne.io.read_raw_gdf(path, **quiet),
        "BrainVision": lambda path: mne.io.read_raw_brainvision(path, **quiet),
        "EEGLAB": lambda path: mne.io.read_raw_eeglab(path, **quiet),
        "FIF": lambda path: mne.io.read_raw_fif(path, **quiet),
        "EGI raw": lambda path: mne.io.read_raw_egi(path, events_as_annotations=True, **quiet),
        "Nicolet": lambda path: mne.io.read_raw_nicolet(path, ch_type="eeg", **quiet),
        "Neuroscan CNT": lambda path: mne.io.read_raw_cnt(path, **quiet),
    }


@contextmanager
def _told_by_mne() -> Iterator[list[str]]:
    """Collect warnings as notes, so that they are neither lost nor printed raw."""
    notes: list[str] = []
    # the Nicolet reader prints to the terminal whatever its verbosity
    with warnings.catch_warnings(record=True) as caught, redirect_stdout(io.StringIO()):
        warnings.simplefilter("always")
        yield notes
    notes.extend(str(w.message).strip() for w in caught if not issubclass(w.category, ResourceWarning))


def _check_header(path: Path) -> None:
    """Refuse a header of EDF or BDF that says more channels than the file can describe: MNE goes through all of them."""
    with path.open("rb") as file:
        said = file.read(HEADER_BYTES)[-4:].decode("ascii", "replace").strip()
    n_bytes = path.stat().st_size
    if not said.isdecimal() or HEADER_BYTES * (1 + int(said)) > n_bytes:
        raise FileFormatError(
            f"{path}: its header says {said!r} channels, need {HEADER_BYTES} bytes for each of them in front of the signal, have "
            f"{n_bytes} in all; it is damaged or cut short: copy it again"
        )


@contextmanager
def _as_format_error(path: Path, kind: Kind) -> Iterator[None]:
    # MNE parses whatever bytes it is given; on damaged ones it may raise anything at all.
    try:
        yield
    except FileFormatError:
        raise
    except Exception as error:
        # MNE puts the reason last where it reports an error inside another
        reason = ([line.strip() for line in str(error).splitlines() if line.strip()] or ["no reason given"])[
            -1
        ]
        raise FileFormatError(
            f"{path}: begins like {kind.name}, but cannot be read ({type(error).__name__}: {reason[:200]}); "
            "it is damaged, incomplete or a variant that MNE does not read: "
            "copy it again, or export it as EDF"
        ) from error


def _convert(raw: Any, path: Path, start_s: float, stop_s: float | None) -> Recording:
    rate_hz, n_all = float(raw.info["sfreq"]), int(raw.n_times)
    if not (np.isfinite(rate_hz) and rate_hz > 0):
        raise FileFormatError(
            f"{path}: sampling rate is {rate_hz} Hz, need one above 0; the header is damaged"
        )
    start = min(max(0, round(start_s * rate_hz)), n_all)
    stop = n_all if stop_s is None else min(n_all, round(stop_s * rate_hz))
    if start >= stop:
        raise FileFormatError(
            f"{path}: no samples from {start_s:g} s to {'the end' if stop_s is None else f'{stop_s:g} s'}, "
            f"it lasts {n_all / rate_hz:.3f} s; choose a part inside it"
        )
    described = [_channel(raw, i) for i in range(len(raw.ch_names))]
    channels = tuple(channel for channel, _ in described)
    if not any(channel.type == "EEG" for channel in channels):
        kinds = ", ".join(sorted({channel.type for channel in channels}))
        raise FileFormatError(f"{path}: has no EEG channel, only {kinds}; need an EEG recording")
    data = _read_blocks(raw, path, start, stop, np.array([gain for _, gain in described]))
    told = read_bids_events(path)
    markers = (
        told[1]
        if told is not None
        else _annotations(raw) or _events(data, channels, rate_hz, start / rate_hz) or read_events(path, raw)
    )
    t_from, t_to = start / rate_hz, stop / rate_hz
    info = StreamInfo(
        name=path.stem,
        source_id=source_id_of(path),
        rate_hz=rate_hz,
        channels=channels,
        manufacturer=_manufacturer(raw, path),
    )
    inside = sorted(Marker(t - t_from, value) for t, value in markers if t_from <= t < t_to)
    notes = () if told is None else (f"markers are those of {told[0].name}",)
    return Recording(info, data, tuple(inside), t0_s=t_from, notes=notes)


def _channel(raw: Any, i: int) -> tuple[Channel, float]:
    """Describe channel `i`, and the gain from MNE's number to the unit stated."""
    label = raw.ch_names[i]
    kind = raw.get_channel_types([i])[0].upper()
    # As written in the file; the only place where MNE keeps it.
    original: str | None = getattr(raw, "_orig_units", {}).get(label)
    bare = label.upper().removeprefix("EEG").strip(" -_")
    if kind in ("EEG", "MISC"):
        kind = next((kind_of for start, kind_of in PREFIX_TYPES.items() if bare.startswith(start)), kind)
    if kind == "STIM":
        return Channel(label, "", kind), 1.0
    in_volts = raw.info["chs"][i]["unit"] == FIFF_UNIT_V if original is None else original.endswith("V")
    if in_volts:
        return Channel(label, "microvolts", kind), UV_PER_V
    # A unit that is not a voltage, or none: the numbers are passed on as the file has them.
    return Channel(label, "" if original in (None, "n/a") else str(original), kind), _si_gain(original or "")


def _si_gain(unit: str) -> float:
    """Undo the SI prefix that MNE applied to BrainVision's other units (``µS`` became S)."""
    prefixes = {"n": 1e9, "µ": 1e6, "u": 1e6, "m": 1e3}
    return prefixes.get(unit[0], 1.0) if len(unit) == 2 else 1.0


def _read_blocks(raw: Any, path: Path, start: int, stop: int, gains: FloatArray) -> FloatArray:
    n_channels = gains.size
    if (stop - start) * n_channels * 8 > MAX_BYTES:
        longest_s = MAX_BYTES / 8 / n_channels / raw.info["sfreq"]
        raise FileFormatError(
            f"{path}: {(stop - start) * n_channels * 8 / 1e9:.1f} GB in memory, the limit is "
            f"{MAX_BYTES / 1e9:.1f} GB; read a part of at most {longest_s:.0f} s (--start, --stop)"
        )
    data = np.empty((stop - start, n_channels))
    step = max(1, BLOCK_BYTES // 8 // n_channels)
    for at in range(start, stop, step):
        block = raw.get_data(start=at, stop=min(at + step, stop), verbose="WARNING")
        np.multiply(block.T, gains, out=data[at - start : at - start + block.shape[1]])
    return data


def _annotations(raw: Any) -> list[Marker]:
    annotations = raw.annotations
    # onsets count from sample 0 of the acquisition, which a cropped file no longer holds
    offset_s = -float(raw.first_time)
    if annotations.orig_time is not None and raw.info["meas_date"] is not None:
        offset_s += (annotations.orig_time - raw.info["meas_date"]).total_seconds()
    return [
        Marker(float(onset) + offset_s, str(text))
        for onset, text in zip(annotations.onset, annotations.description, strict=True)
        if str(text)
    ]


def _events(data: FloatArray, channels: Iterable[Channel], rate_hz: float, t_from: float) -> list[Marker]:
    """Take the changes of the trigger channel to another code than 0, where there are no annotations."""
    stim = [i for i, channel in enumerate(channels) if channel.type == "STIM"]
    if not stim:
        return []
    codes = np.nan_to_num(data[:, stim[0]]).astype(np.int64) & (2**N_TRIGGER_BITS - 1)
    at = np.flatnonzero((codes[1:] != codes[:-1]) & (codes[1:] != 0)) + 1
    return [Marker(t_from + i / rate_hz, str(codes[i])) for i in at.tolist()]


def _manufacturer(raw: Any, path: Path) -> str:
    device = raw.info["device_info"] or {}
    by_ending = {".bdf": "BioSemi", ".vhdr": "Brain Products", ".raw": "EGI", ".data": "Nicolet"}
    return str(device.get("model") or device.get("type") or by_ending.get(path.suffix.lower(), ""))
