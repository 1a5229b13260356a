"""Two minutes of the soak in simulated time, and whether its judge sees what is wrong."""

import os
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import pytest

from rtbci.chaos.flow import Injected
from rtbci.chaos.simulate import Outcome, simulate
from rtbci.chaos.watched import WatchedDecoder
from rtbci.config import RunConfig
from rtbci.loopback.hops import HopLog, Span
from rtbci.publish.messages import Prediction
from rtbci.record.items import Opened
from rtbci.record.streams import SessionStreams
from rtbci.record.xdf_read import XdfFile, read_xdf_file
from rtbci.stream.simulated_time import SimulatedClock
from rtbci.stream.source import Channel, Chunk, StreamInfo
from rtbci.stream.synthetic import INDEX_LABEL, SyntheticSource
from tests.tiny import HOP_S, WINDOW_S, write_paradigm
from tools.soak import is_flat, own_mb
from tools.soaking.judged import judge_hops, judge_recorded
from tools.soaking.plan import CHANNELS, KINDS, NumberedAmp, soak_scenario

MINUTES, EVERY_S, RATE_HZ = 2.0, 20.0 / 3.0, 1000.0
SHORT_S = 2.0
"""Of the longest fault, where one comes every few seconds."""


def source(clock: SimulatedClock) -> SyntheticSource:
    return SyntheticSource(
        CHANNELS, RATE_HZ, seed=1, index_channel=True, clock=clock, sleep_until=clock.sleep_until
    )


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    paradigm = str(write_paradigm(tmp_path_factory.mktemp("soak") / "tiny"))
    scenario = soak_scenario(MINUTES, 1, EVERY_S, longest_s=SHORT_S)
    with WatchedDecoder(paradigm) as decoder:
        found = simulate(scenario, decoder, source, RunConfig.model_validate({"paradigm": paradigm}))
        assert decoder.n_broken == decoder.n_not_finite == 0
    return found


def log_of(outcome: Outcome, without: range = range(0)) -> HopLog:
    log = HopLog()
    for i, one in enumerate(m for m in outcome.messages if isinstance(m, Prediction)):
        if i not in without:
            log.push(one)
    return log


def span_of(outcome: Outcome) -> Span:
    return Span(outcome.t_start_lsl + WINDOW_S + 2 * HOP_S, outcome.t_start_lsl + 60 * MINUTES - 1.0)


@pytest.mark.slow
def test_two_minutes_with_a_fault_of_every_other_kind(outcome: Outcome) -> None:
    assert outcome.error is None
    assert len({one.kind for one in outcome.records}) >= 10
    log = log_of(outcome)
    seen = judge_hops(log, outcome.records, span_of(outcome), WINDOW_S, HOP_S)
    assert (seen.n_missed, seen.n_late, log.n_out_of_turn) == (0, 0, 0)
    assert seen.n_came > 800
    assert seen.n_in_peace > 300
    assert max(seen.recovery_s.values()) < 3.5


def test_the_judge_sees_what_is_missing(outcome: Outcome) -> None:
    log = log_of(outcome, without=range(40, 43))  # before the first fault
    assert judge_hops(log, outcome.records, span_of(outcome), WINDOW_S, HOP_S).n_missed == 3
    unexplained = [one for one in outcome.records if one.kind != "vanish"]
    assert judge_hops(log_of(outcome), unexplained, span_of(outcome), WINDOW_S, HOP_S).n_missed > 5
    late = HopLog()
    for one in (m for m in outcome.messages if isinstance(m, Prediction)):
        late.push(msgspec.structs.replace(one, age_ms=1e3 * HOP_S + 1.0))
    assert judge_hops(late, outcome.records, span_of(outcome), WINDOW_S, HOP_S).n_late > 300


def test_the_hour_has_a_fault_every_minute_of_every_kind() -> None:
    scenario = soak_scenario(60.0, 1)
    starts_s = [one.start_s or 0.0 for one in scenario.faults]
    assert len(starts_s) == 58
    assert all(60.0 * (i + 1) <= start_s < 60.0 * (i + 2) for i, start_s in enumerate(starts_s))
    counts = Counter(one.kind for one in scenario.faults)
    assert min(counts.values()) >= 3
    assert set(counts) == {one["kind"] for one in KINDS}
    assert counts["vanish"] > 8
    assert soak_scenario(60.0, 1) == scenario != soak_scenario(60.0, 2)


def test_the_numbered_amplifier() -> None:
    amp = NumberedAmp(RATE_HZ, 0, "soak")
    assert (amp.info.n_channels, amp.info.labels[-1]) == (64, INDEX_LABEL)
    numbers = [amp._with_numbers(np.zeros((n, 63)))[:, -1] for n in (8, 0, 16)]
    np.testing.assert_array_equal(np.concatenate(numbers), np.arange(24))


# -- the file ------------------------------------------------------------------------------------------


def file_of(tmp_path: Path, gone: range, jumped: range) -> XdfFile:
    """A session of 4 s with samples that were never written, and others with other stamps."""
    info = StreamInfo("s", "s", RATE_HZ, (Channel("C3", "uV"), Channel(INDEX_LABEL, "", "MISC")))
    streams = SessionStreams(datetime(2026, 1, 1, tzinfo=UTC), clock=lambda: 0.0)
    content = streams.encode([Opened(info, "")])
    for start in range(0, 4000, 40):
        i = np.array([one for one in range(start, start + 40) if one not in gone], float)
        t_lsl = 50.0 + i / RATE_HZ + np.isin(i, jumped) * 1.5
        content += streams.encode([Chunk(np.column_stack([np.zeros(len(i)), i]), t_lsl)])
    path = tmp_path / "session.xdf"
    path.write_bytes(content + streams.end())
    return read_xdf_file(path)


def fault(kind: str, start_s: float, length_s: float) -> Injected:
    return Injected(kind=kind, fault=0, number=0, t_lsl=50.0 + start_s, t_s=start_s, length_s=length_s)


def test_what_is_in_the_file_is_compared_with_what_was_sent(tmp_path: Path) -> None:
    file = file_of(tmp_path, gone=range(1000, 1100), jumped=range(2000, 2500))
    faults = [fault("dropout", 1.0, 0.1), fault("clock_jump", 2.0, 0.5)]
    found = judge_recorded(file, faults, RATE_HZ)
    assert found == (3900, 3, 0, 0, 0)  # the signal, the journal, checksums
    assert judge_recorded(file, faults[1:], RATE_HZ).n_missing == 100
    assert judge_recorded(file, faults[:1], RATE_HZ).n_wrong_stamps == 500


def test_what_was_on_its_way_when_a_stream_vanished_is_its_fault(tmp_path: Path) -> None:
    """The last packet of 8 samples is lost with its outlet; more than a few packets are not."""
    vanished = [fault("vanish", 1.0, 0.1)]
    found = judge_recorded(file_of(tmp_path, gone=range(992, 1100), jumped=range(0)), vanished, RATE_HZ)
    assert (found.n_samples, found.n_missing) == (3892, 0)
    assert judge_recorded(
        file_of(tmp_path, gone=range(900, 1100), jumped=range(0)), vanished, RATE_HZ
    ).n_missing == pytest.approx(44, abs=1)
    dropped = [fault("dropout", 1.0, 0.1)]
    assert judge_recorded(
        file_of(tmp_path, gone=range(980, 1100), jumped=range(0)), dropped, RATE_HZ
    ).n_missing == pytest.approx(14, abs=1)


# -- memory --------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_memory_that_was_taken_is_seen() -> None:
    before = own_mb(os.getpid())
    held = np.ones(40 << 17)  # 40 MB
    assert 35.0 < own_mb(os.getpid()) - before < 80.0
    del held


def test_a_leak_is_one_when_the_system_pages_out_meanwhile() -> None:
    assert is_flat({"slope_mb_per_h": -20.0, "own_slope_mb_per_h": 0.4})
    assert not is_flat({"slope_mb_per_h": -20.0, "own_slope_mb_per_h": 3.0})
    assert not is_flat({"slope_mb_per_h": 3.0, "own_slope_mb_per_h": 0.4})
