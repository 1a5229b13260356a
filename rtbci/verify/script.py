"""What happened in a session, in order: what was received, what was done, what was said."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec
import numpy as np

from rtbci.errors import FileFormatError
from rtbci.publish.messages import Event, Message, Prediction, Status
from rtbci.record.disk import is_being_written
from rtbci.record.journal import JOURNAL_NAME, Begun, Lost, Row, StreamOpened, read_row
from rtbci.record.session_json import SessionRecord, read_session_json
from rtbci.record.sessions import xdf_of
from rtbci.record.signal import StoredChunk, stored_chunks_of, stream_info_of
from rtbci.record.streams import topic_stream
from rtbci.record.xdf_read import XdfFile, read_xdf_file
from rtbci.record.xdf_scan import Tell
from rtbci.runtime.journal import Taken
from rtbci.stream.source import Marker, StreamInfo

__all__ = ["Run", "Script", "Take", "read_script"]

CONNECTED = ("stream_found", "stream_recovered")
MOST_LOST = 10**6
"""Chunks in one loss; a damaged row may say anything."""
OPS = ("profile_warming", "profile_swapped", "engine_changed")
"""Events that say what was done to the decoder between two chunks."""

M = TypeVar("M", bound=Message)


class Take(NamedTuple):
    """Some samples that were decoded, with what was done before and said after.

    Parameters
    ----------
    chunks : list of StoredChunk
        As received since the take before, without those that the decoder was not given; `ops` were done in front of the last
        one. That one is empty where only markers came.
    markers : list of Marker
        That came with the last chunk.
    t_taken : float
        When the last chunk was there, in seconds.
    ops : list of Event
        Profiles and engines that were put in use, and marks that clients set.
    paused : bool
        Whether predictions were being sent.
    info : StreamInfo or None
        Of the connection that the last chunk is the first of.
    predictions : list of Prediction
        That were published of it; those that only say that the stream is lost are left out.
    windows : tuple of str
        Checksums of what was computed.
    skipped : tuple of int
        Which windows of the last chunk were skipped; see `rtbci.runtime.journal.Taken`.
    failed : tuple of str
        Branches whose engine failed on it.
    unsure : str
        Why the decoder's state is not known here; empty: it is.
    """

    chunks: list[StoredChunk]
    markers: list[Marker]
    t_taken: float
    ops: list[Event]
    paused: bool
    info: StreamInfo | None
    predictions: list[Prediction]
    windows: tuple[str, ...]
    skipped: tuple[int, ...]
    failed: tuple[str, ...]
    unsure: str


@dataclass
class Run:
    """What one process decoded; a session that was taken up again has several.

    Attributes
    ----------
    takes : list of Take
    last_ops : list of Event
        What was done behind the last take.
    n_untold : int
        Samples at the end of which the file does not say how they were decoded.
    says_skipped : bool
        Whether it says which windows were skipped; see `rtbci.record.journal.Begun`.
    """

    takes: list[Take] = field(default_factory=list)
    last_ops: list[Event] = field(default_factory=list)
    n_untold: int = 0
    says_skipped: bool = False


class Script(NamedTuple):
    """A session's folder, read.

    Parameters
    ----------
    folder : Path
    record : SessionRecord
    runs : list of Run
    n_predictions, n_said_lost : int
        Predictions in the file, and those of them that only say that the stream is lost.
    notes : list of str
        What is missing of it, in words.
    """

    folder: Path
    record: SessionRecord
    runs: list[Run]
    n_predictions: int
    n_said_lost: int
    notes: list[str]


class _Counts(NamedTuple):
    """Where a row stands: chunks and samples of its run, and numbers of the next messages."""

    n_chunks: int
    n_samples: int
    n_prediction: int
    n_event: int
    n_status: int


def read_script(folder: Path, tell: Tell | None = None) -> Script:
    """Read a session as it was decoded; `tell` hears which share of its file has been read.

    Raises
    ------
    FileFormatError
        When folder or file cannot be read, or the session has no journal.
    """
    record = read_session_json(folder)
    if not record.paradigm:
        raise FileFormatError(
            f"{folder}: was recorded without a decoder, need a session of `rtbci run`; `rtbci session info` shows what it holds"
        )
    path = xdf_of(folder)
    file = read_xdf_file(path, until_damage=True, tell=tell)
    journal = file.named(JOURNAL_NAME)
    if journal is None:
        raise FileFormatError(
            f"{path}: has no stream '{JOURNAL_NAME}', need one that says how it was decoded; sessions of earlier versions "
            "cannot be verified"
        )
    rows = [row for text in journal.texts if (row := read_row(text)) is not None]
    reader = _Reader(file)
    runs = list(reader.runs(rows))
    n_said_lost = sum(one.why == "stream_lost" for one in reader.predictions.values())
    notes = [*_damages(file), *_record_notes(record, _is_recorded_now(folder))]
    return Script(folder, record, runs, len(reader.predictions), n_said_lost, notes)


def _damages(file: XdfFile) -> list[str]:
    return [f"the file is read up to byte {one.start} ({one.reason})" for one in file.damages[:1]]


def _is_recorded_now(folder: Path) -> bool:
    with suppress(OSError):  # a folder that is only read has no lock
        return is_being_written(xdf_of(folder))
    return False


def _record_notes(record: SessionRecord, is_recorded_now: bool) -> list[str]:
    if is_recorded_now:
        return ["the session is still being recorded: this is what was on the disk"]
    if record.ended is None:
        return ["the session was cut short: what was not written is not known"]
    lost, n_messages = record.ended.n_samples_lost, record.ended.n_messages_lost
    if not (lost or n_messages):
        return []
    return [
        f"{lost} samples and {n_messages} messages were not recorded: there was no memory or no disk for them"
    ]


class _Reader:
    """Puts together what the streams of a file say, row by row of its journal."""

    def __init__(self, file: XdfFile) -> None:
        self._chunks = {
            one.stream.stream_id: stored_chunks_of(one) for one in file.streams if one.stream.rate_hz
        }
        self._infos = {
            one.stream.stream_id: stream_info_of(one) for one in file.streams if one.stream.rate_hz
        }
        self.predictions = _messages(file, Prediction)
        self._events, self._statuses = _messages(file, Event), _messages(file, Status)
        self._numbers: dict[int, list[int]] = {}  # of each of the three, in order

    def runs(self, rows: Sequence[Row]) -> Iterator[Run]:
        """One for each process that recorded."""
        starts = [i for i, row in enumerate(rows) if isinstance(row, Begun)] or [0]
        given: dict[int, int] = {}
        for start, stop in zip(starts, [*starts[1:], len(rows)], strict=True):
            begun = rows[start]
            after = rows[stop] if stop < len(rows) else None
            n_chunks, n_events = None, 1 + max(self._events, default=-1)
            if isinstance(after, Begun):
                n_chunks, n_events = after.n_chunks, after.n_sent[1]
            n_sent = begun.n_sent if isinstance(begun, Begun) else (0, 0, 0)
            run = _RunReader(self, rows[start:stop], n_chunks, given).read(n_sent, n_events)
            run.says_skipped = isinstance(begun, Begun) and begun.says_skipped
            yield run

    def received(
        self, rows: Sequence[Row], n_stop: int | None, given: dict[int, int]
    ) -> tuple[list[StoredChunk | None], dict[int, StreamInfo]]:
        """Chunks of a run in the order in which they came, None where one was lost; and which are the first of a
        connection, by their place.
        """
        received: list[StoredChunk | None] = []
        infos: dict[int, StreamInfo] = {}
        at, stream_id = _n_chunks(rows[0]), 0

        def give(n: int | None) -> None:
            chunks = self._chunks.get(stream_id, [])
            first = given.get(stream_id, 0)
            last = len(chunks) if n is None else min(len(chunks), first + max(0, n))
            received.extend(chunks[first:last])
            given[stream_id] = last

        for row in rows:
            if isinstance(row, StreamOpened | Lost):
                give(row.n_chunks - at)
                at = row.n_chunks
            if isinstance(row, Lost):
                received += [None] * min(row.n_chunks_lost, MOST_LOST)
            elif isinstance(row, StreamOpened):
                stream_id = row.stream_id
                if stream_id in self._infos:
                    infos[len(received)] = self._infos[stream_id]
        give(None if n_stop is None else n_stop - at)
        return received, infos

    def between(self, what: dict[int, M], first: int, stop: int) -> list[M]:
        """Messages with these numbers, as far as they are in the file."""
        numbers = self._numbers.setdefault(id(what), sorted(what))
        return [what[i] for i in numbers[bisect_left(numbers, first) : bisect_left(numbers, stop)]]

    def events(self, first: int, stop: int) -> list[Event]:
        """Events with these numbers."""
        return self.between(self._events, first, stop)

    def statuses(self, first: int, stop: int) -> list[Status]:
        """Statuses with these numbers."""
        return self.between(self._statuses, first, stop)


class _RunReader:
    """Reads one run."""

    def __init__(
        self, reader: _Reader, rows: Sequence[Row], n_stop: int | None, given: dict[int, int]
    ) -> None:
        self._reader, self._rows = reader, rows
        self._received, self._infos = reader.received(rows, n_stop, given)
        self._paused, self._info = False, None
        self._has_lost = False

    def read(self, n_sent: tuple[int, int, int], n_events: int) -> Run:
        """All takes of the run, as far as the file holds what they decoded; `n_events` is the next run's first."""
        run, before = Run(), _Counts(0, 0, *n_sent)
        for row in self._rows:
            if isinstance(row, Lost):
                self._has_lost = True
            if not isinstance(row, Taken):
                continue
            if row.n_chunks > len(self._received) or row.n_chunks < before.n_chunks:
                break
            after = _Counts(row.n_chunks, row.n_samples, *row.n_sent)
            run.takes.append(self._take(row, before, after))
            before = after
        run.last_ops = [one for one in self._reader.events(before.n_event, n_events) if one.kind in OPS]
        rest = self._received[before.n_chunks :]
        run.n_untold = sum(len(chunk.t_lsl) for chunk in rest if chunk is not None)
        return run

    def _take(self, row: Taken, before: _Counts, after: _Counts) -> Take:
        given = self._received[before.n_chunks : after.n_chunks]
        chunks = [chunk for chunk in given if chunk is not None]
        unsure = self._unsure(len(given) - len(chunks), chunks, before, after)
        i_last = len(chunks) - (row.n > 0)  # what was left out is right in front of this one
        del chunks[max(0, i_last - row.n_left_out) : i_last]
        if not row.n or not chunks:
            info = self._connected(after.n_chunks)
            chunks.append(StoredChunk(np.empty((0, info.n_channels if info else 0)), np.empty(0)))
        events = self._reader.events(before.n_event, after.n_event)
        for status in self._reader.statuses(before.n_status, after.n_status):
            self._paused = status.paused
        marks = [event for event in events if event.kind == "marker"]
        n_marks = max(0, len(marks) - row.n_markers)
        ops = [event for event in events if event.kind in OPS or event in marks[:n_marks]]
        is_new = any(event.kind in CONNECTED for event in events)
        said = self._reader.between(self._reader.predictions, before.n_prediction, after.n_prediction)
        return Take(
            chunks=chunks,
            markers=[Marker(event.t_lsl, event.value) for event in marks[n_marks:]],
            t_taken=row.t_lsl,
            ops=ops,
            paused=self._paused,
            info=self._connected(after.n_chunks) if is_new else None,
            predictions=[one for one in said if one.why != "stream_lost"],
            windows=row.windows,
            skipped=row.skipped,
            failed=row.failed,
            unsure=unsure,
        )

    def _unsure(self, n_missing: int, chunks: list[StoredChunk], before: _Counts, after: _Counts) -> str:
        """Why it is not known what the decoder was given in front of this row."""
        has_lost, self._has_lost = self._has_lost, False
        n = sum(len(chunk.t_lsl) for chunk in chunks)
        if n_missing or has_lost:
            return "samples or messages were not recorded"
        if n != after.n_samples - before.n_samples:
            return f"the file has {n} of {after.n_samples - before.n_samples} samples here"
        n_said = len(self._reader.between(self._reader.predictions, before.n_prediction, after.n_prediction))
        if n_said != after.n_prediction - before.n_prediction:
            return "predictions are missing in the file"
        n_events = len(self._reader.events(before.n_event, after.n_event))
        if n_events != after.n_event - before.n_event:
            return "events are missing in the file"
        return ""

    def _connected(self, n_chunks: int) -> StreamInfo | None:
        """The connection that the newest chunk, or what only has markers, belongs to."""
        places = [place for place in self._infos if place <= max(0, n_chunks - 1)]
        return self._infos[max(places)] if places else None


def _n_chunks(row: Row) -> int:
    return 0 if isinstance(row, Taken) else row.n_chunks


def _messages(file: XdfFile, kind: type[M]) -> dict[int, M]:
    """All messages of a topic by their number; what is none is left out."""
    stream = file.named(topic_stream(kind.topic))
    found: dict[int, M] = {}
    for text in stream.texts if stream is not None else []:
        try:
            message = msgspec.json.decode(text, type=kind)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            continue
        found[message.seq] = message
    return found
