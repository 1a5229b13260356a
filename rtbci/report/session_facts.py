"""What a session's files say of it, gathered once for its report."""

import dataclasses
import hashlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from msgspec.structs import replace

from rtbci.errors import FileFormatError, MessageError, UnitError
from rtbci.publish.codec import decode
from rtbci.publish.messages import Event, Hello, Message, Prediction, Status
from rtbci.record.session_json import SessionRecord, read_session_json
from rtbci.record.sessions import xdf_of
from rtbci.record.signal import gaps_of, main_stream, markers_of, stream_info_of
from rtbci.record.streams import topic_stream
from rtbci.record.xdf_read import StreamData, XdfFile, is_text, mapped, surveyed_file, values_at
from rtbci.record.xdf_scan import Buffer, Damage, Survey, survey
from rtbci.report.other_clock import Segment, clocks_of, furthest, offset_of, offset_of_stamp, segments_of
from rtbci.runtime.build import stream_gains_uv
from rtbci.runtime.score import Score
from rtbci.stages.stage import FloatArray
from rtbci.stream.labels import canonical_label, is_eeg
from rtbci.stream.source import Marker, StreamInfo
from rtbci.stream.units import spread_uv

__all__ = ["Period", "SessionFacts", "SpreadMap", "messages_of", "read_facts"]

LOOK_S = 2.0
N_LOOKS = 240
"""The signal is looked at for `LOOK_S` at so many places at most, however long the session."""


class Period(NamedTuple):
    """A time in one state, in seconds of the LSL clock."""

    state: str
    t_start: float
    t_stop: float


class SpreadMap(NamedTuple):
    """How strong each channel was over time.

    Parameters
    ----------
    labels : tuple of str
        Canonical.
    t_s : ndarray of float64, shape (n_looks,)
        Stamps of the first sample of each look.
    spread_uv : ndarray of float64, shape (n_channels, n_looks)
        Robust standard deviation over two seconds; NaN where samples are not finite.
    """

    labels: tuple[str, ...]
    t_s: FloatArray
    spread_uv: FloatArray


@dataclass(frozen=True)
class SessionFacts:
    """Everything the report of a session is made from.

    Parameters
    ----------
    session : Path
        Folder or file.
    record : SessionRecord or None
        None where there is no description.
    why_no_record : str
        Why not.
    sha256, n_bytes : str, int
        Of the XDF file.
    damages : tuple of Damage
        What of it cannot be read.
    info : StreamInfo or None
        Of the signal; None where there is none.
    t_span : tuple of float
        First and last time in the file, in seconds of the LSL clock.
    n_samples : int
    gaps : tuple of (float, float)
        Stamp of the first sample behind each gap, and the seconds that are missing.
    markers : tuple of Marker
    statuses, predictions, events, hellos : tuples of messages
    periods : tuple of Period
    spread : SpreadMap or None
    score : Score
        Decisions against markers.
    clock_offset_s : float
        By how much the stream's stamps were ahead of the local clock, at most; 0: they were of the local clock. It is taken off the
        times here, where they were.
    foreign : frozenset of int
        Numbers of the predictions of which the stamps were of another clock: their ages mean nothing.
    """

    session: Path
    record: SessionRecord | None
    why_no_record: str
    sha256: str
    n_bytes: int
    damages: tuple[Damage, ...]
    info: StreamInfo | None
    t_span: tuple[float, float]
    n_samples: int
    gaps: tuple[tuple[float, float], ...]
    markers: tuple[Marker, ...]
    statuses: tuple[Status, ...]
    predictions: tuple[Prediction, ...]
    events: tuple[Event, ...]
    hellos: tuple[Hello, ...]
    periods: tuple[Period, ...]
    spread: SpreadMap | None
    score: Score
    clock_offset_s: float
    foreign: frozenset[int]

    @property
    def duration_s(self) -> float:
        """From the first time in the file to the last."""
        return self.t_span[1] - self.t_span[0]


def read_facts(session: Path) -> SessionFacts:
    """Read a session's folder, or an XDF file alone.

    Raises
    ------
    FileFormatError
        When the file is no XDF file, or holds neither signal nor messages.
    """
    path = xdf_of(session)
    with mapped(path) as data:
        found = survey(data, str(path))
        file = surveyed_file(data, found, found.damages, keep=is_text)
        looks = _looks(data, found, file, path)
    record, why = _record(session)
    messages = {kind: messages_of(file, kind.topic) for kind in (Status, Prediction, Event, Hello)}
    events = tuple(one for one in messages[Event] if isinstance(one, Event))
    score = _score(messages[Prediction], messages[Event])
    predictions = [one for one in messages[Prediction] if isinstance(one, Prediction)]
    signal, clocks = _signal(file, path), clocks_of(events)
    offsets_s = [offset_of(one, clocks) for one in predictions]
    gaps = [] if signal is None else gaps_of(signal)
    segments = (
        [] if signal is None else segments_of(signal.t_s, gaps, clocks, (offsets_s or [furthest(clocks)])[0])
    )
    if signal is not None:
        signal = dataclasses.replace(signal, t_s=_corrected(signal.t_s, segments))
    if signal is None and not any(messages.values()):
        raise FileFormatError(f"{path}: holds neither a signal nor messages of rtbci, need one of them")
    statuses = tuple(one for one in messages[Status] if isinstance(one, Status))
    info = None if signal is None else stream_info_of(signal)
    t_span = _span(signal, [one for kept in messages.values() for one in kept])
    with path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return SessionFacts(
        session=session,
        record=record,
        why_no_record=why,
        sha256=digest,
        n_bytes=path.stat().st_size,
        damages=file.damages,
        info=info,
        t_span=t_span,
        n_samples=0 if signal is None else len(signal.t_s),
        gaps=() if signal is None else tuple((float(signal.t_s[i]), gap_s) for i, gap_s in gaps),
        markers=tuple(
            one._replace(t_lsl=one.t_lsl - offset_of_stamp(one.t_lsl, segments)) for one in markers_of(file)
        ),
        statuses=statuses,
        predictions=tuple(map(_local, predictions, offsets_s)),
        events=tuple(replace(one, t_lsl=one.t_sent) if len(clocks) > 1 else one for one in events),
        hellos=tuple(one for one in messages[Hello] if isinstance(one, Hello)),
        periods=_periods(statuses, t_span[1]),
        spread=None
        if info is None or looks is None or signal is None
        else _spread(looks, signal.t_s[looks.starts], info, record),
        score=score,
        clock_offset_s=furthest(clocks),
        foreign=frozenset(one.seq for one, offset_s in zip(predictions, offsets_s, strict=True) if offset_s),
    )


def _corrected(t_s: FloatArray, segments: list[Segment]) -> FloatArray:
    """Stamps of the local clock; a new array."""
    offsets_s = [one.offset_s for one in segments]
    return np.asarray(t_s - np.repeat(offsets_s, [one.stop - one.start for one in segments]))


def _local(one: Prediction, offset_s: float) -> Prediction:
    return (
        replace(one, t_window=(one.t_window[0] - offset_s, one.t_window[1] - offset_s)) if offset_s else one
    )


def _record(session: Path) -> tuple[SessionRecord | None, str]:
    if not session.is_dir():
        return None, "it was read from a file alone"
    try:
        return read_session_json(session), ""
    except FileFormatError as error:
        return None, str(error)


def _signal(file: XdfFile, path: Path) -> StreamData | None:
    with suppress(FileFormatError):
        return main_stream(file, str(path))
    return None


def messages_of(file: XdfFile, topic: str) -> list[Message]:
    """Messages of a topic that can be read, as they were published."""
    kept = file.named(topic_stream(topic))
    found: list[Message] = []
    for text in kept.texts if kept is not None and kept.stream.format == "string" else []:
        with suppress(MessageError):  # a stream of that name of somebody else's, or of a later version
            found.append(decode(topic, text.encode()))
    return found


def _span(signal: StreamData | None, messages: list[Message]) -> tuple[float, float]:
    times = [one.t_sent for one in messages]
    if signal is not None:
        times += [float(signal.t_s[0]), float(signal.t_s[-1])]
    return min(times), max(times)


def _periods(statuses: tuple[Status, ...], t_end: float) -> tuple[Period, ...]:
    """States as the statuses tell them; the last one lasts to the end of the file."""
    found: list[Period] = []
    for one in statuses:
        state = "paused" if one.paused and one.state != "stopped" else one.state
        if found and found[-1].state == state:
            continue
        if found:
            found[-1] = found[-1]._replace(t_stop=one.t_sent)
        found.append(Period(state, one.t_sent, one.t_sent))
    if found:
        found[-1] = found[-1]._replace(t_stop=max(t_end, found[-1].t_start))
    return tuple(found)


def _score(predictions: list[Message], events: list[Message]) -> Score:
    """Judge as `rtbci demo` does while it runs: by the messages, in the order in which they were sent."""
    score = Score()
    for message in sorted([*predictions, *events], key=lambda one: one.t_sent):
        score.send(message)
    return score


class _Looks(NamedTuple):
    """Pieces of the signal, in the stream's unit, and the index of the first sample of each."""

    starts: npt.NDArray[np.intp]
    values: list[npt.NDArray[np.generic]]


def _looks(data: Buffer, found: Survey, file: XdfFile, path: Path) -> _Looks | None:
    """The pieces that are looked at, read alone: a session of hours has gigabytes of samples."""
    if (signal := _signal(file, path)) is None:
        return None
    n_look = max(8, round(LOOK_S * signal.stream.rate_hz))
    n_places = min(N_LOOKS, len(signal.t_s) // n_look)
    if not n_places:
        return None
    starts = np.linspace(0, len(signal.t_s) - n_look, n_places).astype(np.intp)
    return _Looks(starts, values_at(data, found, signal.stream, starts.tolist(), n_look))


def _spread(looks: _Looks, t_s: FloatArray, info: StreamInfo, record: SessionRecord | None) -> SpreadMap:
    columns = [i for i, channel in enumerate(info.channels) if is_eeg(channel)] or list(
        range(info.n_channels)
    )
    gains = _gains_uv(info, record)[columns]
    spread = np.empty((len(columns), len(looks.values)))
    for k, values in enumerate(looks.values):
        look_uv = values[:, columns].astype(np.float64) * gains
        look_uv[~np.isfinite(look_uv)] = np.nan  # infinite ones warn in every sum
        spread[:, k] = spread_uv(look_uv)
    labels = tuple(canonical_label(info.labels[i]) for i in columns)
    return SpreadMap(labels, t_s, spread)


def _gains_uv(info: StreamInfo, record: SessionRecord | None) -> FloatArray:
    stream = (record.config if record is not None else {}).get("stream", {})
    unit = stream.get("unit", "") if isinstance(stream, dict) else ""
    try:
        return stream_gains_uv(info, str(unit))
    except UnitError:  # a setting of a later version
        return stream_gains_uv(info)
