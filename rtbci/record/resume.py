"""A session that was cut short is gone on with, in the same file."""

import zlib
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from rtbci.clock import boot_id
from rtbci.errors import FileFormatError
from rtbci.publish.messages import MESSAGE_TYPES, Hello, ProfileRef
from rtbci.publish.outbox import Numbers
from rtbci.record.disk import ResumedFile
from rtbci.record.journal import JOURNAL_NAME, Begun, Row, StreamOpened, read_row
from rtbci.record.repair import repair_xdf
from rtbci.record.session_json import SessionRecord, read_session_json
from rtbci.record.sessions import list_sessions, xdf_of
from rtbci.record.signal import stream_info_of
from rtbci.record.streams import PROBS_NAME, SoFar, signal_key, topic_stream
from rtbci.record.xdf_format import Tag
from rtbci.record.xdf_headers import Footer
from rtbci.record.xdf_read import StreamData, XdfFile, is_text, mapped, part_of, surveyed_file
from rtbci.record.xdf_scan import Buffer, Survey, Tell, survey
from rtbci.runtime.journal import TOPICS, Taken

__all__ = ["Unfinished", "find_unfinished", "open_unfinished"]


class Unfinished(NamedTuple):
    """A session that is gone on with.

    Parameters
    ----------
    folder : Path
    record : SessionRecord
        As it was.
    disk : ResumedFile
        Its file, locked, cut behind what is sound.
    so_far : SoFar
        What the file holds.
    numbers : Numbers
        Where its messages go on.
    profile : ProfileRef
        What decoded last.
    gap_s : float
        Since its newest sample came, until now.
    """

    folder: Path
    record: SessionRecord
    disk: ResumedFile
    so_far: SoFar
    numbers: Numbers
    profile: ProfileRef
    gap_s: float


def find_unfinished(root: Path) -> Path:
    """The newest session below a folder that was cut short.

    Of those since this computer was started the LSL clock knows: the calendar, which names folders, may have been set back.

    Raises
    ------
    FileFormatError
        When there is none.
    """
    kept = list_sessions(root)
    unfinished = [
        (one.record, one.folder)
        for one in kept
        if one.record is not None and one.record.ended is None and one.record.paradigm
    ]
    if not unfinished:
        raise FileFormatError(
            f"{root}: none of {len(kept)} sessions was cut short, need one to go on with; `rtbci run` begins a new one"
        )
    here = boot_id()
    since_boot = [one for one in unfinished if here and one[0].boot_id == here]
    newest = max(since_boot, key=lambda one: one[0].t_start_lsl) if since_boot else unfinished[-1]
    return newest[1]


def open_unfinished(folder: Path, t_now: float, tell: Tell | None = None) -> Unfinished:
    """Lock a session's file and find out where to go on.

    A tail that was cut is left out; with other damage the file is repaired first, and the damaged one kept.

    Parameters
    ----------
    folder : Path
        The session's.
    t_now : float
        Seconds of the local LSL clock.
    tell : callable, optional
        Is told which share of the work is done: the whole file is looked at twice.

    Raises
    ------
    FileFormatError
        When it has ended properly, is being recorded, was not decoded, has no journal, holds no sample, or is of a time that cannot be
        compared with now.
    """
    record = read_session_json(folder)
    if record.ended is not None:
        raise FileFormatError(
            f"{folder}: has ended properly, need a session that was cut short; `rtbci run` begins a new one"
        )
    if not record.paradigm:
        raise FileFormatError(
            f"{folder}: was recorded without a decoder, need a session of `rtbci run` to go on with; `rtbci record` begins a "
            "new one"
        )
    path = xdf_of(folder)
    disk = ResumedFile(path)
    try:
        n_bytes = _end_of_sound(path, part_of(tell, 0.0, 0.4))
        if n_bytes is None:
            disk.close()
            repair_xdf(path)
            disk = ResumedFile(path)
            n_bytes = _end_of_sound(path)
        disk.cut(n_bytes or 0)
        return _unfinished(folder, record, disk, t_now, part_of(tell, 0.4, 1.0))
    except BaseException:
        disk.close()
        raise


def _end_of_sound(path: Path, tell: Tell | None = None) -> int | None:
    """Where to go on: behind the last sound chunk that is no footer; None where anything but the very end is damaged."""
    with mapped(path) as data:
        found = survey(data, str(path), any_magic=True, tell=tell)
        if any(one.stop < len(data) for one in found.damages):
            return None
        stop = 0
        for piece in found.pieces:
            if piece.tag == Tag.STREAM_FOOTER:
                break
            stop = piece.stop
        return stop


def _unfinished(
    folder: Path, record: SessionRecord, disk: ResumedFile, t_now: float, tell: Tell | None
) -> Unfinished:
    path = xdf_of(folder)
    with mapped(path) as data:
        found = survey(data, str(path), tell=part_of(tell, 0.0, 0.6))
        file = surveyed_file(data, found, found.damages, part_of(tell, 0.6, 1.0), is_text)
    rows = _rows(file, folder)
    opened = _opened_streams(file, rows)
    if not any(len(one.t_s) for one in opened):
        raise FileFormatError(
            f"{folder}: holds no sample, there is nothing to go on with; begin a new session"
        )
    newest = _t_received(opened, rows)
    # A clock that began again may have come further by now than it was then.
    is_other_boot = bool(record.boot_id) and boot_id() not in ("", record.boot_id)
    if t_now < newest or is_other_boot:
        raise FileFormatError(
            f"{folder}: its newest sample came at {newest:.1f} s, the LSL clock says {t_now:.1f} s: this computer has been "
            "started anew, or it is another one, and times cannot be compared; begin a new session (`rtbci run --profile "
            f"{folder / 'profiles'}/...` with the same profile)"
        )
    hello, gap_s = _newest_hello(file, folder), t_now - newest
    # What was sent in the last moments may not be in the file: no number is given twice.
    skip = int(gap_s / hello.hop_s) + 1
    numbers = {topic: n + skip for topic, n in _next_numbers(file, rows).items()}
    with mapped(path) as data:
        so_far = _so_far(data, found, file, opened, hello, numbers)
    return Unfinished(folder, record, disk, so_far, Numbers(hello.session, numbers), hello.profile, gap_s)


def _rows(file: XdfFile, folder: Path) -> list[Row]:
    journal = file.named(JOURNAL_NAME)
    if journal is None:
        raise FileFormatError(
            f"{folder}: has no stream '{JOURNAL_NAME}', need one to go on; it was recorded by an earlier version, begin a "
            "new session"
        )
    return [row for text in journal.texts if (row := read_row(text)) is not None]


def _opened_streams(file: XdfFile, rows: list[Row]) -> list[StreamData]:
    ids = {row.stream_id for row in rows if isinstance(row, StreamOpened)}
    return [one for one in file.streams if one.stream.stream_id in ids]


def _t_received(opened: list[StreamData], rows: list[Row]) -> float:
    """When the newest sample came, by this computer's clock; its stamp may be of another one."""
    taken = [row.t_lsl for row in rows if isinstance(row, Taken)]
    return max(taken or [float(one.t_s[-1]) for one in opened if len(one.t_s)])


def _newest_hello(file: XdfFile, folder: Path) -> Hello:
    stream = file.named(topic_stream(Hello.topic))
    for text in reversed(stream.texts if stream is not None else []):
        with suppress(msgspec.MsgspecError, ValueError):
            return msgspec.json.decode(text, type=Hello)
    raise FileFormatError(f"{folder}: holds no hello, there is nothing to go on with; begin a new session")


def _next_numbers(file: XdfFile, rows: list[Row]) -> dict[str, int]:
    """The next number of each topic, by its messages and by what rows say of messages that are not in the file."""
    told = [row.n_sent for row in rows if isinstance(row, Taken | Begun)]
    numbers: dict[str, int] = {}
    if told:
        numbers |= dict(zip(TOPICS, map(max, zip(*told, strict=True)), strict=True))
    for topic in MESSAGE_TYPES:
        stream = file.named(topic_stream(topic))
        seqs = [_seq(text) for text in (stream.texts if stream is not None else [])]
        numbers[topic] = max(numbers.get(topic, 0), 1 + max(seqs, default=-1))
    return numbers


class _Numbered(msgspec.Struct):
    seq: int


def _seq(text: str) -> int:
    """Number of a message; -1 of what is none."""
    try:
        return msgspec.json.decode(text, type=_Numbered).seq
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return -1


def _so_far(
    data: Buffer,
    found: Survey,
    file: XdfFile,
    opened: list[StreamData],
    hello: Hello,
    numbers: Mapping[str, int],
) -> SoFar:
    probs = [one for one in file.streams if one.stream.name == PROBS_NAME]
    classes = tuple(channel.label for channel in probs[-1].channels[:-1]) if probs else ()
    n_bytes = len(data)
    prediction, event, status = (numbers[topic] for topic in TOPICS)
    n_chunks = Counter(piece.stream_id for piece in found.pieces if piece.tag == Tag.SAMPLES)
    return SoFar(
        streams=tuple((one.stream, _footer(one)) for one in file.streams),
        signals={signal_key(stream_info_of(one), one.stream.format): one.stream.stream_id for one in opened},
        opened=tuple(one.stream.name for one in opened),
        classes=classes,
        n_bytes=n_bytes,
        n_vouched=found.n_vouched,
        crc=zlib.crc32(data[found.n_vouched : n_bytes]),
        n_chunks=sum(n_chunks[one.stream.stream_id] for one in opened),
        n_samples=sum(len(one.t_s) for one in opened),
        session=hello.session,
        n_sent=(prediction, event, status),
    )


def _footer(data: StreamData) -> Footer:
    t_s = data.t_s
    return Footer(float(t_s[0]), float(t_s[-1]), len(t_s)) if len(t_s) else Footer(None, None, 0)
