"""Calibration on streams in memory: no network, no waiting for real time."""

import math
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from rtbci.calibrate import live
from rtbci.calibrate.calibration_decoder import CalibrationDecoder
from rtbci.calibrate.collector import Collected, Collector
from rtbci.calibrate.cutter import TrialCutter, timing_of
from rtbci.calibrate.live import (
    LiveStream,
    PatientPresenter,
    follow_markers,
    look_at_stream,
    n_least,
    run_guided,
)
from rtbci.calibrate.presenter import Feedback
from rtbci.calibrate.schedule import Schedule, ScheduledTrial
from rtbci.config import RunConfig
from rtbci.errors import FileFormatError, StreamError, StreamLostError, StreamNotFoundError
from rtbci.recipes import read_paradigm
from rtbci.stream.source import Chunk, Marker
from tests.calibration_steps import CLASSES, FakeClock, FakePresenter, protocol
from tests.tiny import MemorySource, chunks_of, eeg, stream_info, write_paradigm

IMAGERY_S = 1.5
RATE_HZ = 250.0
PATIENCE_S = 30.0
TRIAL = ScheduledTrial(0, 0, 1.0)
Item = Chunk | Marker | Exception | Callable[[], object]


@pytest.fixture
def decoder(tmp_path: Path) -> Iterator[CalibrationDecoder]:
    with CalibrationDecoder(str(write_paradigm(tmp_path))) as one:
        yield one


@pytest.fixture
def cutter(decoder: CalibrationDecoder) -> TrialCutter:
    one = TrialCutter(timing_of(decoder.recipe, IMAGERY_S))
    decoder.attach(one)
    return one


def chunks(seconds: float, t0: float = 0.0) -> list[Item]:
    n = round(seconds * RATE_HZ)
    return list(chunks_of(eeg(n), t0 + np.arange(n) / RATE_HZ, 10))


@contextmanager
def streaming(
    decoder: CalibrationDecoder,
    cutter: TrialCutter,
    *sources: Iterable[Item],
    stop: threading.Event | None = None,
    said: list[tuple[str, bool]] | None = None,
) -> Iterator[LiveStream]:
    left = iter(sources)
    watch = {"max_backlog_s": 1e9, "stale_s": 50.0, "lost_s": 60.0}
    config = RunConfig.model_validate({"watch": watch})
    say = lambda line, is_there: None if said is None else said.append((line, is_there))  # noqa: E731
    make = lambda _lost: MemorySource(stream_info(), next(left))  # noqa: E731
    with LiveStream(config, decoder, make, cutter, stop or threading.Event(), say) as stream:
        yield stream


def collector(*i_classes: int) -> Collector:
    """What leading asks of a collector."""
    features = [SimpleNamespace(i_class=i) for i in i_classes]
    return cast("Collector", SimpleNamespace(error=None, collected=Collected(features=cast("Any", features))))


class Waited(threading.Event):
    """Tells when somebody waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = threading.Event()

    def wait(self, timeout: float | None = None) -> bool:
        self.begun.set()
        return super().wait(timeout)


def test_ready_when_a_window_is_full(decoder: CalibrationDecoder, cutter: TrialCutter) -> None:
    go = threading.Event()
    items = [*chunks(3.0), lambda: go.wait(PATIENCE_S)]
    with streaming(decoder, cutter, items) as stream:
        stream.wait_ready()
        assert decoder.memory.t_raw_newest > 0.5
        assert not stream.ends_within(0.0)
        go.set()
        assert stream.ends_within(PATIENCE_S)


def test_without_a_window_it_is_told(
    decoder: CalibrationDecoder, cutter: TrialCutter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "POLL_S", 0.0)
    go, times = threading.Event(), iter(range(0, 10_000, 20))
    with streaming(decoder, cutter, [lambda: go.wait(PATIENCE_S)]) as stream:
        with pytest.raises(StreamNotFoundError, match="no full window in 30 s, need a stream"):
            stream.wait_ready(lambda: float(next(times)))
        go.set()


def test_what_ends_the_run_is_raised_and_stops_who_leads(
    decoder: CalibrationDecoder, cutter: TrialCutter
) -> None:
    stop = threading.Event()
    with streaming(decoder, cutter, [StreamError("no answer")], stop=stop) as stream:
        assert stop.wait(PATIENCE_S)
        with pytest.raises(StreamError, match="no answer"):
            stream.wait_ready()
        with pytest.raises(StreamError, match="no answer"):
            stream.check()


def test_a_stop_ends_the_wait_for_a_window(decoder: CalibrationDecoder, cutter: TrialCutter) -> None:
    stop = threading.Event()
    with streaming(decoder, cutter, chunks(0.1), stop=stop) as stream:
        stream.wait_ready()  # the recording has ended, so the stream sets it
    assert stop.is_set()


def test_a_lost_stream_gives_up_its_trials_and_is_told(
    decoder: CalibrationDecoder, cutter: TrialCutter
) -> None:
    said: list[tuple[str, bool]] = []
    lost: list[bool] = []
    again = threading.Event()
    first = [*chunks(2.0), lambda: cutter.cue(7, 0, 1.9), StreamLostError("gone")]

    def second() -> Iterator[Item]:
        yield lambda: again.wait(PATIENCE_S)
        yield from chunks(1.0, 100.0)

    with streaming(decoder, cutter, first, second(), said=said) as stream:
        trial = cutter.trials.get(timeout=PATIENCE_S)
        lost.append(stream.is_lost)
        again.set()
        assert stream.ends_within(PATIENCE_S)
        lost.append(stream.is_lost)
    assert (trial.i_trial, trial.reason) == (7, "stream lost")
    assert lost == [True, False]
    assert [is_there for _, is_there in said] == [False, True]
    assert "lost" in said[0][0]


def test_a_look_at_a_stream() -> None:
    info, data = look_at_stream(MemorySource(stream_info(), cast("Any", chunks(3.0))), 2.0)
    assert (info.name, data.shape) == ("tiny", (500, 3))
    _, short = look_at_stream(MemorySource(stream_info(), cast("Any", chunks(1.0))), 2.0)
    assert len(short) == 250
    _, nothing = look_at_stream(MemorySource(stream_info(), cast("Any", chunks(1.0))), 0.0)
    assert nothing.shape == (0, 3)
    nothings = [Chunk(np.empty((0, 3)), np.empty(0))] * 9
    times = iter(range(100))
    _, silent = look_at_stream(
        MemorySource(stream_info(), cast("Any", nothings)), 2.0, lambda: float(next(times))
    )
    assert (len(silent), next(times)) == (0, 5)


class Lost:
    """A stream that is lost for as long as it is asked that often."""

    def __init__(self, *answers: bool) -> None:
        self._answers = iter(answers)

    @property
    def is_lost(self) -> bool:
        return next(self._answers, False)


def patient(shown: FakePresenter, *lost: bool) -> PatientPresenter:
    return PatientPresenter(shown, cast("LiveStream", Lost(*lost)))


def test_no_trial_is_shown_while_the_stream_is_lost() -> None:
    shown = FakePresenter(FakeClock())
    one = patient(shown, True, False, True)
    assert math.isnan(one.present("cross", TRIAL))
    assert one.present("cross", TRIAL) == 1000.0
    assert math.isnan(one.present("pause", TRIAL))
    assert one.present("break", TRIAL) == one.present("done", None) == 1000.0
    assert shown.steps() == ["cross", "break", "done"]
    feedback = Feedback(Schedule(protocol(), CLASSES).progress)
    one.tell(feedback)
    one.close()
    assert (shown.told, one.measured()) == ([feedback], {"shown": 3.0})
    assert one.wait_until(1001.0, threading.Event())


def test_the_start_waits_for_the_stream_and_asks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "POLL_S", 0.0)
    shown = FakePresenter(FakeClock())
    assert patient(shown, True, True, True, False).wait_for_start(threading.Event())
    assert len(shown.t_starts) == 2
    stop = threading.Event()
    stop.set()
    assert not patient(shown, True, True).wait_for_start(stop)


def guided(
    decoder: CalibrationDecoder, cutter: TrialCutter, of: Collector, **presenter: Any
) -> tuple[bool, list[str]]:
    """Lead through two trials that no sample ever comes for."""
    clock, go, stop = FakeClock(), threading.Event(), threading.Event()
    times = {"arrow_s": 1.0, "shown_s": 0.5, "imagery_s": IMAGERY_S, "pause_s": [1.0, 1.0]}
    schedule = Schedule(protocol(timing=times, trials={"per_class": 2}), CLASSES, accepted=(1, 1))
    with streaming(decoder, cutter, [lambda: go.wait(PATIENCE_S)]) as stream:
        try:
            shown = FakePresenter(clock, **presenter)
            ticking = lambda: clock.t_s  # noqa: E731
            tick = stream.ends_within

            def pass_time(seconds: float) -> bool:
                clock.t_s += 0.5
                return tick(0.0 * seconds)

            stream.ends_within = pass_time  # type: ignore[method-assign]
            finished = run_guided(stream, schedule, shown, cutter, of, stop, ticking)
        finally:
            go.set()
    return finished, [cutter.trials.get_nowait().reason for _ in range(cutter.trials.qsize())]


def test_what_is_still_awaited_at_the_end_is_given_up(
    decoder: CalibrationDecoder, cutter: TrialCutter
) -> None:
    assert guided(decoder, cutter, collector()) == (True, ["stopped", "stopped"])


def test_a_stop_in_a_trial_keeps_its_number(decoder: CalibrationDecoder, cutter: TrialCutter) -> None:
    assert guided(decoder, cutter, collector(), stop_at=1003.0) == (False, ["stopped"])


def test_an_error_of_the_collector_is_raised(decoder: CalibrationDecoder, cutter: TrialCutter) -> None:
    broken = SimpleNamespace(error=FileFormatError("disk full"), collected=Collected())
    with pytest.raises(FileFormatError, match="disk full"):
        guided(decoder, cutter, cast("Collector", broken), stop_at=1003.0)


def test_an_arrow_that_was_not_seen_is_given_up(decoder: CalibrationDecoder, cutter: TrialCutter) -> None:
    late = lambda step, trial: math.nan if step == "pause" and trial.i_trial == 0 else 0.0  # noqa: E731
    finished, reasons = guided(decoder, cutter, collector(), late_s=late)
    assert (finished, reasons) == (True, ["not seen", "stopped", "stopped"])


def followed(
    decoder: CalibrationDecoder, cutter: TrialCutter, items: list[Item]
) -> tuple[bool, list[tuple[int, int, str]], list[str]]:
    stop, said = Waited(), list[str]()
    begin: Item = lambda: stop.begun.wait(PATIENCE_S)  # noqa: E731  # markers before it would be nobody's
    with streaming(decoder, cutter, [begin, *items], stop=stop) as stream:
        enough = follow_markers(stream, decoder, cutter, collector(), 2, stop, said.append)
    assert decoder.on_marker is None
    trials = [cutter.trials.get_nowait() for _ in range(cutter.trials.qsize())]
    return enough, [(one.i_trial, one.i_class, one.reason) for one in trials], said


def test_markers_are_cues_and_unknown_ones_are_told_once(
    decoder: CalibrationDecoder, cutter: TrialCutter
) -> None:
    marks: list[Item] = [Marker(2.0, "left"), Marker(2.1, "rest"), Marker(2.2, "rest"), Marker(4.0, "T2")]
    items = [*chunks(1.0), *marks, *chunks(5.0, 1.0), Marker(5.8, "left"), *chunks(0.2, 6.0)]
    enough, trials, said = followed(decoder, cutter, items)
    assert not enough
    assert trials == [(0, 0, ""), (1, 1, ""), (2, 0, "stopped")]
    assert said == ["marker 'rest' names no class, so it is no cue; if it is one: --map TEXT=CLASS"]


def test_a_cue_that_two_streams_tell_is_one_trial(decoder: CalibrationDecoder, cutter: TrialCutter) -> None:
    marks: list[Item] = [Marker(2.0, "left"), Marker(2.03, "769"), Marker(4.0, "T2"), Marker(4.01, "right")]
    _, trials, said = followed(decoder, cutter, [*chunks(1.0), *marks, *chunks(6.0, 1.0)])
    assert trials == [(0, 0, ""), (1, 1, "")]
    assert said == [
        "cue '769' tells again what another marker told just before, and counts once; --markers NAME reads one stream alone"
    ]


def test_a_cue_that_was_not_seen_is_taken_back(decoder: CalibrationDecoder, cutter: TrialCutter) -> None:
    marks: list[Item] = [Marker(2.0, "left"), Marker(2.5, "unseen"), Marker(4.0, "T2")]
    _, trials, said = followed(decoder, cutter, [*chunks(1.0), *marks, *chunks(6.0, 1.0)])
    assert trials == [(0, 0, "not seen"), (1, 1, "")]
    assert said == []


def test_classes_count_that_markers_ask_for() -> None:
    """The recipe has no text for rest, which is known by its name; with one class nothing can be fitted."""
    switch = read_paradigm("motor_imagery_rest")
    assert [n_least(switch, counts) for counts in ((5, 0), (5, 2), (0, 0))] == [0, 2, 0]
    hands = read_paradigm("motor_imagery_idle")
    assert [n_least(hands, counts) for counts in ((5, 4, 0), (5, 4, 1), (5, 0, 0))] == [4, 1, 0]


def test_enough_trials_end_it(decoder: CalibrationDecoder, cutter: TrialCutter) -> None:
    go, stop = threading.Event(), threading.Event()
    with streaming(decoder, cutter, [lambda: go.wait(PATIENCE_S)], stop=stop) as stream:
        cutter.cue(5, 0, 1.0)
        assert follow_markers(stream, decoder, cutter, collector(0, 0, 1, 1, 0), 2, stop)
        go.set()
    assert cutter.trials.get_nowait().reason == "stopped"
    assert decoder.on_marker is None


def test_silence_is_told(
    decoder: CalibrationDecoder, cutter: TrialCutter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "POLL_S", 0.0)
    go, times = threading.Event(), iter(range(0, 10**9, 20))
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        go.set()

    stop = threading.Event()
    with streaming(decoder, cutter, [lambda: go.wait(PATIENCE_S)], stop=stop) as stream:
        clock = lambda: float(next(times))  # noqa: E731
        assert not follow_markers(stream, decoder, cutter, collector(), 2, stop, say, clock)
    assert said == ["no marker has come in 30 s; `rtbci streams` lists marker streams, --markers names one"]
