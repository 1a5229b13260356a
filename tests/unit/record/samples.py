"""Sessions in memory and on disk for tests of recording."""

import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rtbci.publish.messages import (
    DecisionSettings,
    EngineRef,
    Event,
    Hello,
    Message,
    Prediction,
    ProfileRef,
    Quality,
    Rates,
    Trace,
)
from rtbci.record.items import Item, Opened
from rtbci.record.recorder import SessionRecorder
from rtbci.record.session_json import SessionRecord
from rtbci.record.streams import SessionStreams
from rtbci.stream.source import Channel, Chunk, FloatArray, Marker, StreamInfo

__all__ = [
    "INFO",
    "START",
    "Made",
    "event",
    "have_written",
    "hello",
    "make_session",
    "prediction",
    "record",
    "write_session",
]

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
INFO = StreamInfo(
    "amp",
    "amp-1",
    250.0,
    (Channel("Fc5.", "microvolts"), Channel('C"3 <&>', "uV"), Channel("EOG", "uV", "EOG")),
    manufacturer="ümlaut & sons",
    reference="A1",
)
CLASSES = ("left_hand", "right_hand")
PROFILE = ProfileRef(user="ada", id="p", generation=1)
ENGINE = EngineRef(name="tiny", id="e")


class Made(NamedTuple):
    """The bytes of a session, and what is in it."""

    content: bytes
    data: FloatArray
    t_lsl: FloatArray
    sizes: list[int]
    ends: list[int]
    """Length of the file after each batch."""
    counts: list[int]
    """Samples of the signal in the file after each batch."""


def hello(seq: int = 0) -> Hello:
    return Hello(
        v=1,
        session="s-1",
        seq=seq,
        t_sent=1.0,
        rtbci="0",
        paradigm="tiny",
        classes=CLASSES,
        rates_hz=Rates(stream=250.0, decoder=128.0, prediction=16.0),
        window_s=0.5,
        hop_s=0.0625,
        delay_s=0.0,
        engine=ENGINE,
        profile=PROFILE,
        decision=DecisionSettings(threshold=0.5, dwell_s=0.0, refractory_s=0.0, smoothing_s=0.0),
    )


def prediction(seq: int, t_end: float, *, decided: bool = True) -> Prediction:
    return Prediction(
        v=1,
        session="s-1",
        seq=seq,
        t_sent=t_end + 0.01,
        classes=CLASSES,
        probs=(0.75, 0.25),
        label=CLASSES[0],
        decision=CLASSES[0] if decided else None,
        why=None if decided else "below_threshold",
        t_window=(t_end - 0.5, t_end),
        age_ms=10.0,
        trace_ms=Trace(wait=1.0, filter=1.0, encode=1.0, probe=1.0, send=6.0),
        quality=Quality(score=1.0),
        profile=PROFILE,
        engine=ENGINE,
    )


def event(seq: int, kind: str, t_lsl: float, value: str = "") -> Event:
    return Event(v=1, session="s-1", seq=seq, t_sent=t_lsl, kind=kind, t_lsl=t_lsl, value=value)


def record(**changes: object) -> SessionRecord:
    fields: dict[str, object] = {
        "started_utc": START.isoformat(),
        "t_start_lsl": 10.0,
        "paradigm": "tiny",
        "recipe_sha256": "0" * 64,
        "user": "ada",
        "config": {},
        "engines": (),
        "profile": None,
        "versions": {},
    }
    return SessionRecord(**(fields | changes))  # type: ignore[arg-type]


def make_session(n_batches: int = 8, seed: int = 0, gap: bool = False) -> Made:
    """A session of 20 to 60 samples a batch, in chunks of any size, with markers and messages; complete."""
    rng = np.random.default_rng(seed)
    streams = SessionStreams(START, clock=lambda: 20.0)
    content, sizes, ends, counts = streams.encode(()), [], [], []
    data: list[FloatArray] = []
    stamps: list[FloatArray] = []
    n = 0
    for i in range(n_batches):
        items: list[Item] = [Opened(INFO, ""), hello()] if i == 0 else []
        for _ in range(int(rng.integers(3, 7))):
            size = int(rng.integers(1, 15))
            t_lsl = (
                100.0 + np.arange(n, n + size) / INFO.rate_hz + (3.0 if gap and i >= n_batches // 2 else 0.0)
            )
            data.append(rng.normal(size=(size, INFO.n_channels)) * 20.0)
            stamps.append(t_lsl)
            sizes.append(size)
            items.append(Chunk(data[-1], t_lsl))
            n += size
        t_end = float(stamps[-1][-1])
        messages: list[Message] = [prediction(i, t_end), event(i, "decision", t_end, CLASSES[0])]
        items += [Marker(t_end - 0.01, f"cue-{i}"), *messages]
        content += streams.encode(items)
        ends.append(len(content))
        counts.append(n)
    content += streams.end()
    return Made(content, np.concatenate(data), np.concatenate(stamps), sizes, ends, counts)


def write_session(folder: Path, made: Made | None = None, *, cut: int | None = None) -> Path:
    """Write a session's folder, its file cut after so many bytes; return the folder."""
    from rtbci.record.session_json import write_session_json

    folder.mkdir(parents=True)
    content = (made or make_session()).content
    (folder / "session.xdf").write_bytes(content[:cut])
    write_session_json(folder, record())
    return folder


def have_written(recorder: SessionRecorder) -> None:
    """Wait until all so far is in the file.

    Simulated time runs ahead of the writer's thread, most where that gets no processor; then all is one batch, which has all
    samples before the first message.
    """
    t_due = time.monotonic() + 60.0
    while recorder._n_queued:
        assert time.monotonic() < t_due, "the recorder's thread does not write"
        recorder._wake.set()
        threading.Event().wait(0.002)
