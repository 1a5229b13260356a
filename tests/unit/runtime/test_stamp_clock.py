"""Stamps of another clock than the local one."""

import numpy as np
import pytest

from rtbci.runtime.stamp_clock import StampClock


def after(offset_s: float, lags_s: list[float], clock: StampClock | None = None) -> StampClock:
    clock = clock or StampClock()
    for i, lag_s in enumerate(lags_s):
        t_taken = 100.0 + 0.1 * i
        clock.push(t_taken - lag_s + offset_s, t_taken)
    return clock


USUAL = [0.02] * 12


@pytest.mark.parametrize("offset_s", [1.7e9, 3600.0, 0.7, -6.0, -940.0])
def test_it_is_told_after_a_second(offset_s: float) -> None:
    assert after(offset_s, USUAL[:5]).offset_s is None
    found = after(offset_s, USUAL)
    assert found.is_settled
    assert found.offset_s == pytest.approx(offset_s - 0.02)


@pytest.mark.parametrize("offset_s", [0.0, 0.3, -0.2, -3.0])
def test_what_may_be_the_way_is_the_local_clock(offset_s: float) -> None:
    found = after(offset_s, USUAL)
    assert found.is_settled
    assert found.offset_s is None


def test_a_backlog_is_no_foreign_clock() -> None:
    assert after(0.0, [20.0, 15.0, 9.0, *USUAL]).offset_s is None


def test_it_is_looked_at_again_behind_a_gap_and_holds_until_then() -> None:
    clock = after(3600.0, USUAL)
    clock.reset()
    assert clock.offset_s is not None
    assert not clock.is_settled
    assert after(0.0, USUAL, clock).offset_s is None


@pytest.mark.parametrize(("ppm", "side"), [(-10_000.0, -1), (10_000.0, 1), (100.0, 1)])
def test_a_sender_that_runs_off_is_told_once_it_cannot_be_the_way(ppm: float, side: int) -> None:
    """Stamps that are counted by a crystal, or by a rate that is stated wrongly: a second at the start is not enough."""
    clock = StampClock()
    times = np.arange(0.0, 12_000.0 if abs(ppm) < 1000 else 1200.0, 0.5)
    for t in times:
        clock.push(t * (1.0 + 1e-6 * ppm), t + 0.02)
        if t < 40.0:
            assert clock.offset_s is None
    assert clock.offset_s is not None
    assert np.sign(clock.offset_s) == side
    assert clock.offset_s == pytest.approx(1e-6 * ppm * times[-1], abs=0.2)


def test_stamps_that_stand_still_are_told() -> None:
    clock = StampClock()
    for t in np.arange(0.0, 30.0, 0.1):
        clock.push(0.0, t)
    assert clock.offset_s is not None
    assert clock.offset_s < -10.0


def test_data_that_was_held_back_in_between_is_no_foreign_clock() -> None:
    clock = StampClock()
    told = []
    for t in np.arange(0.0, 100.0, 0.1):
        if not 40.0 < t < 52.0:
            clock.push(t, t + 0.02)
        told.append(clock.offset_s)
    assert set(told) == {None}
