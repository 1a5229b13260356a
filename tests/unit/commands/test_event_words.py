"""What is said of an event is the same whoever tells it."""

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from rtbci.commands import record as record_module
from rtbci.commands.event_words import said_of
from rtbci.commands.status_line import StatusLine, StreamWords
from rtbci.config import RunConfig
from rtbci.publish.messages import Event
from rtbci.record.recorder import Written
from rtbci.runtime.news import News

NEWS = [
    News("recording_slow", "d", {"behind_s": 3.2, "waiting_mb": 0.52}),
    News("recording_failed", "d", {"reason": "No space left on device"}),
    News("recording_resumed", "d", {}),
    News("recording_lost", "d", {"n_samples": 5, "n_messages": 0}),
]
LINES = [
    "warning: the disk is slow, recording is behind: d (3 s, 0.5 MB; nothing is lost yet)",
    "NOT RECORDING, tried again every second: d (No space left on device)",
    "recording again: d",
    "warning: recording had to leave out samples: d (5 samples, 0 messages)",
]


def test_a_recording_says_what_a_run_says(monkeypatch: pytest.MonkeyPatch) -> None:
    written = Written(Path("d"), 0, 0, 0, 0, "")
    recorder = SimpleNamespace(news=lambda: NEWS, written=written, close=lambda: None)

    class Keeper:
        def __init__(self, *_: object) -> None:
            pass

        def keep(self, _stop: object, look: Any) -> None:
            look()

    monkeypatch.setattr(record_module, "_start", lambda _: recorder)
    monkeypatch.setattr(record_module, "StreamKeeper", Keeper)
    for name in ("say_recording", "say_recorded", "check_recorded"):
        monkeypatch.setattr(record_module, name, lambda *_: None)
    of_record, of_run = io.StringIO(), io.StringIO()
    record_module.record(RunConfig(), Console(file=of_record, width=1000))
    line = StatusLine(Console(file=of_run, width=1000))
    for one in NEWS:
        line.send(event_of(one))
    line.close()
    assert of_record.getvalue() == of_run.getvalue()
    assert of_run.getvalue().splitlines() == LINES == [said_of(*one) for one in NEWS]


def test_nothing_else_of_a_run_is_told_than_that_the_stream_is_gone_or_back() -> None:
    said: list[str] = []
    words = StreamWords(said.append)
    for one in (News("stream_lost", "amp", {}), NEWS[0], News("stream_recovered", "amp", {})):
        words.send(event_of(one))
    assert said == ["stream lost, looking for it: amp", "stream is back: amp"]


def event_of(news: News) -> Event:
    return Event(
        v=1,
        session="s",
        seq=0,
        t_sent=1.0,
        kind=news.kind,
        t_lsl=1.0,
        value=news.value,
        data=dict(news.data),
    )
