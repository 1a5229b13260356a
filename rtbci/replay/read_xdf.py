"""Recordings of Lab Streaming Layer: every stream of an XDF file, through pyxdf."""

import io
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from rtbci.errors import FileFormatError
from rtbci.record.repair import said_damages, sound_parts
from rtbci.record.streams import OWN_TYPE, PROBS_NAME
from rtbci.record.xdf_read import mapped
from rtbci.record.xdf_scan import survey
from rtbci.replay.recording import Recording, source_id_of
from rtbci.stream.source import Channel, FloatArray, Marker, StreamInfo

__all__ = ["read_xdf"]

MAX_FILE_BYTES = 1024**3
RATE_TOLERANCE = 0.01
"""A nominal rate further off the measured one than this share is replaced by the measured one."""


def read_xdf(path: Path) -> list[Recording]:
    """Read all regularly sampled streams; every marker of the file goes with each of them.

    pyxdf brings all clocks to the recorder's, finds clock resets (a computer that was restarted) and
    takes the jitter out of the stamps between two breaks. A reset or pause stays as a gap. Where the
    nominal rate is more than 1 % off the measured one, the measured one is stated and a note says so.

    Raises
    ------
    FileFormatError
        When the file cannot be read, is too large, or no stream has samples at a regular rate.
    """
    if path.stat().st_size > MAX_FILE_BYTES:
        raise FileFormatError(
            f"{path}: {path.stat().st_size / 1e9:.1f} GB, "
            f"the limit for XDF is {MAX_FILE_BYTES / 1e9:.1f} GB; split it"
        )
    with _told_by_pyxdf() as notes, _as_format_error(path):
        streams = [one for one in _load(path, notes) if not _is_about_decoding(one)]
        regular = [stream for stream in streams if _is_regular(stream)]
        others = [stream for stream in streams if not _is_regular(stream)]
        markers = [marker for stream in others for marker in _markers(stream, notes)]
        _note_merged(others, notes)
        recordings = [_recording(path, stream, sorted(markers)) for stream in regular]
    if not recordings:
        raise FileFormatError(
            f"{path}: {len(streams)} streams, none with samples at a regular rate; need an EEG stream"
        )
    return [recordings[0].noted(*notes), *recordings[1:]]


def _load(path: Path, notes: list[str]) -> list[dict[str, Any]]:
    """All streams that are sound; pyxdf itself believes whatever lengths and counts a file states."""
    import pyxdf

    with mapped(path) as data:
        found = survey(data, str(path))
        content = b"".join(sound_parts(data, found)) if found.damages else None
    if found.damages:
        notes.append(said_damages(found.damages))
    streams, _ = pyxdf.load_xdf(path if content is None else io.BytesIO(content))
    return list(streams)


@contextmanager
def _told_by_pyxdf() -> Iterator[list[str]]:
    notes: list[str] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            notes.append(record.getMessage())

    logger = logging.getLogger("pyxdf")
    handler, propagate = Collect(logging.WARNING), logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield notes
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate


@contextmanager
def _as_format_error(path: Path) -> Iterator[None]:
    # pyxdf parses whatever bytes it is given; on damaged ones it may raise anything at all.
    try:
        yield
    except FileFormatError:
        raise
    except Exception as error:
        raise FileFormatError(
            f"{path}: begins like XDF, but cannot be read ({type(error).__name__}: {error}); "
            "it is damaged or incomplete: copy it again"
        ) from error


def _is_about_decoding(stream: Mapping[str, Any]) -> bool:
    """Whether a session of ours has it beside what was received: messages, probabilities, checksums."""
    return _text(stream["info"], "type") == OWN_TYPE or _text(stream["info"], "name") == PROBS_NAME


def _is_regular(stream: Mapping[str, Any]) -> bool:
    return (
        isinstance(stream["time_series"], np.ndarray)
        and _nominal_rate(stream) > 0
        and len(stream["time_stamps"]) > 0
    )


def _nominal_rate(stream: Mapping[str, Any]) -> float:
    return float(_text(stream["info"], "nominal_srate") or 0)


def _markers(stream: Mapping[str, Any], notes: list[str]) -> list[Marker]:
    """Markers of an irregular stream: its strings, or its numbers where it has one channel."""
    values, times = stream["time_series"], np.asarray(stream["time_stamps"], float)
    name = _text(stream["info"], "name")
    if len(values) == 0:
        notes.append(f"stream {name!r} is empty and was left out")
        return []
    if isinstance(values, np.ndarray) and values.shape[1] > 1:
        notes.append(f"stream {name!r} has {values.shape[1]} channels without a rate and was left out")
        return []
    return [Marker(float(t), _marker_text(row)) for t, row in zip(times, values, strict=True)]


def _marker_text(row: Any) -> str:
    if isinstance(row, np.ndarray):
        return f"{row[0]:g}"
    return ",".join(str(part) for part in row)


def _note_merged(streams: list[dict[str, Any]], notes: list[str]) -> None:
    names = [_text(stream["info"], "name") for stream in streams if len(stream["time_series"])]
    if len(names) > 1:
        notes.append(f"markers of {len(names)} streams are sent as one: {', '.join(names)}")


def _recording(path: Path, stream: Mapping[str, Any], markers: list[Marker]) -> Recording:
    info, stamps = stream["info"], np.asarray(stream["time_stamps"], float)
    order = np.argsort(stamps, kind="stable")
    stamps, data = stamps[order], np.asarray(stream["time_series"], np.float64)[order]
    name = _text(info, "name") or path.stem
    rate_hz, notes = _rate(stream, name)
    desc = _child(info, "desc")
    acquisition = _child(desc, "acquisition")
    described = StreamInfo(
        name=name,
        type=_text(info, "type") or "EEG",
        source_id=source_id_of(path, name),
        rate_hz=rate_hz,
        channels=_channels(desc, data.shape[1], _text(info, "type") or "EEG"),
        manufacturer=_text(acquisition, "manufacturer") or _text(desc, "manufacturer"),
        reference=_text(_child(desc, "reference"), "label"),
    )
    t0_s = float(stamps[0])
    t_s: FloatArray | None = stamps - t0_s
    return Recording(described, data, tuple(Marker(t - t0_s, v) for t, v in markers), t_s, t0_s, notes)


def _rate(stream: Mapping[str, Any], name: str) -> tuple[float, tuple[str, ...]]:
    nominal = _nominal_rate(stream)
    effective = float(stream["info"].get("effective_srate") or 0)
    n_few = 3  # too few samples to measure a rate
    if len(stream["time_stamps"]) < n_few or effective <= 0 or abs(effective / nominal - 1) <= RATE_TOLERANCE:
        return nominal, ()
    return effective, (
        f"stream {name!r}: nominally {nominal:g} Hz, by its stamps {effective:.2f} Hz; the latter is stated",
    )


def _channels(desc: Mapping[str, Any], n_channels: int, stream_type: str) -> tuple[Channel, ...]:
    listed = _child(desc, "channels").get("channel") or []
    if len(listed) != n_channels:
        return tuple(Channel(f"CH{i + 1}", "", stream_type) for i in range(n_channels))
    return tuple(
        Channel(
            _text(one, "label") or _text(one, "name") or f"CH{i + 1}",
            _text(one, "unit"),
            _text(one, "type") or stream_type,
        )
        for i, one in enumerate(listed)
    )


def _child(node: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """First child element of that name, or an empty one; pyxdf gives lists of everything."""
    found = node.get(name) or [{}]
    first = found[0] if isinstance(found, list) else found
    return first if isinstance(first, Mapping) else {}


def _text(node: Mapping[str, Any], name: str) -> str:
    found = node.get(name) or [""]
    first = found[0] if isinstance(found, list) else found
    return str(first).strip() if first is not None and not isinstance(first, Mapping) else ""
