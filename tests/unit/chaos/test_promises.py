"""The judge of promises sees when one is broken."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rtbci.chaos.promises import Promise, check_promises
from rtbci.chaos.scenario import Scenario
from rtbci.chaos.simulate import simulate
from rtbci.chaos.watched import WatchedDecoder
from rtbci.config import RunConfig
from rtbci.runtime import intake
from rtbci.runtime.backlog import Backlog
from rtbci.runtime.quality import SignalQuality
from rtbci.runtime.watch import StreamWatch
from rtbci.stream.health import GapDetector
from rtbci.stream.source import Chunk
from tests.chaos_samples import make_synthetic, scenario
from tests.tiny import write_paradigm

DROPOUT = {"kind": "dropout", "start_s": 5.0, "length_s": 0.1}


@pytest.fixture
def broken(tmp_path: Path) -> Callable[[Scenario], dict[str, Promise]]:
    """Promises that a run does not keep, by the first word of their text."""
    paradigm = str(write_paradigm(tmp_path / "tiny"))

    def run(what: Scenario, *, mask: bool = True) -> dict[str, Promise]:
        config = RunConfig.model_validate({"paradigm": paradigm})
        with WatchedDecoder(paradigm, mask=mask) as decoder:
            outcome = simulate(what, decoder, make_synthetic, config)
            promises = check_promises(what, outcome, decoder, config.watch)
        return {one.text.split()[0]: one for one in promises if not one.kept}

    return run


def test_nothing_is_broken_as_it_is(broken: Any) -> None:
    assert broken(scenario(DROPOUT, duration_s=8.0)) == {}


def test_a_gap_that_is_not_seen(broken: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GapDetector, "push", lambda *_: [])
    promise = broken(scenario(DROPOUT, duration_s=8.0))["no"]
    assert promise.seen.startswith("1 of ")


def test_samples_that_are_not_finite_and_decoded(broken: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def all_of_it(self: Any, chunk: Chunk, first: int, last: int) -> list[Chunk]:
        return [Chunk(np.array(chunk.data), chunk.t_lsl)]

    monkeypatch.setattr(intake.Intake, "_finite", all_of_it)
    what = scenario({"kind": "nan", "start_s": 5.0, "length_s": 0.02}, duration_s=5.1)
    assert broken(what, mask=False)["nothing"].seen == "5 samples decoded, 0 published"


def test_a_backlog_decoded_as_now(broken: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Backlog, "skips", lambda *_: False)
    found = broken(scenario({"kind": "burst", "start_s": 3.0, "length_s": 1.0}, duration_s=8.0))
    assert found["no"].seen.startswith("oldest 0.9")


def test_a_loss_that_is_not_told(broken: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StreamWatch, "passed", lambda *_: None)
    found = broken(scenario({"kind": "vanish", "start_s": 3.0, "length_s": 4.0}, duration_s=10.0))
    assert "says" in found


def test_a_recovery_that_takes_too_long(broken: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    began = WatchedDecoder.restart

    def restart(self: Any) -> None:
        began(self)
        self._n_skip = 200

    monkeypatch.setattr(WatchedDecoder, "restart", restart)
    pushed = WatchedDecoder.push

    def late(self: Any, data: Any, t_lsl: Any) -> Any:
        verdicts = pushed(self, data, t_lsl)
        left = getattr(self, "_n_skip", 0)
        self._n_skip = max(0, left - len(data))
        return [] if left else verdicts

    monkeypatch.setattr(WatchedDecoder, "push", late)
    assert "decoding" in broken(scenario(DROPOUT, duration_s=9.0))


def test_electrodes_that_are_off_and_not_told(broken: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SignalQuality, "note", lambda *_: None)
    times = {"start_s": 3.0, "length_s": 4.0}
    assert "poor_signal" in broken(scenario({"kind": "flat", **times}, duration_s=10.0))
    assert "bad" in broken(scenario({"kind": "flat", "n_channels": 1, **times}, duration_s=10.0))


def test_a_rate_that_is_not_measured(broken: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake.Intake, "measured_hz", 250.0)
    drift = {"kind": "drift", "start_s": 1.0, "length_s": 12.0, "ppm": 100.0}
    assert "the" in broken(scenario(drift, duration_s=15.0))


def test_windows_in_time_that_are_skipped(broken: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Backlog, "skips", lambda _self, _t_end, _t_now, _t_last, is_last: not is_last)
    what = scenario({"kind": "burst", "start_s": 3.0, "length_s": 0.19}, duration_s=8.0)
    assert "no" in broken(what)
