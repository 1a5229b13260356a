"""EDF+ and BDF+ files with pauses between their records (EDF+D), which MNE reads as if there were none."""

import math
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from rtbci.errors import FileFormatError
from rtbci.replay.recording import Recording
from rtbci.stream.source import FloatArray, Marker

__all__ = ["Records", "placed", "read_records"]

DISCONTINUOUS = (b"EDF+D", b"BDF+D")
"""In the reserved field of the header (Kemp, Olivan 2003, doi:10.1016/S1388-2457(03)00123-8)."""
ANNOTATIONS = ("EDF Annotations", "BDF Annotations")
RESERVED, N_RECORDS, RECORD_S, N_SIGNALS = slice(192, 236), slice(236, 244), slice(244, 252), slice(252, 256)
LABEL_BYTES, BEFORE_SAMPLES = 16, 216
"""Of each signal's header: its label, and what lies in front of the number of its samples in a record."""


class Records(NamedTuple):
    """When the records of a discontinuous file begin.

    Parameters
    ----------
    t_s : ndarray of float64, shape (n_records,)
        Seconds from the start of the first record.
    record_s : float
        Length of a record, in seconds.
    markers : list of Marker
        Texts of the annotations, in seconds from the start of the first record.
    """

    t_s: FloatArray
    record_s: float
    markers: list[Marker]


class _Layout(NamedTuple):
    """Where annotations are: begin of the first record, bytes of a record, and of which part of it."""

    begin: int
    record_bytes: int
    at: int
    n_bytes: int


def read_records(path: Path) -> Records | None:
    """Read when the records of an EDF or BDF file begin, and its annotations; None where it has no pauses.

    Raises
    ------
    FileFormatError
        When it says that it has pauses and does not say where, or its records run back in time.
    """
    with path.open("rb") as file:
        head = file.read(256)
        if not head[RESERVED].startswith(DISCONTINUOUS):
            return None
        try:
            record_s, layout = float(head[RECORD_S]), _layout(file, head)
            found = [_onsets(content) for content in _annotations_of(file, layout)]
            starts = np.array([record[0][0] for record in found], float)
        except (ValueError, IndexError) as error:
            raise FileFormatError(
                f"{path}: says that it has pauses (EDF+D), and not when each of its records begins ({error}); it is damaged: copy it "
                "again, or export it as EDF+C"
            ) from None
    if not len(starts) or not record_s > 0 or not np.isfinite(starts).all():
        raise FileFormatError(
            f"{path}: has {len(starts)} records of {record_s:g} s, need one or more with times; it is damaged"
        )
    if (np.diff(starts) < 0).any():
        i = int(np.argmax(np.diff(starts) < 0))
        raise FileFormatError(
            f"{path}: record {i + 2} begins at {starts[i + 1]:g} s, the one before at {starts[i]:g} s, need them in order; it is damaged"
        )
    markers = [
        Marker(t_s - float(starts[0]), text)
        for record in found
        for t_s, texts in record
        for text in texts
        if text
    ]
    return Records(starts - starts[0], record_s, sorted(markers))


def placed(recording: Recording, records: Records, markers: list[Marker]) -> Recording:
    """A recording as MNE reads it, record after record, with the time that each of its samples has.

    Parameters
    ----------
    recording : Recording
        The whole file.
    records : Records
    markers : list of Marker
        In seconds from the first sample; where there are none, those of the recording, which are beside samples of it.

    Raises
    ------
    FileFormatError
        When there are more records than times.
    """
    rate_hz, n = recording.info.rate_hz, recording.n_samples
    i = np.arange(n)
    n_record = records.record_s * rate_hz
    record = np.floor((i + 0.5) / n_record).astype(int)
    if n and record[-1] >= len(records.t_s):
        raise FileFormatError(
            f"{recording.name}: {n} samples at {rate_hz:g} Hz in {len(records.t_s)} records of {records.record_s:g} s; it is damaged"
        )
    starts = _joined(records.t_s, records.record_s, 0.5 / rate_hz)
    t_s = starts[record] + (i - record * n_record) / rate_hz
    if not markers:
        at = np.clip(np.round([one.t_lsl * rate_hz for one in recording.markers]), 0, n - 1).astype(int)
        markers = [Marker(float(t_s[k]), one.value) for k, one in zip(at, recording.markers, strict=True)]
    return replace(recording, t_s=t_s, markers=tuple(markers))


def _joined(t_s: FloatArray, record_s: float, most_s: float) -> FloatArray:
    """Starts of records without the rounding of those that only go on."""
    joined = t_s.copy()
    for k in range(1, len(joined)):
        if abs(joined[k] - (joined[k - 1] + record_s)) < most_s:
            joined[k] = joined[k - 1] + record_s
    return joined


def _layout(file: BinaryIO, head: bytes) -> _Layout:
    n_signals = int(head[N_SIGNALS])
    described = file.read(256 * n_signals)
    labels = [
        described[LABEL_BYTES * i : LABEL_BYTES * (i + 1)].decode("latin-1").strip() for i in range(n_signals)
    ]
    counts = [int(described[BEFORE_SAMPLES * n_signals + 8 * i :][:8]) for i in range(n_signals)]
    n_bytes = 3 if head.startswith(b"\xff") else 2
    which = next((i for i, label in enumerate(labels) if label in ANNOTATIONS), None)
    if which is None or min(counts) < 1:
        raise ValueError("no annotations")
    return _Layout(
        256 * (1 + n_signals), n_bytes * sum(counts), n_bytes * sum(counts[:which]), n_bytes * counts[which]
    )


def _annotations_of(file: BinaryIO, layout: _Layout) -> list[bytes]:
    """What the first signal of annotations, the one with the times, says in each whole record."""
    found = []
    n_records = (file.seek(0, 2) - layout.begin) // layout.record_bytes
    for k in range(n_records):
        file.seek(layout.begin + k * layout.record_bytes + layout.at)
        found.append(file.read(layout.n_bytes))
    return found


def _onsets(content: bytes) -> list[tuple[float, list[str]]]:
    """Times and texts of a record's annotations; the first is the record's own, of which the first text is empty."""
    found = []
    for one in content.split(b"\x00"):
        onset, *texts = one.split(b"\x14")
        if texts:
            t_s = float(onset.split(b"\x15")[0])
            if not math.isfinite(t_s):
                raise ValueError(f"a time is {t_s}")
            found.append((t_s, [_decoded(text) for text in texts]))
    return found


def _decoded(text: bytes) -> str:
    """EDF+ says UTF-8; some programs write Latin-1."""
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1")
