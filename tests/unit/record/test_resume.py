"""A session that was cut short goes on: in the same file, which stays whole, and is decoded again."""

import json
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import pyxdf

from rtbci.cli import app
from rtbci.commands.recording import start_recorder
from rtbci.commands.resuming import NEWEST, config_to_go_on, profile_to_go_on
from rtbci.config import RunConfig
from rtbci.errors import ConfigError, FileFormatError
from rtbci.publish.messages import MESSAGE_TYPES
from rtbci.publish.sink import Sink
from rtbci.recipes import read_paradigm
from rtbci.record import xdf_scan
from rtbci.record.disk import ResumedFile
from rtbci.record.kept_profiles import ProfileKeeper
from rtbci.record.recorder import SessionRecorder
from rtbci.record.repair import repair_xdf
from rtbci.record.resume import find_unfinished, open_unfinished
from rtbci.record.session_json import JSON_NAME, read_session_json
from rtbci.record.signal import main_stream
from rtbci.record.streams import topic_stream
from rtbci.record.xdf_format import SESSION_XDF
from rtbci.record.xdf_read import read_xdf_file
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.journal import Journal
from rtbci.runtime.live import LiveRun
from rtbci.runtime.profile_watch import ProfileWatch
from rtbci.stream.simulated_time import SimulatedClock
from rtbci.stream.source import Chunk, Marker
from rtbci.verify.verify import verify
from tests.tiny import Kept, MemorySource, chunks_of, eeg, stream_info, write_paradigm, write_tiny_profile
from tests.unit.record.samples import have_written

GAP_S = 6.0


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    return RunConfig.model_validate(
        {
            "paradigm": str(write_paradigm(tmp_path / "tiny")),
            "watch": {"max_backlog_s": 1e9, "stale_s": 50.0, "lost_s": 60.0},
            "record": {"folder": str(tmp_path / "sessions")},
        }
    )


def samples(t0: float, seed: int = 0, seconds: float = 4.0) -> list[Chunk]:
    data = eeg(round(250 * seconds), seed=seed)
    return list(chunks_of(data, t0 + np.arange(len(data)) / 250.0, 7))


def with_pauses(items: Sequence[Chunk | Marker], recorder: SessionRecorder) -> Iterator[Any]:
    """Let everything so far be written five times a second of the samples, as in real time."""
    for i, item in enumerate(items):
        if i % 7 == 6:
            yield partial(have_written, recorder)
        yield item


class OneProfile(ProfileWatch):
    """Tells of one profile when it is asked to."""

    def __init__(self, folder: Path | None) -> None:
        self.user, self._folder, self._due = "ada", folder, threading.Event()

    def poll(self) -> Path | None:
        if not self._due.is_set():
            return None
        self._due.clear()
        return self._folder

    def come(self, kept: Kept, clock: SimulatedClock) -> None:
        """Let it be used; returns when it is, and no sample comes in between."""
        self._due.set()
        t_due = time.monotonic() + 20.0
        while not kept.events("profile_swapped") and time.monotonic() < t_due:
            threading.Event().wait(0.01)
            clock.t_lsl += 0.02  # time goes on without samples


def run(
    config: RunConfig,
    items: Sequence[Chunk | Marker],
    folder: Path | None = None,
    profile: Path | None = None,
    in_time: bool = True,
    swap: Path | None = None,
    ahead_s: float = 0.0,
) -> Kept:
    """A whole run, or one that goes on; its clock is that of the samples, or `ahead_s` behind them."""
    kept = Kept()
    t_now = max(float(one.t_lsl[0]) for one in items if isinstance(one, Chunk)) - ahead_s
    clock = SimulatedClock(min(float(one.t_lsl[0]) for one in items if isinstance(one, Chunk)) - ahead_s)
    unfinished = None if folder is None else open_unfinished(folder, t_now)
    start: Any = profile
    if unfinished is not None:
        start = profile_to_go_on(unfinished, read_paradigm(config.paradigm))
    with Decoder(config.paradigm, profile=start) as decoder:
        recorder = start_recorder(config, decoder, unfinished)
        journal = Journal(decoder, recorder.take, unfinished.numbers if unfinished else None)
        sinks: list[Sink] = [kept, ProfileKeeper(decoder, recorder), recorder]
        what: list[Any] = []
        for item in with_pauses(items, recorder) if in_time else items:
            if isinstance(item, Chunk):
                what.append(partial(clock.sleep_until, float(item.t_lsl[-1]) - ahead_s))
            what.append(item)
        watch = OneProfile(swap)
        if swap is not None:
            what.append(lambda: watch.come(kept, clock))
        source = MemorySource(stream_info(), what)
        LiveRun(
            config,
            decoder,
            lambda _: recorder.tap(source),
            sinks,
            news=recorder.news,
            journal=journal,
            watch=watch,
            clock=clock,
        ).run(threading.Event())
    if unfinished is not None:
        unfinished.disk.close()
    return kept


def cut_short(config: RunConfig, n_bytes: int = 0) -> Path:
    """Let the newest session be as a kill leaves it: without its end."""
    folder = max(Path(config.record.folder).iterdir())
    path = folder / SESSION_XDF
    content = path.read_bytes()
    from rtbci.record.xdf_scan import survey

    end = next(piece.start for piece in survey(content, "x").pieces if piece.tag == 6)
    path.write_bytes(content[: end - n_bytes])
    text = json.loads((folder / JSON_NAME).read_text())
    (folder / JSON_NAME).write_text(json.dumps({**text, "ended": None}))
    return folder


@pytest.mark.parametrize("n_bytes", [5, 3000])
def test_it_goes_on_where_it_ended(config: RunConfig, tmp_path: Path, n_bytes: int) -> None:
    profile = write_tiny_profile(tmp_path / "ada", Path(config.paradigm))
    first = run(config, [*samples(100.0), Marker(102.0, "T1")], profile=profile)
    folder = cut_short(config, n_bytes)
    shutil.rmtree(profile)
    before = main_stream(read_xdf_file(folder / SESSION_XDF), "x")
    second = run(config, samples(104.0 + GAP_S, seed=1), folder)
    path = folder / SESSION_XDF
    file = read_xdf_file(path)
    assert not file.damages
    signal = main_stream(file, "x")
    assert len(signal.t_s) == len(before.t_s) + 1000
    np.testing.assert_array_equal(signal.values[: len(before.t_s)], before.values)
    # One session: its id, its numbers, its profile.
    assert {one.session for one in second.messages} == {first.messages[0].session}
    assert {one.profile for one in second.predictions} == {first.predictions[0].profile}
    for topic in MESSAGE_TYPES:
        stream = file.named(topic_stream(topic))
        assert stream is not None
        numbers = [json.loads(text)["seq"] for text in stream.texts]
        assert numbers == sorted(set(numbers))
    (event,) = second.events("resumed")
    assert event.value == str(folder)
    assert isinstance(event.data["gap_s"], float)
    assert GAP_S <= event.data["gap_s"] <= GAP_S + 5.0
    # Nothing that was sent in the last moments has a number twice.
    assert second.predictions[0].seq > first.predictions[-1].seq
    # Other programs read it.
    streams, _ = pyxdf.load_xdf(str(path), dejitter_timestamps=False)
    (theirs,) = [one for one in streams if one["info"]["type"] == ["EEG"]]
    np.testing.assert_array_equal(theirs["time_series"], signal.values)
    assert all(one["footer"]["info"]["sample_count"] == [str(len(one["time_stamps"]))] for one in streams)
    record = read_session_json(folder)
    assert record.ended is not None
    assert record.ended.n_samples == len(signal.t_s)
    assert len(record.resumed) == 1
    found = verify(folder)
    assert (found.verdict, found.n_runs, found.first) == ("identical", 2, None)
    assert found.n_compared > 100


@pytest.mark.parametrize("ahead_s", [1.7e9, -900.0])
def test_stamps_of_another_clock_do_not_say_when_it_ended(config: RunConfig, ahead_s: float) -> None:
    """An amplifier that stamps with Unix time, or with the time since it was switched on."""
    run(config, samples(1000.0 + ahead_s), ahead_s=ahead_s)
    folder = cut_short(config)
    second = run(config, samples(1004.0 + GAP_S + ahead_s, seed=1), folder, ahead_s=ahead_s)
    (event,) = second.events("resumed")
    assert isinstance(event.data["gap_s"], float)
    assert GAP_S <= event.data["gap_s"] <= GAP_S + 5.0
    found = verify(folder)
    assert (found.verdict, found.n_runs, found.first) == ("identical", 2, None)


def test_how_far_it_is_read_and_decoded_again_is_told(
    config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(config, samples(100.0))
    folder = cut_short(config)
    monkeypatch.setattr(xdf_scan, "TOLD_BYTES", 5000)
    n_surveys = 0

    def counted(*args: Any, **more: Any) -> Any:
        nonlocal n_surveys
        n_surveys += 1
        return xdf_scan.survey(*args, **more)

    monkeypatch.setattr("rtbci.record.resume.survey", counted)
    told: list[float] = []
    open_unfinished(folder, 200.0, told.append).disk.close()
    assert n_surveys == 2  # a long session is gone through for minutes
    assert told == sorted(told)
    assert 0.0 < told[0] < 0.2
    assert 0.8 <= told[-1] <= 1.0
    assert len(told) > 10
    monkeypatch.setattr("rtbci.verify.verify.TOLD_TAKES", 10)
    done: dict[str, list[float]] = {}
    verify(folder, tell=lambda what, share: done.setdefault(what, []).append(share))
    assert list(done) == ["reading what was recorded", "decoding it again"]
    for shares in done.values():
        assert shares == sorted(shares)
        assert 0.8 <= shares[-1] <= 1.0


def test_with_damage_inside_it_is_repaired_first(config: RunConfig) -> None:
    run(config, samples(100.0))
    folder = cut_short(config)
    path = folder / SESSION_XDF
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 8
    path.write_bytes(bytes(content))
    run(config, samples(110.0, seed=1), folder)
    assert (folder / "session.damaged.xdf").read_bytes() == content
    assert not read_xdf_file(path).damages
    found = verify(folder)
    assert found.verdict == "identical"
    assert found.n_unsure > 0
    assert "samples here" in " ".join(found.notes) or "missing" in " ".join(found.notes)


@pytest.mark.parametrize("in_time", [True, False])
def test_a_repaired_one_goes_on_twice(config: RunConfig, in_time: bool) -> None:
    """Also where one write had everything, and rows are there whose messages are not."""
    run(config, samples(100.0), in_time=in_time)
    folder = cut_short(config, 700)
    repair_xdf(folder / SESSION_XDF)
    run(config, samples(110.0, seed=1), folder, in_time=in_time)
    cut_short(config, 700)
    run(config, samples(120.0, seed=2), folder, in_time=in_time)
    found = verify(folder)
    assert (found.verdict, found.n_runs) == ("identical", 3)
    assert len(read_session_json(folder).resumed) == 2


def test_a_profile_that_came_after_the_last_sample_goes_on(config: RunConfig, tmp_path: Path) -> None:
    """It was put in use while nothing came, and then the process was killed."""
    profile = tmp_path / "profiles" / "ada" / "0001"
    write_tiny_profile(profile, Path(config.paradigm))
    run(config, samples(100.0), swap=profile)
    folder = cut_short(config)
    second = run(config, samples(110.0, seed=1), folder)
    assert {one.profile.user for one in second.predictions} == {"ada"}
    found = verify(folder)
    assert (found.verdict, found.n_runs, found.n_swaps) == ("identical", 2, 1)


def test_two_at_once(config: RunConfig) -> None:
    run(config, samples(100.0))
    folder = cut_short(config)
    one = ResumedFile(folder / SESSION_XDF)
    with pytest.raises(FileFormatError, match="is being recorded by another process"):
        open_unfinished(folder, 200.0)
    one.close()
    open_unfinished(folder, 200.0).disk.close()


def test_the_newest_is_the_newest_also_when_the_calendar_was_set_back(config: RunConfig) -> None:
    run(config, samples(100.0))
    folder = cut_short(config)
    set_back = folder.with_name("19700101T000000Z-tiny-anonymous")
    shutil.copytree(folder, set_back)
    record = read_session_json(folder)
    later = msgspec.structs.replace(record, t_start_lsl=record.t_start_lsl + 60.0)
    (set_back / JSON_NAME).write_bytes(msgspec.json.encode(later))
    assert find_unfinished(folder.parent) == set_back
    elsewhere = msgspec.structs.replace(later, boot_id="another")
    (set_back / JSON_NAME).write_bytes(msgspec.json.encode(elsewhere))
    assert find_unfinished(folder.parent) == folder


def test_what_cannot_go_on(config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(config, samples(100.0))
    root = Path(config.record.folder)
    (folder,) = root.iterdir()
    with pytest.raises(FileFormatError, match="has ended properly, need a session that was cut short"):
        open_unfinished(folder, 200.0)
    with pytest.raises(FileFormatError, match="none of 1 sessions was cut short"):
        find_unfinished(root)
    cut_short(config)
    assert find_unfinished(root) == folder
    with pytest.raises(FileFormatError, match="this computer has been started anew"):
        open_unfinished(folder, 50.0)
    with monkeypatch.context() as other_boot:
        # The clock began again, and is further by now than it was then.
        other_boot.setattr("rtbci.record.resume.boot_id", lambda: "another")
        with pytest.raises(FileFormatError, match="this computer has been started anew"):
            open_unfinished(folder, 200.0)
    content = (folder / SESSION_XDF).read_bytes()
    (folder / SESSION_XDF).write_bytes(content[:200])
    with pytest.raises(FileFormatError, match="has no stream 'rtbci-journal'"):
        open_unfinished(folder, 200.0)
    (folder / SESSION_XDF).unlink()
    with pytest.raises(FileFormatError, match="cannot be gone on with"):
        open_unfinished(folder, 200.0)


def test_its_own_settings_count(config: RunConfig) -> None:
    run(config, samples(100.0))
    folder = cut_short(config)
    root = config.record.folder
    flags: dict[str, Any] = {"record.folder": root, "duration_s": 5.0, "stream.wait": True, "user": None}
    found, settings = config_to_go_on(NEWEST, flags)
    assert found == folder
    assert (settings.paradigm, settings.duration_s, settings.stream.wait) == (config.paradigm, 5.0, True)
    assert config_to_go_on(str(folder), {})[1].duration_s is None
    with pytest.raises(ConfigError, match=r"--resume: got user, adapt\.enabled as well"):
        config_to_go_on(NEWEST, {"user": "bob", "adapt.enabled": True})


def test_another_paradigm_by_the_same_name(config: RunConfig) -> None:
    run(config, samples(100.0))
    folder = cut_short(config)
    recipe = Path(config.paradigm) / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("threshold = 0.5", "threshold = 0.6"))
    unfinished = open_unfinished(folder, 200.0)
    with pytest.raises(ConfigError, match="is not what the session was recorded with"):
        profile_to_go_on(unfinished, read_paradigm(config.paradigm))
    unfinished.disk.close()


def test_resume_may_stand_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """``--resume`` at the end, in front of another option, and with a name."""
    from typer.testing import CliRunner

    from rtbci.commands import resuming

    asked: list[str] = []

    def find(name: str, _flags: object) -> None:
        asked.append(name)
        raise ConfigError("enough")

    monkeypatch.setattr(resuming, "config_to_go_on", find)
    for args in (
        ["--resume"],
        ["--resume", "--duration", "5"],
        ["--resume", "S"],
        ["--duration", "5", "--resume=T"],
    ):
        CliRunner().invoke(app, ["run", *args])
    assert asked == ["newest", "newest", "S", "T"]
