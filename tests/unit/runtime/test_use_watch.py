from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from rtbci.publish.outbox import Outbox
from rtbci.recipes import AdaptSettings
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.telemetry import hello_of
from rtbci.runtime.use_watch import UseWatch
from tests.tiny import ALIGNED, Kept, eeg, stream_info, write_paradigm

LEARN_S = 2.0


class InUse:
    """A decoder on two minutes of signal, looked after once a second."""

    def __init__(self, paradigm: Path) -> None:
        self.kept = Kept()
        self.decoder = Decoder(str(paradigm), adapt=AdaptSettings(learn_s=LEARN_S))
        self.watch = UseWatch(self.decoder, Outbox(hello_of(self.decoder), [self.kept], clock=lambda: 0.0))
        self.decoder.open(stream_info())
        self.t = 0

    def play(self, seconds: int, quality: float = 1.0, swap: bool = False) -> None:
        for _ in range(seconds):
            data = eeg(250, seed=self.t)[:, [1, 0, 2] if swap else [0, 1, 2]]
            data[:, 0] += data[:, 1]  # else all channels are alike
            data = data[:, [2, 1, 0]] if swap else data
            for verdict in self.decoder.push(data, self.t + np.arange(250) / 250):
                self.watch.note(verdict.estimate.logits)
            self.t += 1
            self.watch.guard(quality)
            self.watch.look(float(self.t))


@pytest.fixture
def in_use(tmp_path: Path) -> Iterator[InUse]:
    one = InUse(write_paradigm(tmp_path / "tiny", stages=ALIGNED))
    yield one
    one.decoder.close()


def test_adaptation_is_told_of(in_use: InUse) -> None:
    in_use.play(5)
    (event,) = in_use.kept.events("adaptation_on")
    assert event.t_lsl >= LEARN_S
    in_use.play(1, quality=0.5)
    (event,) = in_use.kept.events("adaptation_rolled_back")
    assert event.value == "signal"
    assert in_use.decoder.adaptation is not None
    assert not in_use.decoder.adaptation.is_on


def test_drift_is_told_of(in_use: InUse) -> None:
    in_use.play(62)
    assert in_use.watch.drift is None
    in_use.play(40)
    assert in_use.watch.drift is not None
    assert in_use.watch.drift.reference == "stream"
    assert in_use.watch.drift.signal < in_use.watch.drift.limit
    in_use.play(120, swap=True)
    assert in_use.watch.drift.signal > in_use.watch.drift.limit
    (event,) = in_use.kept.events("recalibration_advised")
    assert event.data["limit"] == in_use.watch.drift.limit
    assert event.value == "the signal has changed: check the cap"
    in_use.watch.reset()
    assert in_use.watch.drift is None


def test_nothing_is_done_without_alignment_and_adaptation(tmp_path: Path) -> None:
    kept = Kept()
    with Decoder(str(write_paradigm(tmp_path / "tiny"))) as decoder:
        watch = UseWatch(decoder, Outbox(hello_of(decoder), [kept], clock=lambda: 0.0))
        decoder.open(stream_info())
        for t in range(3):
            for verdict in decoder.push(eeg(250), t + np.arange(250) / 250):
                watch.note(verdict.estimate.logits)
            watch.guard(0.0)
            watch.look(float(t))
        assert decoder.adaptation is None
        assert decoder.recent_covariance is None
    assert watch.drift is None
    assert len(kept.messages) == 1


def test_one_look_a_second(in_use: InUse) -> None:
    in_use.play(5)
    n = len(in_use.kept.messages)
    in_use.watch.look(in_use.t + 0.5)
    assert len(in_use.kept.messages) == n


def test_it_is_told_whether_the_phase_of_a_flicker_is_known(in_use: InUse) -> None:
    grid = SimpleNamespace(length=1)
    pipeline = SimpleNamespace(grid=grid, rate_out_hz=1.0, phase_agreement=lambda _shifts_s: None)
    kept = Kept()
    stand_in = SimpleNamespace(adaptation=None, recent_covariance=None, profile=None, pipeline=pipeline)
    watch = UseWatch(stand_in, Outbox(hello_of(in_use.decoder), [kept], clock=lambda: 0.0))  # type: ignore[arg-type]
    for t, (knows, logits) in enumerate(
        [(None, None), (False, None), (False, np.zeros(2)), (False, np.zeros(2)), (True, np.zeros(2))]
    ):
        pipeline.knows_phase = knows
        watch.note(logits)
        watch.look(float(t))
    (unknown,) = kept.events("phase_unknown")
    assert unknown.t_lsl == 2.0  # with the first full window, once
    assert "flicker_on or flicker_at/SECONDS within 10 s" in unknown.value
    assert [event.t_lsl for event in kept.events("phase_known")] == [4.0]


def test_a_look_before_there_is_a_stream_finds_nothing(tmp_path: Path) -> None:
    with Decoder(str(write_paradigm(tmp_path / "tiny"))) as decoder:
        kept = Kept()
        UseWatch(decoder, Outbox(hello_of(decoder), [kept], clock=lambda: 0.0)).look(0.0)
    assert len(kept.messages) == 1
