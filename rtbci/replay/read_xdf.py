"""Recordings of Lab Streaming Layer: every stream of an XDF file, through pyxdf."""

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree as ET

import numpy as np

from rtbci.errors import FileFormatError
from rtbci.record.repair import said_damages, sound_parts
from rtbci.record.streams import OWN_TYPE, PROBS_NAME
from rtbci.record.xdf_format import XdfStream
from rtbci.record.xdf_headers import info_of
from rtbci.record.xdf_read import mapped
from rtbci.record.xdf_scan import survey
from rtbci.replay.recording import Recording, source_id_of
from rtbci.stream.source import FloatArray, Marker

__all__ = ["read_xdf"]

MAX_FILE_BYTES = 1024**3
RATE_TOLERANCE = 0.01
"""A nominal rate further off the measured one than this share is replaced by the measured one."""


class _Stream(NamedTuple):
    """What the header of a stream says, and what pyxdf made of its samples: texts are lists of lists."""

    described: XdfStream
    header: ET.Element
    values: Any
    t_s: FloatArray
    measured_hz: float


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


def _load(path: Path, notes: list[str]) -> list[_Stream]:
    """All streams that are sound; pyxdf itself believes whatever lengths and counts a file states."""
    import pyxdf

    with mapped(path) as data:
        found = survey(data, str(path))
        content = b"".join(sound_parts(data, found)) if found.damages else None
    if found.damages:
        notes.append(said_damages(found.damages))
    streams, _ = pyxdf.load_xdf(path if content is None else io.BytesIO(content))
    return [
        _Stream(
            found.streams[one["info"]["stream_id"]],
            found.headers[one["info"]["stream_id"]],
            one["time_series"],
            np.asarray(one["time_stamps"], float),
            float(one["info"]["effective_srate"]),
        )
        for one in streams
    ]


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


def _is_about_decoding(stream: _Stream) -> bool:
    """Whether a session of ours has it beside what was received: messages, probabilities, checksums."""
    return stream.described.type == OWN_TYPE or stream.described.name == PROBS_NAME


def _is_regular(stream: _Stream) -> bool:
    return isinstance(stream.values, np.ndarray) and stream.described.rate_hz > 0 and len(stream.t_s) > 0


def _markers(stream: _Stream, notes: list[str]) -> list[Marker]:
    """Markers of an irregular stream: its strings, or its numbers where it has one channel."""
    values, name = stream.values, stream.described.name
    if len(values) == 0:
        notes.append(f"stream {name!r} is empty and was left out")
        return []
    if isinstance(values, np.ndarray) and values.shape[1] > 1:
        notes.append(f"stream {name!r} has {values.shape[1]} channels without a rate and was left out")
        return []
    return [Marker(float(t), _marker_text(row)) for t, row in zip(stream.t_s, values, strict=True)]


def _marker_text(row: Any) -> str:
    if isinstance(row, np.ndarray):
        return f"{row[0]:g}"
    return ",".join(str(part) for part in row)


def _note_merged(streams: list[_Stream], notes: list[str]) -> None:
    names = [stream.described.name for stream in streams if len(stream.values)]
    if len(names) > 1:
        notes.append(f"markers of {len(names)} streams are sent as one: {', '.join(names)}")


def _recording(path: Path, stream: _Stream, markers: list[Marker]) -> Recording:
    order = np.argsort(stream.t_s, kind="stable")
    stamps, data = stream.t_s[order], np.asarray(stream.values, np.float64)[order]
    said = stream.described
    described = said._replace(name=said.name or path.stem, type=said.type or "EEG")
    rate_hz, notes = _rate(stream, described.name)
    info = replace(
        info_of(stream.header, described),
        rate_hz=rate_hz,
        source_id=source_id_of(path, described.name),
        hostname="",  # it is sent from here
    )
    t0_s = float(stamps[0])
    t_s: FloatArray | None = stamps - t0_s
    return Recording(info, data, tuple(Marker(t - t0_s, v) for t, v in markers), t_s, t0_s, notes)


def _rate(stream: _Stream, name: str) -> tuple[float, tuple[str, ...]]:
    nominal, measured = stream.described.rate_hz, stream.measured_hz
    n_few = 3  # too few samples to measure a rate
    if len(stream.t_s) < n_few or measured <= 0 or abs(measured / nominal - 1) <= RATE_TOLERANCE:
        return nominal, ()
    return measured, (
        f"stream {name!r}: nominally {nominal:g} Hz, by its stamps {measured:.2f} Hz; the latter is stated",
    )
