"""A run in simulated time is the run: same predictions, no waiting."""

import time
from pathlib import Path

import numpy as np
import pytest

from rtbci.chaos.simulate import Outcome, simulate
from rtbci.chaos.watched import WatchedDecoder
from rtbci.config import RunConfig
from rtbci.publish.messages import Prediction, Status
from rtbci.runtime.decoder import Decoder
from rtbci.stream.simulated_time import SimulatedClock
from rtbci.stream.synthetic import SyntheticSource
from tests.chaos_samples import make_synthetic, scenario
from tests.tiny import check_same, write_paradigm


@pytest.fixture
def paradigm(tmp_path: Path) -> str:
    return str(write_paradigm(tmp_path / "tiny"))


def run(paradigm: str, *faults: dict[str, object], duration_s: float) -> tuple[Outcome, WatchedDecoder]:
    config = RunConfig.model_validate({"paradigm": paradigm})
    with WatchedDecoder(paradigm) as decoder:
        return simulate(scenario(*faults, duration_s=duration_s), decoder, make_synthetic, config), decoder


def test_without_faults_it_is_what_a_recording_gives(paradigm: str) -> None:
    outcome, watched = run(paradigm, duration_s=5.0)
    live = [one for one in outcome.messages if isinstance(one, Prediction)]
    source = SyntheticSource(seed=1, index_channel=True, n_samples=1250, chunk=1250, realtime=False)
    with source, Decoder(paradigm) as decoder:
        decoder.open(source.info)
        verdicts = decoder.push(*source.pull(0.0))
    assert len(live) >= 78
    for one, verdict in zip(live, verdicts, strict=False):
        check_same(None if one.probs is None else np.array(one.probs), verdict.estimate.probs)
        np.testing.assert_allclose(
            np.array(one.t_window) - outcome.t_start_lsl, verdict.estimate.t_window, atol=1e-9
        )
    assert (watched.n_broken, watched.n_not_finite, watched.n_starts) == (0, 0, 1)
    assert 0.5 <= watched.fill_s <= 0.54
    assert outcome.error is None


def test_the_same_twice_is_the_same(paradigm: str) -> None:
    faults = {"kind": "dropout", "per_minute": 60.0, "length_s": 0.004, "max_length_s": 0.2}
    first, second = (run(paradigm, faults, duration_s=6.0)[0] for _ in range(2))
    assert first.records == second.records

    def said(outcome: Outcome) -> list[tuple[object, ...]]:
        return [
            (one.t_sent, one.probs, one.why, one.t_window)
            for one in outcome.messages
            if isinstance(one, Prediction)
        ]

    assert said(first) == said(second)


def test_a_minute_of_loss_takes_no_minute(paradigm: str) -> None:
    began = time.monotonic()
    outcome, _ = run(paradigm, {"kind": "vanish", "start_s": 2.0, "length_s": 60.0}, duration_s=65.0)
    assert time.monotonic() - began < 30.0
    states = [one.state for one in outcome.messages if isinstance(one, Status)]
    assert {"waiting", "warming_up", "running", "stale", "lost", "recovering", "stopped"} == set(states)


def test_a_clock_that_never_goes_back() -> None:
    clock = SimulatedClock(10.0)
    clock.sleep_until(11.5)
    clock.sleep_until(3.0)
    assert clock() == 11.5
