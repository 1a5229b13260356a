"""A live run that is recorded: on a source in memory, with a disk that fails."""

import errno
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from rtbci.config import RunConfig
from rtbci.publish.messages import Prediction
from rtbci.record.disk import SyncedFile
from rtbci.record.recorder import SessionRecorder
from rtbci.record.signal import chunks_of, main_stream
from rtbci.record.streams import topic_stream
from rtbci.record.xdf_format import SESSION_XDF
from rtbci.record.xdf_read import read_xdf_file
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.live import LiveRun
from rtbci.runtime.news import News
from rtbci.stream.source import Chunk, Marker
from tests.tiny import Kept, MemorySource, eeg, stream_info, write_paradigm
from tests.tiny import chunks_of as cut
from tests.unit.record.samples import START, record

PATIENCE_S = 20.0


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    paradigm = write_paradigm(tmp_path / "tiny")
    watch = {"max_backlog_s": 1e9, "stale_s": 50.0, "lost_s": 60.0}
    return RunConfig.model_validate({"paradigm": str(paradigm), "watch": watch})


def run(
    config: RunConfig,
    recorder: SessionRecorder,
    items: list[Chunk | Marker | Exception | Callable[[], object]],
) -> Kept:
    kept = Kept()
    source = MemorySource(stream_info(), items)
    with Decoder(config.paradigm) as decoder:
        recorder.start()
        LiveRun(config, decoder, lambda _: recorder.tap(source), [kept, recorder], news=recorder.news).run(
            threading.Event()
        )
    return kept


def test_everything_published_and_received_is_recorded(config: RunConfig, tmp_path: Path) -> None:
    data, t_lsl = eeg(1000), np.arange(1000) / 250.0
    recorder = SessionRecorder(tmp_path / "s", record(), START)
    kept = run(config, recorder, [*cut(data, t_lsl, 7), Marker(2.0, "T1"), *cut(data, t_lsl + 4.0, 9)])
    file = read_xdf_file(tmp_path / "s" / SESSION_XDF)
    signal = main_stream(file, "x")
    np.testing.assert_array_equal(signal.values, np.concatenate([data, data]))
    assert [len(chunk.t_lsl) for chunk in chunks_of(signal)][:3] == [7, 7, 7]
    for topic, messages in (("prediction", kept.predictions), ("status", kept.statuses)):
        stream = file.named(topic_stream(topic))
        assert stream is not None
        assert stream.texts == [msgspec.json.encode(one).decode() for one in messages]
    assert kept.statuses[-1].recording == str(tmp_path / "s")
    predictions = [one for one in kept.messages if isinstance(one, Prediction)]
    assert len(predictions) > 100
    markers = file.named("rtbci-markers")
    assert markers is not None
    assert (markers.texts, markers.t_s.tolist()) == (["T1"], [2.0])


def test_a_full_disk_is_an_event_and_stops_no_decision(config: RunConfig, tmp_path: Path) -> None:
    class Full(SyncedFile):
        def write(self, at: int, content: bytes) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    recorder = SessionRecorder(tmp_path / "s", record(), START, open_disk=Full)
    kept = run(config, recorder, list(cut(eeg(1000), np.arange(1000) / 250.0, 7)))
    (failed,) = kept.events("recording_failed")
    assert failed.data == {"reason": "No space left on device"}
    assert kept.statuses[-1].recording == ""
    assert sum(one.probs is not None for one in kept.predictions) > 50
    assert recorder.written.n_samples == 0
    assert recorder.written.n_samples_lost == 1000


def test_news_of_anybody_become_events(config: RunConfig) -> None:
    kept = Kept()
    news = [News("recording_slow", "folder", {"behind_s": 3.0})]

    def take() -> list[News]:
        taken = list(news)
        news.clear()
        return taken

    with Decoder(config.paradigm) as decoder:
        source = MemorySource(stream_info(), list(cut(eeg(500), np.arange(500) / 250.0, 7)))
        LiveRun(config, decoder, lambda _: source, [kept], news=take).run(threading.Event())
    (event,) = kept.events("recording_slow")
    assert (event.value, event.data) == ("folder", {"behind_s": 3.0})
    assert {one.recording for one in kept.statuses} == {None}  # nobody said that it is


def test_a_run_that_is_not_recorded_says_so(config: RunConfig) -> None:
    kept = Kept()
    unrecorded = config.model_copy(update={"record": config.record.model_copy(update={"enabled": False})})
    with Decoder(config.paradigm) as decoder:
        source = MemorySource(stream_info(), list(cut(eeg(500), np.arange(500) / 250.0, 7)))
        LiveRun(unrecorded, decoder, lambda _: source, [kept]).run(threading.Event())
    assert {one.recording for one in kept.statuses} == {""}
