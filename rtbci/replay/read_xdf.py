"""Recordings of Lab Streaming Layer: every stream of an XDF file, through pyxdf."""

import io
import itertools
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

N_FEW = 3
"""Fewer samples are too few to measure a rate."""
MOST_TIMES = 10.0
"""Stamps that are denser by more than this factor than the header says are no times."""
BREAK_S, BREAK_STEPS = 1.0, 1.5
"""A pause of more seconds, and of more sampling intervals, is no jitter."""
BACK_S = 0.1
"""Stamps that run back by more seconds are no jitter either."""
BACK_STEPS = 1.5
"""Stamps that run back by more sampling intervals than this are of a clock that was set back, not jitter."""


class _Stream(NamedTuple):
    """What the header of a stream says, and what pyxdf made of its samples: texts are lists of lists."""

    described: XdfStream
    header: ET.Element
    values: Any
    t_s: FloatArray
    measured_hz: float


def read_xdf(path: Path) -> list[Recording]:
    """Read all regularly sampled streams; every marker of the file goes with each of them.

    pyxdf brings all clocks to the recorder's and finds clock resets (a computer that was restarted); jitter is
    taken out of the stamps between two breaks. A reset, or a pause of a second, stays as a gap. Where the
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
        regular = [stream for stream in regular if _has_times(stream, notes)]
        markers = [marker for stream in others for marker in _markers(stream, notes)]
        _note_merged(others, notes)
        recordings = [_recording(path, stream, sorted(markers)) for stream in regular]
    if not recordings:
        raise FileFormatError(
            f"{path}: {len(streams)} streams, none with samples at a regular rate; need an EEG stream"
            + "".join(f" ({note})" for note in notes if "was left out" in note)
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
    with np.errstate(divide="ignore", invalid="ignore"):  # it measures a rate of stamps that are all the same
        streams, _ = pyxdf.load_xdf(
            path if content is None else io.BytesIO(content), dejitter_timestamps=False
        )
    loaded = []
    for one in streams:
        i = one["info"]["stream_id"]
        t_s = np.asarray(one["time_stamps"], float)
        t_s, measured_hz = _smoothed(t_s, found.streams[i].rate_hz, found.headers[i])
        loaded.append(_Stream(found.streams[i], found.headers[i], one["time_series"], t_s, measured_hz))
    return loaded


def _smoothed(t_s: FloatArray, rate_hz: float, header: ET.Element) -> tuple[FloatArray, float]:
    """Stamps without jitter, a straight line between two breaks, and the rate between them; 0 where there is none to measure.

    pyxdf does the same, but draws its line through pauses of up to 500 samples and through clocks that were set back, which
    moves samples by as much. Streams that say that they may drop samples keep their stamps, as pyxdf has it.
    """
    if not rate_hz or len(t_s) < 2:
        return t_s, 0.0
    steps_s = np.diff(t_s)
    breaks = np.flatnonzero((steps_s > max(BREAK_S, BREAK_STEPS / rate_hz)) | (steps_s < -BACK_S)) + 1
    drops = header.findtext("desc/synchronization/can_drop_samples") or ""
    smooth, n_steps, lasted_s = t_s.copy(), 0, 0.0
    for start, stop in itertools.pairwise([0, *breaks.tolist(), len(t_s)]):
        if drops.strip().lower() != "true" and stop - start > 1:
            i = np.arange(stop - start) - (stop - start - 1) / 2.0
            middle_s = t_s[start:stop].mean()
            step_s = i @ (t_s[start:stop] - middle_s) / (i @ i)
            smooth[start:stop] = middle_s + step_s * i
        n_steps += stop - start - 1
        lasted_s += float(smooth[stop - 1] - smooth[start])
    return smooth, n_steps / lasted_s if lasted_s > 0 else 0.0


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


def _has_times(stream: _Stream, notes: list[str]) -> bool:
    """Whether stamps can be times of samples; those that are all the same are not."""
    nominal, n = stream.described.rate_hz, len(stream.t_s)
    if n < N_FEW or 0.0 < stream.measured_hz <= MOST_TIMES * nominal:
        return True
    notes.append(
        f"stream {stream.described.name!r} was left out: {nominal:g} Hz by its header, {n} samples in {np.ptp(stream.t_s):.3g} s by its "
        "stamps, which are no times of samples"
    )
    return False


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
    stamps, data = stream.t_s, np.asarray(stream.values, np.float64)
    said = stream.described
    described = said._replace(name=said.name or path.stem, type=said.type or "EEG")
    rate_hz, notes = _rate(stream, described.name)
    back_s = np.diff(stamps, prepend=stamps[0])
    if (back_s < -BACK_STEPS / rate_hz).any():
        # Sorted, two times of the same name would be one signal of samples in turn.
        i = int(np.argmin(back_s))
        notes += (
            f"stream {described.name!r}: its stamps run back by {-back_s[i]:.2f} s after {stamps[i - 1] - stamps[0]:.2f} s, a clock was "
            "set back; samples stay in their order, and markers of a time that comes twice may be beside other samples",
        )
    else:
        order = np.argsort(stamps, kind="stable")
        stamps, data = stamps[order], data[order]
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
    if len(stream.t_s) < N_FEW or measured <= 0 or abs(measured / nominal - 1) <= RATE_TOLERANCE:
        return nominal, ()
    return measured, (
        f"stream {name!r}: nominally {nominal:g} Hz, by its stamps {measured:.2f} Hz; the latter is stated",
    )
