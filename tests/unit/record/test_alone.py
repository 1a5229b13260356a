"""A stream that is recorded without a decoder."""

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rtbci import cli
from rtbci.config import RunConfig, StreamSettings, WatchSettings
from rtbci.errors import FileFormatError, StreamLostError, StreamNotFoundError
from rtbci.record.alone import StreamKeeper, describe_alone
from rtbci.record.recorder import SessionRecorder
from rtbci.record.resume import find_unfinished, open_unfinished
from rtbci.record.session_json import read_session_json, write_session_json
from rtbci.record.signal import main_stream, markers_of
from rtbci.record.xdf_read import read_xdf_file
from rtbci.report.session_facts import read_facts
from rtbci.report.session_words import words_of_session
from rtbci.stream.source import Chunk, Marker, Source, StreamInfo
from rtbci.verify.script import read_script
from tests.unit.record.samples import INFO, START

CONFIG = RunConfig(user="ada", watch=WatchSettings(stale_s=0.01, lost_s=0.02))


class Given(Source):
    """Gives one chunk with a marker, and then does what `then` does."""

    def __init__(self, i_first: int, then: Callable[[], None] = lambda: None) -> None:
        self._i_first, self._then = i_first, then
        self._is_given = False

    @property
    def info(self) -> StreamInfo:
        return INFO

    def open(self) -> None:
        pass

    def close(self) -> None:
        pass

    def pull(self, timeout_s: float) -> Chunk:
        if not self._is_given:
            self._is_given = True
            i = self._i_first + np.arange(50)
            return Chunk(np.repeat(i[:, None], 3, axis=1).astype(np.float64), 100.0 + i / INFO.rate_hz)
        self._then()
        threading.Event().wait(timeout_s)
        return Chunk(np.empty((0, 3)), np.empty(0))

    def pull_markers(self) -> list[Marker]:
        return [Marker(100.5, "cue")] if self._i_first == 50 else []


def gone() -> None:
    raise StreamLostError("gone")


def test_silence_and_loss_are_told_and_the_file_has_all(tmp_path: Path) -> None:
    stop = threading.Event()
    sources = [Given(0), Given(50, gone), Given(100)]
    asked: list[StreamInfo | None] = []
    told: list[str] = []
    folder = tmp_path / "20260101T000000Z-recording-ada"
    recorder = SessionRecorder(folder, describe_alone(CONFIG, START, 1.0), START)
    recorder.start()

    def make(lost: StreamInfo | None) -> Source:
        asked.append(lost)
        return recorder.tap(sources.pop(0))

    def tell(kind: str, _info: StreamInfo | None) -> None:
        told.append(kind)
        if kind == "stream_recovered":
            stop.set()

    StreamKeeper(CONFIG, make, tell).keep(stop, lambda: None)
    recorder.close()
    assert asked[0] is None
    assert asked[-1] == INFO
    assert told == [
        "stream_found",
        "stream_lost",
        "stream_recovered",
    ]  # lost by silence; the second was never there
    file = read_xdf_file(folder / "session.xdf")
    signal = main_stream(file, "session")
    np.testing.assert_array_equal(signal.values[:, 0], np.arange(150))
    assert "cue" in {marker.value for marker in markers_of(file)}
    record = read_session_json(folder)
    assert (record.paradigm, record.user, record.engines, record.profile) == ("", "ada", (), None)
    assert record.ended is not None
    assert record.ended.n_samples == 150


def test_no_stream_is_an_answer_at_the_start_unless_it_is_waited_for() -> None:
    stop = threading.Event()
    calls: list[StreamInfo | None] = []

    class Missing(Given):
        def open(self) -> None:
            if len(calls) > 1:
                stop.set()
            raise StreamNotFoundError("none")

    def make(lost: StreamInfo | None) -> Source:
        calls.append(lost)
        return Missing(0)

    with pytest.raises(StreamNotFoundError, match="none"):
        StreamKeeper(CONFIG, make, lambda _kind, _info: None).keep(stop, lambda: None)
    waits = CONFIG.model_copy(update={"stream": StreamSettings(wait=True)})
    StreamKeeper(waits, make, lambda _kind, _info: None).keep(stop, lambda: None)
    assert calls == [None, None]


def test_what_needs_a_decoder_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "20260101T000000Z-recording-ada"
    recorder = SessionRecorder(folder, describe_alone(CONFIG, START, 1.0), START)
    recorder.start()
    tapped = recorder.tap(Given(0))
    tapped.open()
    tapped.pull(0.0)
    recorder.close()
    with pytest.raises(FileFormatError, match="was recorded without a decoder"):
        read_script(folder)
    words = words_of_session(read_facts(folder), [])
    assert words["title"].startswith("ada, not decoded, 2026-01-02")
    record = read_session_json(folder)
    write_session_json(folder, describe_alone(CONFIG, START, record.t_start_lsl))  # as one that was cut short
    with pytest.raises(FileFormatError, match="none of 1 sessions was cut short"):
        find_unfinished(tmp_path)
    with pytest.raises(FileFormatError, match="without a decoder, need a session of `rtbci run` to go on"):
        open_unfinished(folder, 2.0)


def ended() -> None:
    raise EOFError


def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    configs: list[RunConfig] = []

    def factory(
        config: RunConfig, _tell: object, _tell_other: object
    ) -> Callable[[StreamInfo | None], Source]:
        configs.append(config)
        return lambda _lost: Given(0, ended)

    monkeypatch.setattr("rtbci.commands.record.lsl_factory", factory)
    given = ["--folder", str(tmp_path), "--user", "ada", "--stream", "cap", "--labels", "C3,C4,EOG"]
    monkeypatch.setattr("sys.argv", ["rtbci", "record", *given])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 0
    assert (configs[0].stream.name, configs[0].stream.labels) == ("cap", ("C3", "C4", "EOG"))
    (folder,) = tmp_path.iterdir()
    assert folder.name.endswith("-recording-ada")
    said = " ".join(capsys.readouterr().err.split())
    assert f"record: {folder}" in said
    assert "recorded 50 samples" in said
    assert read_session_json(folder).config["user"] == "ada"
