"""Engines that come while a run decodes: a stand-in back end, and time that passes when the test says so."""

import io
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from rtbci.backends.onnxruntime import OrtSession
from rtbci.backends.session import Session
from rtbci.commands.status_line import StatusLine
from rtbci.config import RunConfig
from rtbci.errors import EngineError, MissingPackageError
from rtbci.probe.profile import read_profile
from rtbci.publish.messages import Event, Hello
from rtbci.publish.outbox import Outbox
from rtbci.recipes import EngineRecipe
from rtbci.runtime import engine_change
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.engine_change import EngineChange
from rtbci.runtime.engine_process import EngineProcess
from rtbci.runtime.live import LiveRun
from rtbci.runtime.telemetry import hello_of
from rtbci.stream.source import Chunk, StreamInfo
from tests.engine_samples import CompiledSession, HeldPreparer, SteppedClock
from tests.tiny import (
    HOP_S,
    Kept,
    MemorySource,
    chunks_of,
    eeg,
    stream_info,
    write_paradigm,
    write_tiny_profile,
)

RATE_HZ = 250.0
CHUNK = 10
LAG_S = 1e-3
PATIENCE_S = 30.0


class Run:
    """A run of `seconds` of signal, in which things happen at moments of the stream."""

    def __init__(
        self, paradigm: Path, preparer: HeldPreparer, clock: SteppedClock, seconds: float = 4.0
    ) -> None:
        self.kept, self.clock, self.preparer = Kept(), clock, preparer
        self.decoder = Decoder(str(paradigm), clock=clock)
        self.change = EngineChange(self.decoder, preparer, clock)
        self.data = eeg(round(seconds * RATE_HZ))
        self.t_lsl = np.arange(len(self.data)) / RATE_HZ
        self._paradigm = paradigm
        self.said = io.StringIO()

    def play(self, at: dict[float, Callable[[], Any]] | None = None, *, waited: bool = False) -> "Run":
        """Run it; what is in `at` is called before the chunk of that time."""
        todo = dict(at or {})

        def items() -> Iterator[Chunk | Callable[[], object]]:
            for chunk in chunks_of(self.data, self.t_lsl, CHUNK):
                for t in [t for t in todo if t <= chunk.t_lsl[0]]:
                    yield todo.pop(t)
                t_comes = float(chunk.t_lsl[-1]) + LAG_S
                yield lambda t=t_comes: self.clock.reach(t)  # type: ignore[misc]
                yield chunk

        config = RunConfig.model_validate({"paradigm": str(self._paradigm), "engine": {"rehearse": False}})

        def make(_lost: StreamInfo | None) -> MemorySource:
            return MemorySource(stream_info(), items())

        line = StatusLine(Console(file=self.said, width=1000), self.clock)
        with self.decoder, self.change:
            if waited:
                assert self.change.wait(PATIENCE_S)
            live = LiveRun(
                config, self.decoder, make, [self.kept, line], clock=self.clock, change=self.change
            )
            self.report = live.run(threading.Event())
        return self

    def finish_building(self) -> None:
        """Let the preparer go and wait until it is done: no sample comes meanwhile."""
        self.preparer.let_go.set()
        assert self.change.wait(PATIENCE_S)

    @property
    def backends(self) -> list[str]:
        """Back end of every prediction."""
        return [one.engine.backend for one in self.kept.predictions]

    @property
    def probs(self) -> np.ndarray:
        return np.array([one.probs or (np.nan, np.nan) for one in self.kept.predictions])

    def told(self, kind: str) -> Event:
        (event,) = self.kept.events(kind)
        return event


@pytest.fixture
def paradigm(tmp_path: Path) -> Path:
    return write_paradigm(tmp_path / "tiny")


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
def plain(paradigm: Path) -> Run:
    """A run of the same signal in which nothing changes."""
    return Run(paradigm, HeldPreparer(compiled(SteppedClock())), SteppedClock()).play()


def compiled(clock: SteppedClock, **changes: Any) -> Callable[[EngineRecipe], CompiledSession]:
    return lambda recipe: CompiledSession(recipe, clock.spend, **changes)


def check_nothing_lost_or_late(run: Run, plain: Run, later_ms: float = 0.0) -> None:
    """Every hop has its prediction, in order and of the right window, at most so much later than in a run without."""
    predictions = run.kept.predictions
    assert [one.seq for one in predictions] == list(range(round(len(run.data) / RATE_HZ / HOP_S)))
    assert [one.t_window for one in predictions] == [one.t_window for one in plain.kept.predictions]
    assert run.report[2:] == (0, 0, 0, 0, 0, False)
    ages_ms = np.array([[one.age_ms for one in a_run.kept.predictions] for a_run in (run, plain)])
    assert (ages_ms[0] - ages_ms[1]).max() <= later_ms + 1e-6


def test_a_better_engine_takes_over_between_two_hops(paradigm: Path, clock: SteppedClock, plain: Run) -> None:
    # 20 ms for the first run in a thread: after a decision there is time for it, before one there is not.
    run = Run(paradigm, HeldPreparer(compiled(clock, first_s=20e-3, run_s=1e-3)), clock)
    run.play({2.0: run.finish_building})
    check_nothing_lost_or_late(run, plain, later_ms=1.0)
    i_change = run.backends.index("compiled")
    assert 2.0 < run.kept.predictions[i_change].t_window[1] < 2.5
    assert run.backends == ["onnxruntime"] * i_change + ["compiled"] * (len(run.backends) - i_change)
    # The filters, the window and what it decides go on as if nothing had happened.
    np.testing.assert_array_equal(run.probs, plain.probs)
    assert [one.why for one in run.kept.predictions] == [one.why for one in plain.kept.predictions]
    event = run.told("engine_changed")
    assert (event.value, event.data["from"], event.data["backend"]) == ("tiny", "onnxruntime", "compiled")
    assert (event.data["id"], event.data["precision"], event.data["device"]) == (
        "c0de" * 16,
        "fp16",
        "memory",
    )
    hello = [one for one in run.kept.messages if isinstance(one, Hello)][-1]
    before = next(one for one in run.kept.messages if isinstance(one, Hello))
    assert (hello.engine.id, hello.engine.backend) == ("c0de" * 16, "compiled")
    assert hello.engine.network_id == before.engine.network_id == before.engine.id
    assert "engine changed: tiny c0dec0dec0de on compiled, fp16, memory" in run.said.getvalue()
    assert run.preparer.sessions[0].is_closed  # type: ignore[attr-defined]


def test_until_it_is_built_the_first_one_decodes(paradigm: Path, clock: SteppedClock, plain: Run) -> None:
    run = Run(paradigm, HeldPreparer(compiled(clock)), clock).play()
    check_nothing_lost_or_late(run, plain)
    assert set(run.backends) == {"onnxruntime"}
    assert not run.kept.events("engine_changed")
    assert not run.kept.events("engine_refused")
    assert run.told("engine_progress").value == "building tiny"
    assert run.preparer.is_stopped


def test_what_was_waited_for_decodes_from_the_first_hop(paradigm: Path, clock: SteppedClock) -> None:
    preparer = HeldPreparer(compiled(clock, first_s=0.5))
    preparer.let_go.set()
    run = Run(paradigm, preparer, clock).play(waited=True)
    assert set(run.backends) == {"compiled"}
    run.told("engine_changed")


@pytest.mark.parametrize(
    "error",
    [
        EngineError("gate: cosine 0.91, need 0.999"),
        MissingPackageError("openvino is not installed; pip install it"),
    ],
)
def test_what_cannot_be_had_is_told_and_the_first_one_goes_on(
    paradigm: Path, clock: SteppedClock, plain: Run, error: EngineError | MissingPackageError
) -> None:
    preparer = HeldPreparer(compiled(clock))
    preparer.error = error
    run = Run(paradigm, preparer, clock)
    run.play({1.0: run.finish_building})
    check_nothing_lost_or_late(run, plain)
    event = run.told("engine_refused")
    assert (event.data["reason"], event.data["backend"]) == (str(error), "onnxruntime")
    assert set(run.backends) == {"onnxruntime"}
    assert f"engine refused: tiny ({error})" in run.said.getvalue()


def test_a_librarys_own_error_is_told_with_its_name(paradigm: Path, clock: SteppedClock, plain: Run) -> None:
    def broken(_recipe: EngineRecipe) -> Session:
        raise RuntimeError("no kernel image")

    run = Run(paradigm, HeldPreparer(broken), clock)
    run.play({1.0: run.finish_building})
    assert run.told("engine_refused").data["reason"] == "engine 'tiny': RuntimeError: no kernel image"
    check_nothing_lost_or_late(run, plain)


class LibraryError(Exception):
    """As ONNX Runtime's: of no kind that Python has."""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (EngineError("compiled: out of memory"), "compiled: out of memory"),
        (RuntimeError("no kernel image"), "RuntimeError: no kernel image"),
        (LibraryError("CUDA failure 2"), "LibraryError: CUDA failure 2"),
    ],
)
def test_one_that_fails_when_it_is_first_run_is_refused(
    paradigm: Path, clock: SteppedClock, plain: Run, error: Exception, said: str
) -> None:
    def failing(recipe: EngineRecipe) -> Session:
        session = CompiledSession(recipe)
        session.error = error
        return session

    run = Run(paradigm, HeldPreparer(failing), clock)
    run.play({1.0: run.finish_building})
    assert run.told("engine_refused").data["reason"] == said
    assert set(run.backends) == {"onnxruntime"}
    assert run.preparer.sessions[0].is_closed  # type: ignore[attr-defined]
    check_nothing_lost_or_late(run, plain)


def test_a_build_that_is_killed_is_told_and_the_first_one_goes_on(
    paradigm: Path, clock: SteppedClock, plain: Run
) -> None:
    """By the system, when memory runs out, say."""
    run = Run(paradigm, HeldPreparer(compiled(clock)), clock)
    die = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    process = EngineProcess(run.decoder.recipe, "tensorrt", command=(sys.executable, "-c", die))
    run.change = EngineChange(run.decoder, process, clock)
    run.play({1.0: run.finish_building})
    assert "building it on tensorrt ended with status -9" in str(run.told("engine_refused").data["reason"])
    check_nothing_lost_or_late(run, plain)


def test_one_of_another_network_is_refused(paradigm: Path, clock: SteppedClock) -> None:
    def other(recipe: EngineRecipe) -> Session:
        session = CompiledSession(recipe)
        session.network_id = "0" * 64
        return session

    run = Run(paradigm, HeldPreparer(other), clock)
    run.play({1.0: run.finish_building})
    assert "is of network 000000000000, need" in str(run.told("engine_refused").data["reason"])
    assert set(run.backends) == {"onnxruntime"}


def test_a_fallback_is_told_with_what_it_is_for(paradigm: Path, clock: SteppedClock) -> None:
    run = Run(paradigm, HeldPreparer(compiled(clock), why_other="tensorrt: refused by the gate"), clock)
    run.play({1.0: run.finish_building})
    assert run.told("engine_refused").data["reason"] == "tensorrt: refused by the gate"
    assert run.told("engine_changed").data["backend"] == "compiled"


@pytest.mark.parametrize("why_other", ["", "tensorrt: no GPU, falls back to onnxruntime"])
def test_what_decodes_already_is_not_exchanged(paradigm: Path, clock: SteppedClock, why_other: str) -> None:
    run = Run(paradigm, HeldPreparer(lambda recipe: OrtSession(recipe.onnx_path), why_other), clock)
    run.play({1.0: run.finish_building})
    assert not run.kept.events("engine_changed")
    assert [one.data["reason"] for one in run.kept.events("engine_refused")] == [why_other] * bool(why_other)
    assert (
        len([one for one in run.kept.messages if isinstance(one, Hello)]) == 2
    )  # at the start, with the stream


def test_when_it_fails_in_use_the_first_one_computes_that_very_hop(
    paradigm: Path, clock: SteppedClock, plain: Run
) -> None:
    run = Run(paradigm, HeldPreparer(compiled(clock)), clock)

    def lose_the_device() -> None:
        run.preparer.sessions[0].error = EngineError("compiled: device lost")  # type: ignore[attr-defined]

    run.play({1.0: run.finish_building, 3.0: lose_the_device})
    check_nothing_lost_or_late(run, plain)
    np.testing.assert_array_equal(run.probs, plain.probs)
    event = run.told("engine_failed")
    assert (event.data["reason"], event.data["backend"]) == ("compiled: device lost", "onnxruntime")
    assert "engine failed, the one before computes again: tiny" in run.said.getvalue()
    assert run.backends[-1] == "onnxruntime"
    assert "compiled" in run.backends


def test_a_slow_first_run_is_warmed_in_small_pieces(
    paradigm: Path, clock: SteppedClock, plain: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One run after each decision, when one takes longer than the budget."""
    monkeypatch.setattr(engine_change, "N_WARM", 3)
    run = Run(paradigm, HeldPreparer(compiled(clock, first_s=10e-3, run_s=10e-3)), clock)
    seen: list[int] = []

    def look() -> None:
        session = run.preparer.sessions[0]
        assert isinstance(session, CompiledSession)
        seen.append(session.n_runs)

    run.play({1.0: run.finish_building} | {1.02 + 0.04 * i: look for i in range(8)})
    assert seen == sorted(seen)
    assert set(seen) >= {1, 2, 3}
    check_nothing_lost_or_late(run, plain, later_ms=10.0)


def test_a_profile_that_was_prepared_before_the_change_decodes_on_the_new_engine(
    paradigm: Path, clock: SteppedClock, tmp_path: Path
) -> None:
    profile = read_profile(write_tiny_profile(tmp_path / "ada", paradigm))
    preparer = HeldPreparer(compiled(clock))
    preparer.let_go.set()
    kept = Kept()
    with Decoder(str(paradigm), clock=clock) as decoder, EngineChange(decoder, preparer, clock) as change:
        decoder.open(stream_info())
        prepared = decoder.prepare(profile)
        assert change.wait(PATIENCE_S)
        outbox = Outbox(hello_of(decoder), [kept], clock=clock)
        assert not change.advance(outbox)
        decoder.use(prepared)
        (session,) = preparer.sessions
        assert isinstance(session, CompiledSession)
        n_before = session.n_runs
        data = eeg(500)
        assert decoder.push(data, data[:, 0] * 0.0)[-1].estimate.probs is not None
        assert session.n_runs > n_before


def test_closing_gives_up_what_is_not_in_use_yet(paradigm: Path, clock: SteppedClock) -> None:
    preparer = HeldPreparer(compiled(clock))
    with Decoder(str(paradigm)) as decoder:
        change = EngineChange(decoder, preparer, clock)
        change.start()
        preparer.let_go.set()
        assert change.wait(PATIENCE_S)
        change.close()
        change.close()
        (session,) = preparer.sessions
        assert isinstance(session, CompiledSession)
        assert session.is_closed
        assert decoder.engine_ref.backend == "onnxruntime"


def test_closing_ends_the_building(paradigm: Path, clock: SteppedClock) -> None:
    preparer = HeldPreparer(compiled(clock))
    with Decoder(str(paradigm)) as decoder:
        with EngineChange(decoder, preparer, clock) as change:
            assert preparer.began.wait(PATIENCE_S)
            assert change.progress == "building tiny"
        assert change.wait(0.0)
        assert not preparer.sessions
