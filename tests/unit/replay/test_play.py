import math
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtbci.errors import ConfigError
from rtbci.replay.pace import MAX_SPEED, Pace
from rtbci.replay.play import LOOP_MARKER, Player, blocks_of
from rtbci.stream.source import Marker
from tests.unit.replay.test_recording import gappy, recording


class FakeTime(threading.Event):
    """A clock that only waiting moves on, late by `late_s` each time; an event that nobody sets."""

    def __init__(self, late_s: float = 0.0) -> None:
        super().__init__()
        self.now_s, self.late_s = 1000.0, late_s

    def clock(self) -> float:
        return self.now_s

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.now_s += timeout + self.late_s
        return self.is_set()


@settings(deadline=None)
@given(
    chunk=st.integers(1, 130),
    times=st.lists(st.floats(-5, 30), max_size=20),
    jitter=st.integers(0, 2**31),
    gapped=st.booleans(),
)
def test_blocks_hold_every_sample_and_marker_once(
    chunk: int, times: list[float], jitter: int, gapped: bool
) -> None:
    base = gappy().sample_times() if gapped else np.arange(100) / 10
    t_s = base + np.random.default_rng(jitter).uniform(-0.04, 0.04, 100)
    t_s -= t_s[0]
    whole = recording(t_s=t_s, markers=sorted(Marker(t, str(i)) for i, t in enumerate(times)))
    blocks = list(blocks_of(whole, chunk))
    np.testing.assert_array_equal(np.concatenate([b.data for b in blocks]), whole.data)
    np.testing.assert_array_equal(np.concatenate([b.t_s for b in blocks]), t_s)
    assert [m for b in blocks for m in b.markers] == list(whole.markers)
    assert all(len(b.t_s) <= chunk for b in blocks)
    due = [b.t_due_s for b in blocks]
    assert due == sorted(due)
    for block in blocks[:-1]:
        assert all(m.t_lsl <= block.t_due_s for m in block.markers)
    if gapped:
        assert all(np.ptp(b.t_s) < 100 for b in blocks)


def test_markers_come_with_the_block_that_holds_their_sample() -> None:
    blocks = list(blocks_of(recording(markers=[Marker(0.9, "a"), Marker(1.0, "b")]), 10))
    assert [[m.value for m in b.markers] for b in blocks[:3]] == [["a"], ["b"], []]


@pytest.mark.parametrize("speed", [0.5, 1.0, 2.0])
def test_an_hour_does_not_drift_however_late_each_wait_is(speed: float) -> None:
    time = FakeTime(late_s=0.003)
    pace = Pace(speed, time.clock)
    pace.start()
    late_ms = []
    for i in range(1, 3600 * 20):
        assert pace.wait(i * 0.05, time)
        late_ms.append((time.now_s - pace.due(i * 0.05)) * 1e3)
    assert time.now_s - 1000.0 == pytest.approx(3600 / speed, abs=0.1)
    # lateness of one wait is there, but never adds up
    assert max(late_ms[:100]) == pytest.approx(max(late_ms[-100:]), abs=1e-3)
    assert 0 <= min(late_ms) <= max(late_ms) < 3.001


def test_after_a_stall_it_catches_up_at_once() -> None:
    time = FakeTime()
    pace = Pace(1.0, time.clock)
    pace.start()
    pace.wait(1.0, time)
    time.now_s += 10.0  # a laptop slept
    before = time.now_s
    for t_s in np.arange(1.1, 11.0, 0.1):
        pace.wait(float(t_s), time)
    assert time.now_s == before
    pace.wait(12.0, time)
    assert time.now_s == pytest.approx(1012.0)


def test_max_fills_half_a_receivers_buffer_then_holds_a_known_rate() -> None:
    time = FakeTime()
    pace = Pace(math.inf, time.clock)
    pace.start()
    assert pace.wait(180.0, time)
    assert time.now_s == 1000.0
    assert pace.wait(180.0 + MAX_SPEED * 10, time)
    assert time.now_s == pytest.approx(1010.0)


def test_stopping_ends_the_wait() -> None:
    time = FakeTime()
    time.set()
    assert not Pace(1.0, time.clock).wait(5.0, time)
    assert not Pace(1.0, time.clock).wait(-5.0, time)


@pytest.mark.parametrize("speed", [0.0, -1.0, math.nan])
def test_impossible_speeds_are_refused(speed: float) -> None:
    with pytest.raises(ConfigError, match=r"speed is .*, need a number above 0 or 'max'"):
        Player([recording()], speed=speed)


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match="no samples given"):
        Player([])
    with pytest.raises(ConfigError, match="chunk is 0 samples, need at least 1"):
        Player([recording()], chunk=0)
    with pytest.raises(ConfigError, match=r"start is 10 s, the recording lasts 10\.0 s"):
        Player([recording()], start_s=10.0)


def test_streams_keep_their_place_in_time_and_get_names() -> None:
    early, late = recording(t0_s=100.0), recording(t0_s=103.0)
    player = Player([late, early], name="x", source_id="y")
    assert [(s.name, s.source_id) for s in player.streams] == [("x", "y"), ("x-2", "y-2")]
    assert player.duration_s == pytest.approx(13.0)
    assert Player([late, early], start_s=2.0).duration_s == pytest.approx(11.0)
    assert Player([late, early], start_s=12.0).duration_s == pytest.approx(1.0)
    assert len(Player([late, early], start_s=12.0).streams) == 1


def test_a_loop_goes_on_without_a_gap() -> None:
    player = Player([recording(markers=[Marker(0.0, "a")])], loop=True, chunk=7)
    blocks = player._blocks()
    seen: list[float] = []
    markers: list[tuple[float, str]] = []
    while len(seen) < 250:
        _, block = next(blocks)
        seen.extend(block.t_s.tolist())
        markers.extend((round(m.t_lsl, 6), m.value) for m in block.markers)
    np.testing.assert_allclose(np.diff(seen), 0.1, atol=1e-9)
    assert markers == [(0.0, "a"), (10.0, LOOP_MARKER), (10.0, "a"), (20.0, LOOP_MARKER), (20.0, "a")]
