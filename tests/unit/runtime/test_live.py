"""The live loop on streams in memory: no network, no waiting for real time."""

import io
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from rich.console import Console

from rtbci.amp.synthetic import SyntheticAmp
from rtbci.clock import now
from rtbci.commands.demo_board import DemoBoard
from rtbci.commands.status_line import StatusLine
from rtbci.config import RunConfig
from rtbci.errors import ChannelError, RateError, StreamError, StreamLostError, StreamNotFoundError, UnitError
from rtbci.listen_board import prediction_line
from rtbci.publish.messages import Event, Message, Prediction
from rtbci.recipes import read_paradigm
from rtbci.record.tap import RecordedSource
from rtbci.runtime import backlog, live
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.live import LiveRun
from rtbci.runtime.rehearsal import Rehearsal
from rtbci.runtime.score import Score
from rtbci.runtime.telemetry import Report
from rtbci.stream.source import Chunk, FloatArray, Marker, StreamInfo
from tests.tiny import Kept, MemorySource, chunks_of, eeg, stream_info, write_paradigm

Item = Chunk | Marker | Exception | Callable[[], object]


@pytest.fixture
def paradigm(tmp_path: Path) -> Path:
    return write_paradigm(tmp_path / "tiny")


def stream(seconds: float, t0: float = 0.0, rate_hz: float = 250.0) -> tuple[FloatArray, FloatArray]:
    n = round(seconds * rate_hz)
    return eeg(n, 3, rate_hz), t0 + np.arange(n) / rate_hz


def items(data: FloatArray, t_lsl: FloatArray, n_chunk: int = 10) -> list[Item]:
    return list(chunks_of(data, t_lsl, n_chunk))


def play(
    paradigm: Path,
    *sources: Iterable[Item],
    info: StreamInfo | None = None,
    sinks: Iterable[Any] = (),
    stop: threading.Event | None = None,
    **changes: Any,
) -> tuple[Kept, Report]:
    """Run until the last source ends; no window is skipped unless `watch` says so."""
    watch = {"max_backlog_s": 1e9, "stale_s": 50.0, "lost_s": 60.0} | changes.pop("watch", {})
    config = RunConfig.model_validate({"paradigm": str(paradigm), "watch": watch, **changes})
    left = iter(sources)
    kept = Kept()

    def make(_lost: StreamInfo | None) -> MemorySource:
        return MemorySource(info or stream_info(), next(left))

    with Decoder(str(paradigm)) as decoder:
        report = LiveRun(config, decoder, make, [kept, *sinks]).run(stop or threading.Event())
    return kept, report


def test_a_recording_to_its_end(paradigm: Path) -> None:
    data, t_lsl = stream(4.0)
    kept, report = play(paradigm, items(data, t_lsl))
    with Decoder(str(paradigm)) as decoder:
        decoder.open(stream_info())
        verdicts = decoder.push(data, t_lsl)
    assert len(kept.predictions) == len(verdicts) == 64 == report.n_predictions
    for prediction, verdict in zip(kept.predictions, verdicts, strict=True):
        assert prediction.t_window == verdict.estimate.t_window
        assert prediction.label == verdict.label
        assert prediction.decision == verdict.decision
        if verdict.estimate.probs is not None:
            np.testing.assert_allclose(prediction.probs or (), verdict.estimate.probs, atol=1e-9)
    decided = [one.decision for one in verdicts if one.decision is not None]
    assert [event.value for event in kept.events("decision")] == decided
    assert kept.states == ["waiting", "warming_up", "running", "stopped"]
    assert [event.value for event in kept.events("stream_found")] == ["tiny"]
    assert kept.is_closed
    assert report[2:] == (0, 0, 0, 0, 0, False)


def test_idle_is_told_and_never_decided_for(paradigm: Path) -> None:
    recipe = read_paradigm(str(paradigm)).model_copy(update={"classes": ("left_hand", "rest"), "markers": {}})
    kept, console = Kept(), Console(file=io.StringIO(), width=1000, force_terminal=True)
    line, board = StatusLine(console), DemoBoard(console, deque(), Score(), 4.0, "tcp://127.0.0.1:1")
    board.close()

    def make(_lost: StreamInfo | None) -> MemorySource:
        return MemorySource(stream_info(), items(*stream(4.0)))

    config = RunConfig.model_validate({"paradigm": str(paradigm), "watch": {"max_backlog_s": 1e9}})
    with Decoder(recipe) as decoder:
        LiveRun(config, decoder, make, [kept, line, board]).run(threading.Event())
    decoded = [one for one in kept.predictions if one.probs is not None]
    assert {one.decision for one in decoded} == {"left_hand", None}
    assert {one.why for one in decoded if one.label == "rest"} == {"idle"}
    assert {event.value for event in kept.events("decision")} == {"left_hand"}
    idle = next(one for one in decoded if one.why == "idle")
    assert prediction_line(idle).startswith(f"{idle.t_window[1]:.3f} - (idle) left_hand=0.")
    board.send(idle)
    console.print(board.render())
    assert "none (idle)" in console.file.getvalue()  # type: ignore[attr-defined]


def test_electrodes_that_are_missing_are_told() -> None:
    labels = ("Fz", "C4", "Cz", "C3")
    console = Console(file=io.StringIO(), width=1000)
    kept, _ = play(
        Path("motor_imagery"),
        items(eeg(500, 4), np.arange(500) / 250.0),
        info=stream_info(labels),
        sinks=[StatusLine(console)],
    )
    (found,) = kept.events("stream_found")
    assert (found.data["n_found"], found.data["interpolated"]) == (3, "")
    inferred = str(found.data["inferred"]).split(",")
    assert len(inferred) == 28
    assert not set(inferred) & {"C3", "CZ", "C4"}
    said = console.file.getvalue()  # type: ignore[attr-defined]
    wanted = "warning: 3 of 31 electrodes found, 28 inferred from the population's covariance: FC5, FC3,"
    assert wanted in said


def test_a_channel_that_stands_for_another_is_told() -> None:
    console = Console(file=io.StringIO(), width=1000)
    muse = ("TP9", "AF7", "AF8", "TP10")
    made = items(eeg(500, 4), np.arange(500) / 250.0)
    kept, _ = play(Path("sleep_eog"), made, info=stream_info(muse), sinks=[StatusLine(console)])
    assert kept.events("stream_found")[0].data["stand_ins"] == "C4=TP10,E1=AF7"
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert "note: TP10 stands for C4\nnote: AF7 stands for E1\n" in said


def test_what_becomes_of_a_new_profile_is_said() -> None:
    console = Console(file=io.StringIO(), width=1000)
    line = StatusLine(console)
    event = Event(
        v=1, session="s", seq=0, t_sent=1.0, kind="profile_refused", t_lsl=1.0, value="ada", data={}
    )
    line.send(msgspec.structs.replace(event, data={"generation": 2, "reason": "it lacks [C3]"}))
    line.send(msgspec.structs.replace(event, kind="recalibration_advised", value="why"))
    line.close()
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert "new profile refused, the old one stays: ada (it lacks [C3])\n" in said
    assert "calibrate again: why\n" in said


def test_nothing_is_said_when_all_electrodes_are_there(paradigm: Path) -> None:
    console = Console(file=io.StringIO(), width=1000)
    kept, _ = play(paradigm, items(*stream(1.0)), sinks=[StatusLine(console)])
    assert kept.events("stream_found")[0].data == {
        "n_found": 3,
        "interpolated": "",
        "inferred": "",
        "ignored": "",
    }
    assert "warning" not in console.file.getvalue()  # type: ignore[attr-defined]


def test_markers(paradigm: Path) -> None:
    data, t_lsl = stream(1.0)
    middle = items(data, t_lsl)
    middle[10:10] = [Marker(0.4, "T1"), Marker(0.41, "what?")]
    kept, _ = play(paradigm, middle)
    found = [(event.t_lsl, event.value, event.data) for event in kept.events("marker")]
    assert found == [(0.4, "T1", {"class": "left_hand"}), (0.41, "what?", {"class": None})]


@pytest.mark.parametrize("name", ["motor_imagery", "p300"])
def test_a_marker_without_a_time_ends_no_run(name: str) -> None:
    amp = SyntheticAmp(seed=0)
    data, _ = amp.generate(1280)
    made = items(data, np.arange(len(data)) / amp.info.rate_hz)
    made[10:10] = [Marker(math.nan, "flash/r1"), Marker(math.inf, "T1"), Marker(0.4, "flash/r1")]
    console = Console(file=io.StringIO(), width=1000)
    kept, _ = play(Path(name), made, info=amp.info, sinks=[StatusLine(console)])
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert said.count("warning: no window for the marker flash/r1: its stamp is not a number (said once") == 1
    assert "T1" not in said
    lost = [(one.value, one.data) for one in kept.events("window_lost")]
    assert lost == [("flash/r1", {"reason": "no_time"}), ("T1", {"reason": "no_time"})]
    assert [one.t_lsl for one in kept.events("marker")] == [0.4]
    assert all(math.isfinite(one.t_lsl) for one in kept.events("window_lost"))
    assert kept.predictions


@pytest.mark.parametrize("name", ["motor_imagery", "p300"])
@pytest.mark.parametrize("at", [0, 10])
def test_a_marker_that_no_sample_will_come_to_is_told_and_left_out(name: str, at: int) -> None:
    amp = SyntheticAmp(seed=0)
    data, _ = amp.generate(1280)
    made = items(data, np.arange(len(data)) / amp.info.rate_hz)
    unix = [Marker(1.8e9 + i, f"flash/r{i + 1}") for i in range(2)]
    made[at:at] = [
        *unix,
        Marker(0.4, "flash/r3"),
        Marker(59.0, "flash/r4"),
    ]  # those of a page are a little ahead
    console = Console(file=io.StringIO(), width=1000)
    kept, _ = play(Path(name), made, info=amp.info, sinks=[StatusLine(console)])
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert said.count("no window for the marker flash/r1: it is more than 60 s ahead of the samples;") == 1
    assert "flash/r2" not in said
    lost = [(one.t_lsl, one.value, one.data) for one in kept.events("window_lost")]
    assert lost == [(one.t_lsl, one.value, {"reason": "in_future"}) for one in unix]
    assert [one.t_lsl for one in kept.events("marker")] == [0.4, 59.0]
    assert kept.predictions


def test_a_marker_of_a_stream_without_a_sample_is_told_at_the_end(paradigm: Path) -> None:
    kept, _ = play(paradigm, [Marker(3.0, "T1")])
    assert [(one.t_lsl, one.value) for one in kept.events("marker")] == [(3.0, "T1")]


def test_gaps(paradigm: Path) -> None:
    data, t_lsl = stream(4.0)
    t_lsl[333:] += 0.1
    t_lsl[700:] += 2.0
    kept, report = play(paradigm, items(data, t_lsl))
    assert report.n_gaps == 2
    assert [event.t_lsl for event in kept.events("gap")] == [t_lsl[333], t_lsl[700]]
    assert [event.data["gap_s"] for event in kept.events("gap")] == pytest.approx([0.1, 2.0])
    for t_behind in t_lsl[[333, 700]]:
        assert not [one for one in kept.predictions if one.t_window[0] < t_behind <= one.t_window[1]]
    assert {one.why for one in kept.predictions if one.probs is None} == {"warming_up", "gap"}


@pytest.mark.parametrize("t0", [30 * 86_400.0, 1.8e9])
def test_after_a_month_or_by_the_calendar_windows_are_as_at_the_start(paradigm: Path, t0: float) -> None:
    data, t_lsl = stream(4.0)
    t_lsl[700:] += 0.1
    first, _ = play(paradigm, items(data, t_lsl))
    later, report = play(paradigm, items(data, t_lsl + t0))
    assert report.n_gaps == 1
    assert [one.probs for one in later.predictions] == [one.probs for one in first.predictions]
    moved = [np.subtract(one.t_window, t0) for one in later.predictions]
    np.testing.assert_allclose(moved, [one.t_window for one in first.predictions], atol=1e-6)


def test_where_no_hop_is_ever_complete_messages_say_why(paradigm: Path) -> None:
    """Every other packet is lost: gaps come more often than hops."""
    data, t_lsl = stream(16.0)
    kept_rows = np.arange(len(data)) % 20 < 10
    chunks = items(*stream(2.0)) + items(data[kept_rows], 2.0 + t_lsl[kept_rows])
    kept, report = play(paradigm, chunks)
    broken = [one for one in kept.predictions if one.t_window[1] >= 2.0]
    assert [one.why for one in broken] == ["gap"] * 7  # once in a second of signal, 8 s of which come
    assert all(one.probs is None and one.decision is None for one in broken)
    assert report.n_gaps == 199
    assert [one.data["n_gaps"] for one in kept.events("gap")[:3]] == [1, 2, 3]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite(paradigm: Path, bad: float) -> None:
    data, t_lsl = stream(5.0)
    data[300:305, 1] = bad
    data[306, 2] = bad
    data[900, 0] = bad
    kept, report = play(paradigm, items(data, t_lsl))
    assert report.n_not_finite == 7
    assert report.n_gaps == 0
    # Told when it begins, and not more than once a second.
    told = [(event.t_lsl, event.data["n_samples"]) for event in kept.events("not_finite")]
    assert told == [(t_lsl[300], 5), (t_lsl[900], 7)]
    for prediction in kept.predictions:
        start, end = prediction.t_window
        assert not any(start <= t <= end for t in t_lsl[[300, 304, 306, 900]])
        if prediction.probs is not None:
            assert np.isfinite(prediction.probs).all()
    assert kept.predictions[-1].probs is not None


def test_a_channel_that_is_not_read_may_be_anything(paradigm: Path) -> None:
    data, t_lsl = stream(2.0)
    info = stream_info(("C3", "CZ", "C4", "AUX"))
    kept, report = play(paradigm, items(np.column_stack([data, np.full(500, np.nan)]), t_lsl), info=info)
    wanted, _ = play(paradigm, items(data, t_lsl))
    assert report.n_not_finite == 0
    assert [one.probs for one in kept.predictions] == [one.probs for one in wanted.predictions]


def test_a_backlog_is_skipped_to_its_newest_window(paradigm: Path) -> None:
    data, t_lsl = stream(4.0)
    chunks: list[Item] = [Chunk(data[:250], t_lsl[:250]), Chunk(data[250:], t_lsl[250:])]
    kept, report = play(paradigm, chunks, watch={"max_backlog_s": 0.25})
    assert report.n_skipped > 0
    assert report.n_skipped + report.n_predictions == 64
    assert kept.predictions[-1].t_window[1] > t_lsl[-1] - 2 / 128
    assert kept.statuses[-1].n_skipped == report.n_skipped
    assert [one.seq for one in kept.predictions] == list(range(len(kept.predictions)))


def test_a_gap_that_we_made_by_being_late_counts_as_overflow(
    paradigm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind it samples are as old as liblsl keeps them; behind a gap of the stream they are as new as ever."""
    data, t_lsl = stream(6.0)
    before, late = items(data, t_lsl + 100.0), items(data, t_lsl + 30.0)  # 70 s older than those before
    kept, report = play(paradigm, [*before, *late])
    assert (report.n_gaps, report.n_overflow) == (1, 0)  # back in time: a clock reset, no samples lost

    monkeypatch.setattr(backlog, "OVERFLOW_S", -1e9)  # every gap is late now
    kept, report = play(paradigm, [*items(data, t_lsl), *items(data, t_lsl + 8.0)])
    assert report.n_gaps == 1
    [event] = kept.events("overflow")
    assert event.data["n_samples"] == report.n_overflow == pytest.approx(2.0 * 250, abs=2)


def test_a_stream_that_is_lost_and_comes_back(paradigm: Path) -> None:
    data, t_lsl = stream(2.0)
    kept, _ = play(paradigm, [*items(data, t_lsl), StreamLostError("gone")], items(data, t_lsl + 10.0))
    assert kept.states == ["waiting", "warming_up", "running", "lost", "recovering", "running", "stopped"]
    assert len(kept.events("stream_lost")) == len(kept.events("stream_recovered")) == 1
    first = [one for one in kept.predictions if one.t_window[1] < 10.0]
    second = [one for one in kept.predictions if one.t_window[1] >= 10.0]
    assert all(one.t_window[0] >= 10.0 for one in second)
    assert [one.why for one in second[:7]] == ["gap"] * 7
    assert [one.probs for one in first] == [one.probs for one in second]


class Forgetting:
    """What a recorder does, but for keeping it."""

    def take(self, item: object) -> None:
        """Nothing."""


@pytest.mark.clock
def test_markers_that_still_come_do_not_hide_that_the_stream_is_lost(paradigm: Path) -> None:
    """Of a speller, say: several a second, each a reason to look at what is due."""
    data, t_lsl = stream(6.0)
    marks, nothing = list[Item](), Chunk(data[:0], t_lsl[:0])
    for i in range(12):
        marks += [lambda: time.sleep(0.17), Marker(6.0 + 0.1 * i, "flash/r1"), nothing]
    watch = {"stale_s": 0.1, "lost_s": 0.5}
    kept, _ = play(paradigm, [*items(data, t_lsl), *marks], [], watch=watch)
    assert len(kept.events("stream_lost")) == 1
    assert len(kept.events("marker")) < 12  # before they ended


@pytest.mark.parametrize(("is_checking", "n_lost"), [(True, 0), (False, 1)])
def test_a_stream_that_is_back_and_still_looked_at_is_not_lost(
    paradigm: Path, is_checking: bool, n_lost: int
) -> None:
    data, t_lsl = stream(1.0)
    sources: list[MemorySource] = []

    def check() -> None:
        sources[0].is_checking = is_checking  # type: ignore[attr-defined]
        time.sleep(1.2)
        sources[0].is_checking = False  # type: ignore[attr-defined]

    def make(_lost: StreamInfo | None) -> RecordedSource:
        feed: list[Item] = [*items(data, t_lsl), check] if not sources else []
        sources.append(MemorySource(stream_info(), [*feed, *items(data, t_lsl + 10.0)]))
        return RecordedSource(sources[-1], Forgetting())

    watch = {"max_backlog_s": 1e9, "stale_s": 0.1, "lost_s": 0.5}
    config, kept = RunConfig.model_validate({"paradigm": str(paradigm), "watch": watch}), Kept()
    with Decoder(str(paradigm)) as decoder:
        LiveRun(config, decoder, make, [kept]).run(threading.Event())
    assert len(kept.events("stream_lost")) == n_lost
    assert kept.states[-1] == "stopped"


def test_a_lost_stream_is_looked_for_again_and_again(paradigm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "RETRY_S", 0.01)
    data, t_lsl = stream(1.0)
    nothing = [StreamNotFoundError("no stream")]
    kept, _ = play(
        paradigm, [*items(data, t_lsl), StreamLostError("gone")], nothing, nothing, items(data, t_lsl + 10.0)
    )
    assert kept.states[-4:] == ["lost", "recovering", "running", "stopped"]


class Refusing(MemorySource):
    """Is not there."""

    def open(self) -> None:
        raise StreamNotFoundError("no such stream")


def test_no_stream_at_the_start(paradigm: Path) -> None:
    config = RunConfig(paradigm=str(paradigm))
    kept = Kept()
    with Decoder(str(paradigm)) as decoder, pytest.raises(StreamNotFoundError, match="no such stream"):
        LiveRun(config, decoder, lambda _: Refusing(stream_info(), []), [kept]).run(threading.Event())
    assert kept.states == ["waiting", "stopped"]
    assert kept.is_closed


def test_no_stream_and_told_to_wait(paradigm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "RETRY_S", 0.01)
    data, t_lsl = stream(1.0)
    sources: list[MemorySource] = [
        Refusing(stream_info(), []),
        MemorySource(stream_info(), items(data, t_lsl)),
    ]
    config = RunConfig.model_validate({"paradigm": str(paradigm), "stream": {"wait": True}})
    kept = Kept()
    with Decoder(str(paradigm)) as decoder:
        LiveRun(config, decoder, lambda _: sources.pop(0), [kept]).run(threading.Event())
    assert kept.states[0] == "waiting"
    assert kept.events("stream_found")


@pytest.mark.parametrize(
    ("info", "scale", "error", "match"),
    [
        (stream_info(("X1", "X2", "X3")), 1.0, ChannelError, "lacks 3 of the 3 channels"),
        (stream_info(rate_hz=50.0), 1.0, RateError, "has 50 Hz where"),
        (stream_info(), 1e-6, UnitError, "in V it would be plausible"),
    ],
)
def test_streams_that_are_not_what_is_needed(
    paradigm: Path, info: StreamInfo, scale: float, error: type[Exception], match: str
) -> None:
    data, t_lsl = stream(2.0)
    with pytest.raises(error, match=match):
        play(paradigm, items(scale * data, t_lsl), info=info)


def test_a_stream_that_breaks_is_lost(paradigm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "RETRY_S", 0.01)
    data, t_lsl = stream(1.0)
    kept, _ = play(paradigm, [*items(data, t_lsl), StreamError("broken")], items(data, t_lsl + 5.0))
    assert kept.states == ["waiting", "warming_up", "running", "lost", "recovering", "running", "stopped"]


def test_a_bug_in_the_sources_thread_is_not_swallowed(paradigm: Path) -> None:
    data, t_lsl = stream(1.0)
    with pytest.raises(ZeroDivisionError):
        play(paradigm, [*items(data, t_lsl), ZeroDivisionError("a bug")])


def test_stop_ends_it(paradigm: Path) -> None:
    data, t_lsl = stream(100.0)
    stop, wait = threading.Event(), threading.Event()

    class StopAtTen:
        n = 0

        def send(self, message: Message) -> None:
            self.n += isinstance(message, Prediction)
            if self.n == 10:
                stop.set()

        def poll(self) -> bool:
            return False

        def close(self) -> None:
            wait.set()

    kept, report = play(
        paradigm,
        [*items(data[:250], t_lsl[:250]), lambda: wait.wait(20.0)],
        sinks=[StopAtTen()],
        stop=stop,
    )
    assert kept.states[-1] == "stopped"
    assert report.n_predictions >= 10


def test_poor_signal_decides_nothing(tmp_path: Path) -> None:
    paradigm = write_paradigm(tmp_path, unit_check=False)
    data, t_lsl = stream(6.0)
    data[:500, :2] = 0.0  # two of three electrodes off for two seconds
    kept = Kept()

    def until_decoded(n_predictions: int) -> Callable[[], object]:
        def wait() -> None:
            while len(kept.predictions) < n_predictions:
                time.sleep(0.001)

        return wait

    in_steps: list[Item] = []
    for i, j, n_predictions in ((0, 260, 16), (260, 500, 32), (500, 1150, 73), (1150, 1500, 96)):
        in_steps += [*items(data[i:j], t_lsl[i:j]), until_decoded(n_predictions)]
    play(paradigm, in_steps, sinks=[kept])
    poor = [one for one in kept.predictions if one.why == "poor_signal"]
    assert poor
    assert all(one.decision is None and one.probs is not None for one in poor)
    assert all(one.quality.bad_channels == ("C3", "CZ") for one in poor)
    assert kept.predictions[-1].why != "poor_signal"
    events, decided = kept.events("decision"), [one for one in kept.predictions if one.decision]
    assert [event.t_lsl for event in events] == [one.t_window[1] for one in decided]


def test_adaptation_is_off_unless_asked_for(paradigm: Path) -> None:
    """The same probabilities until it is on, then others; nothing else changes."""
    data, t_lsl = stream(8.0)
    plain, _ = play(paradigm, items(data, t_lsl))
    config = RunConfig.model_validate({"adapt": {"learn_s": 2.0}})
    with Decoder(str(paradigm), adapt=config.adapt) as decoder:
        kept = Kept()
        source = MemorySource(stream_info(), items(data, t_lsl))
        watch = {"max_backlog_s": 1e9}
        run = RunConfig.model_validate({"paradigm": str(paradigm), "watch": watch})
        LiveRun(run, decoder, lambda _: source, [kept]).run(threading.Event())
    first = next(i for i, one in enumerate(plain.predictions) if one.probs is not None)
    n_learn = round(2.0 / 0.0625)
    pairs = [(one.probs, other.probs) for one, other in zip(plain.predictions, kept.predictions, strict=True)]
    assert [one for one, _ in pairs[: first + n_learn]] == [other for _, other in pairs[: first + n_learn]]
    assert all(one != other for one, other in pairs[first + n_learn :])


def test_times_are_of_the_clock_that_it_is_given(paradigm: Path) -> None:
    t0 = now()
    data, t_lsl = stream(2.0, t0 - 2.0)
    kept, _ = play(paradigm, items(data, t_lsl))
    for one in kept.predictions:
        assert one.age_ms == pytest.approx(1e3 * (one.t_sent - one.t_window[1]))
        assert 0 < one.age_ms < 60_000


class Rehearsing(Kept):
    """A sink that keeps what it is told to rehearse, and how many predictions it had by then."""

    def __init__(self) -> None:
        super().__init__()
        self.rehearsed: list[tuple[Prediction, int]] = []

    def rehearse(self, message: Prediction) -> None:
        self.rehearsed.append((message, len(self.predictions)))


def test_sinks_rehearse_with_the_decoder(paradigm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Rehearsal, "t_due", property(lambda one: 0.0 if one._t_expected else None))
    data, t_lsl = stream(3.0, t0=100.0)
    nothing = Chunk(np.empty((0, data.shape[1])), np.empty(0))
    feed = [item for chunk in items(data, t_lsl) for item in (chunk, nothing)]
    sink = Rehearsing()
    kept, _ = play(paradigm, feed, sinks=[sink])
    assert len(sink.rehearsed) > 10
    for message, n_before in sink.rehearsed:
        assert message.seq == n_before  # that of the one to come
    assert [one.seq for one in kept.predictions] == list(range(len(kept.predictions)))
