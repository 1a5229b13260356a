import math

import numpy as np
import pytest

from rtbci.probe.flicker_clock import HOLD_S, FlickerClock, flicker_seconds
from rtbci.stream.source import Marker

N_HOPS, HOP_S = 8, 0.125


def heard(clock: FlickerClock, t_from: float, n_hops: int, late_s: float = 0.0) -> float:
    for i in range(n_hops):
        clock.hop(t_from + i * HOP_S + (late_s if i == n_hops // 2 else 0.0))
    return clock.elapsed_s


@pytest.mark.parametrize(
    "text", ["flicker", "flicker_at/", "flicker_at/x", "flicker_at/-1", "flicker_at/inf", "13hz"]
)
def test_other_markers_say_nothing_of_it(text: str) -> None:
    assert flicker_seconds(text) is None


def test_time_counts_from_the_newest_marker_that_is_not_later() -> None:
    clock = FlickerClock(N_HOPS, HOP_S)
    assert math.isnan(heard(clock, 9.0, N_HOPS))  # nothing was heard
    clock.mark(Marker(10.0, "flicker_on"))
    # the display is faster than it says; told before its hops come
    clock.mark(Marker(14.0, "flicker_at/4.02"))
    assert math.isnan(heard(clock, 10.0, N_HOPS))  # the window begins before the flicker
    assert heard(clock, 11.0, N_HOPS) == pytest.approx(1.875)
    assert heard(clock, 14.0, N_HOPS) == pytest.approx(4.02 + 0.875)


def test_a_flicker_that_begins_anew_is_not_known_until_a_window_is_within_it() -> None:
    clock = FlickerClock(N_HOPS, HOP_S)
    clock.mark(Marker(0.0, "flicker_on"))
    assert heard(clock, 4.0, N_HOPS) == pytest.approx(4.875)
    clock.mark(Marker(5.0, "flicker_on"))
    assert math.isnan(heard(clock, 5.0, N_HOPS))
    assert heard(clock, 6.0, N_HOPS) == pytest.approx(1.875)


def test_what_was_heard_long_ago_does_not_hold_and_a_gap_forgets_the_hops_alone() -> None:
    clock = FlickerClock(N_HOPS, HOP_S)
    clock.mark(Marker(0.0, "flicker_on"))
    heard(clock, 0.0, 80)
    clock.reset()
    assert math.isnan(clock.elapsed_s)
    assert heard(clock, HOLD_S - 1.0, N_HOPS) == pytest.approx(HOLD_S - 0.125)
    assert math.isnan(heard(clock, HOLD_S + 0.1, N_HOPS))


def test_a_late_stamp_moves_nothing() -> None:
    clock = FlickerClock(N_HOPS, HOP_S)
    clock.mark(Marker(0.0, "flicker_on"))
    assert heard(clock, 1.0, N_HOPS, late_s=0.05) == pytest.approx(1.875)
    # rates that do not divide
    t_hops = 2.0 + np.arange(N_HOPS) * HOP_S + np.tile([0.0, 0.001, 0.002, 0.003], 2)
    for t_hop in t_hops:
        clock.hop(float(t_hop))
    assert clock.elapsed_s == pytest.approx(2.875 + 0.0015)
