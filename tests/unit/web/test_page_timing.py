import math

import numpy as np
import pytest

from rtbci.web.page_timing import ClockOffset, PageTiming


def test_the_exchange_with_the_shortest_round_trip_counts() -> None:
    clock = ClockOffset()
    assert math.isnan(clock.t_lsl(0.0))
    assert math.isnan(clock.round_trip_s)
    # the page's clock is 100 s behind; the way out is slow in the first, the way back in the third
    clock.add(100.000, 40.0, 100.050)
    clock.add(101.000, 1001.0, 101.002)
    clock.add(102.000, 2001.0, 102.080)
    assert clock.round_trip_s == pytest.approx(0.002)
    assert clock.t_lsl(1001.0) == pytest.approx(101.001)


def test_clocks_that_drift_are_followed() -> None:
    rng, clock = np.random.default_rng(4), ClockOffset()
    for t in np.arange(0.0, 1200.0):
        there, back = 0.0005 + rng.exponential(0.002, 2)
        clock.add(500 + t, 1e3 * (t + there) * (1 + 50e-6), 500 + t + there + back)
    error_s = clock.t_lsl(1e3 * 1200 * (1 + 50e-6)) - 1700
    assert abs(error_s) < 0.5 * clock.round_trip_s + 30 * 50e-6


def test_an_onset_is_one_frame_after_the_begin_of_the_frame() -> None:
    timing = PageTiming()
    assert math.isnan(timing.onset(50.0, 0.0))
    timing.add_exchange(50.0, 1000.0, 50.0)
    timing.add_frames([10.0] * 50)
    assert timing.t_shown(1108.0) == pytest.approx(50.118)
    assert timing.onset(50.1, 1108.0) == pytest.approx(50.118)
    measured = timing.measured()
    assert measured["order_ms"] == pytest.approx(18.0)
    assert measured["order_p95_ms"] == pytest.approx(18.0)


def test_frames_that_took_twice_as_long_were_dropped() -> None:
    timing = PageTiming()
    timing.add_frames([16.0, 17.0] * 30)
    timing.add_frames([16.5, 33.0, 16.5, 66.0])
    measured = timing.measured()
    assert (measured["n_frames"], measured["n_dropped"]) == (64, 1 + 3)
    assert measured["frame_ms"] == 16.75
    assert measured["frame_jitter_ms"] == pytest.approx(0.5, abs=0.02)


def test_only_what_is_known_is_reported() -> None:
    timing = PageTiming()
    assert timing.measured() == {"n_frames": 0.0, "n_dropped": 0.0, "n_unseen": 0.0}
    timing.add_unseen()
    timing.add_clicks([10.0, -5.0, 40.0])
    timing.add_exchange(1.0, 0.0, 1.004)
    measured = timing.measured()
    assert (measured["n_unseen"], measured["n_clicks"]) == (1, 3)
    assert (measured["click_ms"], measured["click_spread_ms"]) == (10.0, 15.0)
    assert measured["round_trip_ms"] == pytest.approx(4.0)
    assert measured["clock_error_ms"] == pytest.approx(2.0)
    timing.new_page()
    assert "round_trip_ms" not in timing.measured()
