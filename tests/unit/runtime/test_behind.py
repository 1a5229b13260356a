"""A live run whose decoder is slower than its stream: what is decoded, told, journalled and verified."""

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from rtbci.calibrate.calibration_decoder import CalibrationDecoder
from rtbci.clock import now
from rtbci.config import RunConfig
from rtbci.errors import RtbciError
from rtbci.publish.control import Handler
from rtbci.publish.control_messages import Pause, Request, StatusRequest, Stop
from rtbci.record.recorder import SessionRecorder
from rtbci.record.session_json import describe_session
from rtbci.record.signal import main_stream
from rtbci.record.xdf_format import SESSION_XDF
from rtbci.record.xdf_read import read_xdf_file
from rtbci.runtime import busy
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.journal import Journal
from rtbci.runtime.live import LiveRun
from rtbci.runtime.telemetry import Report
from rtbci.runtime.verdict import Verdict
from rtbci.stream import waiting
from rtbci.stream.source import Chunk, FloatArray, Marker
from rtbci.verify.script import read_script
from rtbci.verify.verify import verify
from tests.fed_source import FedSource
from tests.integration.live_runs import wait_for
from tests.tiny import HOP_S, Kept, eeg, stream_info, write_paradigm
from tests.unit.record.samples import START

pytestmark = [pytest.mark.clock, pytest.mark.timeout(180)]

RATE_HZ = 250.0
DATA = eeg(20_000)


class Held(Decoder):
    """A decoder that waits for the test with the first window behind `hold`, as one whose engine is slow does."""

    def __init__(self, *args: object, **settings: object) -> None:
        super().__init__(*args, **settings)  # type: ignore[arg-type]
        self.hold, self.is_held, self.may_go = threading.Event(), threading.Event(), threading.Event()
        self.n_given, self.n_left = 0, 0

    def push(self, data: FloatArray, t_lsl: FloatArray) -> list[Verdict]:
        self.n_given += len(data)
        verdicts = super().push(data, t_lsl)
        if self.hold.is_set() and verdicts and not self.may_go.is_set():
            self.is_held.set()
            self.may_go.wait(100)
        return verdicts

    def leave(self) -> None:
        super().leave()
        self.n_left += 1


class Asking:
    """Control requests of a test; keeps what came of each."""

    def __init__(self) -> None:
        self.waiting: list[Request] = []
        self.answers: list[object] = []

    def answer(self, handler: Handler) -> None:
        while self.waiting:
            try:
                self.answers.append(handler(self.waiting.pop(0)))
            except RtbciError as error:
                self.answers.append(error)

    def close(self) -> None:
        pass


class Run(NamedTuple):
    """A run that goes on in a thread, and all that it has to do with."""

    decoder: Held
    source: FedSource
    kept: Kept
    stop: threading.Event
    asking: Asking
    feed: Callable[..., None]
    end: Callable[[], Report]
    folder: Path


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[[], Run]]:
    """Begins a recorded run on a stream that the test feeds, stamped as of now."""
    decoders: list[Held] = []

    def made() -> Run:
        paradigm = write_paradigm(tmp_path / "tiny")
        config = RunConfig.model_validate(
            {"paradigm": str(paradigm), "watch": {"stale_s": 50.0, "lost_s": 60.0}}
        )
        decoder = Held(str(paradigm))
        decoders.append(decoder)
        source, kept, asking = FedSource(stream_info()), Kept(), Asking()
        folder = tmp_path / "s"
        recorder = SessionRecorder(folder, describe_session(config, decoder, START, now()), START)
        recorder.start()
        live = LiveRun(
            config,
            decoder,
            lambda _: recorder.tap(source),
            [kept, recorder],
            asking,
            news=recorder.news,
            journal=Journal(decoder, recorder.take),
        )
        stop, reports = threading.Event(), list[Report]()
        thread = threading.Thread(target=lambda: reports.append(live.run(stop)))
        t0, n_fed = now() - 1.0, 0

        def feed(n: int, *markers: Marker, each: int = 10) -> None:
            nonlocal n_fed
            for i in range(n_fed, n_fed + n, each):
                source.feed(Chunk(DATA[i : i + each].copy(), t0 + np.arange(i, i + each) / RATE_HZ))
            n_fed += n
            source.feed(*markers)

        def end() -> Report:
            stop.set()
            thread.join(60)
            recorder.close()
            return reports[0]

        thread.start()
        return Run(decoder, source, kept, stop, asking, feed, end, folder)

    yield made
    for decoder in decoders:
        decoder.may_go.set()
        decoder.close()


def held(run: Run) -> int:
    """Feed a run until its decoder hangs in the middle; how many samples that took."""
    run.feed(250)  # what is one second old when the run begins
    wait_for(lambda: run.kept.predictions, "predictions")
    wait_for(lambda: run.source.n_pulled == 250, "all of it")
    run.decoder.hold.set()
    run.feed(50)
    assert run.decoder.is_held.wait(60)
    return 300


def recorded(run: Run) -> FloatArray:
    return np.asarray(main_stream(read_xdf_file(run.folder / SESSION_XDF), "x").values, np.float64)


def test_a_decoder_that_hangs_for_good_costs_no_sample_and_the_run_says_so(
    begin: Callable[[], Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(busy, "BUSY_S", 0.2)
    run = begin()
    n = held(run)
    n_statuses = len(run.kept.statuses)
    for k in range(10):
        run.feed(100, Marker(now(), f"m{k}"))
        n += 100
        run.source.wait_pulled(n)
    wait_for(lambda: len(run.kept.statuses) >= n_statuses + 2, "statuses meanwhile")
    wait_for(lambda: run.kept.events("decoder_busy"), "why there are no predictions")
    run.asking.waiting += [StatusRequest(id=1), Pause(id=2), Stop(id=3)]
    wait_for(lambda: len(run.asking.answers) == 3, "answers meanwhile")
    status, refused, stopped = run.asking.answers
    assert isinstance(status, dict)
    assert status["state"] == "running"
    assert "busy with one window" in str(refused)
    assert stopped == {"state": "stopped"}
    run.feed(70)
    report = run.end()
    assert run.kept.statuses[-1].state == "stopped"
    assert (report.is_stuck, run.decoder.n_left) == (True, 1)
    assert report.n_rest > 0
    assert run.source.markers == [f"m{k}" for k in range(10)]
    np.testing.assert_array_equal(recorded(run), DATA[: n + 70])
    n_said = len(run.kept.messages)
    run.decoder.may_go.set()
    wait_for(lambda: not any(t.name == "rtbci-acquire" for t in threading.enumerate()), "its thread's end")
    assert len(run.kept.messages) == n_said  # what it says after the end is of nobody
    found = verify(run.folder)
    assert (found.verdict, found.notes) == ("identical", ())
    assert found.n_untold_samples > 1000


def test_what_waits_when_a_stream_is_opened_is_no_window_that_was_skipped(begin: Callable[[], Run]) -> None:
    run = begin()
    run.feed(110, each=110)
    wait_for(lambda: run.kept.predictions, "the first window")
    report = run.end()
    # Six hops were there at once, and no window was full.
    assert (report.n_predictions, report.n_skipped) == (1, 0)
    assert not run.kept.events("windows_skipped")


def test_windows_that_have_become_late_are_skipped_told_and_verified(begin: Callable[[], Run]) -> None:
    run = begin()
    n = held(run)
    n_before = len(run.kept.predictions)
    for _ in range(10):
        run.feed(100)
        n += 100
        run.source.wait_pulled(n)
    run.decoder.hold.clear()
    run.decoder.may_go.set()
    wait_for(lambda: run.decoder.n_given == n, "all samples in the decoder")
    wait_for(lambda: run.kept.events("windows_skipped"), "what was skipped")
    report = run.end()
    new = run.kept.predictions[n_before:]
    ends = [one.t_window[1] for one in new]
    (first,) = {chunk.t_lsl[0] for chunk in run.source.pulled[:1]}
    assert ends[-1] > first + (n - 1) / RATE_HZ - HOP_S - 0.01  # the newest of all was decoded
    n_windows = round(n / RATE_HZ / HOP_S)
    assert report.n_skipped > 40
    assert abs(report.n_predictions + report.n_skipped - n_windows) <= 1
    assert [one.seq for one in run.kept.predictions] == list(range(len(run.kept.predictions)))
    assert (report.n_gaps, report.n_overflow, report.is_stuck) == (0, 0, False)
    assert run.kept.statuses[-1].n_skipped == report.n_skipped
    np.testing.assert_array_equal(recorded(run), DATA[:n])
    found = verify(run.folder)
    assert (found.verdict, found.n_compared, found.notes) == ("identical", report.n_predictions, ())
    assert found.n_windows == found.n_windows_identical == report.n_predictions
    takes = read_script(run.folder).runs[0].takes
    assert sum(sum(take.skipped[1::2]) for take in takes) == report.n_skipped


def test_what_there_is_no_memory_for_is_recorded_and_the_decoder_begins_anew(
    begin: Callable[[], Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting.Waiting.__init__, "__defaults__", (20_000,))
    run = begin()
    n = held(run)
    for _ in range(20):
        run.feed(100)
        n += 100
        run.source.wait_pulled(n)
    run.decoder.hold.clear()
    run.decoder.may_go.set()
    wait_for(lambda: run.kept.events("overflow"), "what was left out")
    run.feed(500)
    wait_for(lambda: run.source.n_pulled == n + 500, "the rest")
    wait_for(lambda: run.kept.predictions[-1].probs is not None, "predictions behind it")
    report = run.end()
    assert report.n_overflow > 1000
    assert report.n_overflow + run.decoder.n_given == n + 500
    assert run.kept.events("overflow")[-1].data["n_samples"] == report.n_overflow
    np.testing.assert_array_equal(recorded(run), DATA[: n + 500])
    found = verify(run.folder)
    assert (found.verdict, found.first, found.notes) == ("identical", None, ())
    assert found.n_compared == report.n_predictions


def test_calibration_decodes_every_window() -> None:
    assert CalibrationDecoder.needs_every_window
    assert not Decoder.needs_every_window


def test_nothing_is_skipped_where_nobody_says_so(tmp_path: Path) -> None:
    """`Decoder`, and with it `rtbci eval`: however long a recording takes, each window is decoded."""
    with Decoder(str(write_paradigm(tmp_path / "tiny"))) as decoder:
        decoder.open(stream_info())
        assert decoder.pipeline.skips is None
        ends: Sequence[float] = [
            one.estimate.t_window[1] for one in decoder.push(DATA[:5000], np.arange(5000) / RATE_HZ)
        ]
    assert len(ends) == 320
