import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtbci.errors import ConfigError, ShapeError, SignalError
from rtbci.stages.marker_windows import MarkerWindow, MarkerWindows
from rtbci.stages.stage import FloatArray
from rtbci.stream.source import Marker

RATE_HZ = 100.0
N = 2000
T_LSL = 5000.0 + np.arange(N) / RATE_HZ
SIGNAL = np.column_stack((np.arange(N, dtype=np.float64), -np.arange(N, dtype=np.float64)))


def _windows(history_s: float = 10.0) -> MarkerWindows:
    return MarkerWindows(-0.2, 0.8, RATE_HZ, 2, history_s)


def _push(cutter: MarkerWindows, start: int, stop: int) -> list[MarkerWindow]:
    return cutter.push(SIGNAL[start:stop], T_LSL[start:stop])


def _starts(windows: list[MarkerWindow]) -> list[tuple[str, int]]:
    return [(window.marker.value, window.i_start) for window in windows]


def test_window_is_cut_around_its_marker() -> None:
    cutter = _windows()
    cutter.mark(float(T_LSL[300]) + 0.002, "left")
    (window,) = _push(cutter, 0, 1000)
    assert window.marker == Marker(float(T_LSL[300]) + 0.002, "left")
    assert window.i_start == 280
    np.testing.assert_array_equal(window.window, SIGNAL[280:380])


def test_marker_goes_to_the_nearest_sample() -> None:
    for shift_s, i in ((0.004, 300), (-0.004, 300), (0.006, 301), (-0.006, 299)):
        cutter = _windows()
        cutter.mark(float(T_LSL[300]) + shift_s, "x")
        assert _starts(_push(cutter, 0, 1000)) == [("x", i - 20)]


def test_window_comes_with_its_last_sample() -> None:
    cutter = _windows()
    cutter.mark(float(T_LSL[300]), "left")
    assert _push(cutter, 0, 379) == []
    assert _starts(_push(cutter, 379, 380)) == [("left", 280)]


def test_early_marker_waits_for_its_samples() -> None:
    cutter = _windows()
    cutter.mark(float(T_LSL[900]), "later")
    cutter.mark(float(T_LSL[300]), "sooner")
    assert _starts(_push(cutter, 0, 500)) == [("sooner", 280)]
    assert _starts(_push(cutter, 500, 1000)) == [("later", 880)]


def test_late_marker_gets_its_window_at_the_next_push_even_if_that_is_empty() -> None:
    cutter = _windows()
    _push(cutter, 0, 1200)
    cutter.mark(float(T_LSL[300]), "late")
    assert _starts(_push(cutter, 1200, 1200)) == [("late", 280)]


def test_marker_that_is_too_late_is_reported() -> None:
    cutter = _windows(history_s=1.0)
    _push(cutter, 0, 2000)
    cutter.mark(float(T_LSL[300]), "gone")
    cutter.mark(float(T_LSL[1850]), "there")
    assert _starts(_push(cutter, 2000, 2000)) == [("there", 1830)]
    assert [(drop.marker.value, drop.reason) for drop in cutter.pull_dropped()] == [("gone", "too_late")]
    assert cutter.n_dropped == 1
    assert cutter.pull_dropped() == []


def test_history_is_kept_as_long_as_promised() -> None:
    cutter = _windows(history_s=3.0)
    _push(cutter, 0, 2000)
    cutter.mark(float(T_LSL[2000 - 300 - 80]), "just in time")
    assert _starts(_push(cutter, 2000, 2000)) == [("just in time", 1600)]


def test_marker_before_the_stream_is_reported() -> None:
    cutter = _windows()
    cutter.mark(float(T_LSL[0]) - 3.0, "before")
    cutter.mark(float(T_LSL[5]), "half")
    assert _push(cutter, 0, 500) == []
    assert [drop.reason for drop in cutter.pull_dropped()] == ["before_start", "before_start"]


def test_window_that_begins_after_the_first_sample_is_cut_for_a_marker_before_it() -> None:
    cutter = MarkerWindows(0.5, 1.5, RATE_HZ, 2)
    cutter.mark(float(T_LSL[0]) - 0.2, "before")
    assert _starts(_push(cutter, 0, 500)) == [("before", 30)]


def test_gap_drops_what_would_span_it_and_keeps_what_comes_after() -> None:
    cutter = _windows()
    for i, value in ((100, "done"), (450, "spans"), (900, "after")):
        cutter.mark(float(T_LSL[i]), value)
    assert _starts(_push(cutter, 0, 500)) == [("done", 80)]
    cutter.reset()
    assert [(drop.marker.value, drop.reason) for drop in cutter.pull_dropped()] == [("spans", "gap")]
    assert _starts(_push(cutter, 700, 1500)) == [("after", 180)]  # counted from the reset


def test_marker_in_the_gap_gets_no_window() -> None:
    cutter = _windows()
    _push(cutter, 0, 500)
    cutter.mark(float(T_LSL[600]), "inside")
    cutter.reset()
    assert _push(cutter, 700, 1500) == []
    assert [drop.marker.value for drop in cutter.pull_dropped()] == ["inside"]


def test_markers_at_the_same_time_come_in_the_order_they_were_given() -> None:
    cutter = _windows()
    for value in "zya":
        cutter.mark(float(T_LSL[300]), value)
    assert [window.marker.value for window in _push(cutter, 0, 500)] == ["z", "y", "a"]


def _run(cuts: list[int], at: list[int]) -> list[MarkerWindow]:
    cutter = _windows()
    for i in at:
        cutter.mark(float(T_LSL[i]) + 0.003, str(i))
    edges = [0, *sorted(cuts), N]
    return [window for a, b in itertools.pairwise(edges) for window in _push(cutter, a, b)]


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(0, N), max_size=30), at=st.lists(st.integers(0, N - 1), max_size=20))
def test_windows_do_not_depend_on_the_chunks(cuts: list[int], at: list[int]) -> None:
    pieces, whole = _run(cuts, at), _run([], at)
    assert _starts(pieces) == _starts(whole) == [(str(i), i - 20) for i in sorted(at) if 20 <= i <= N - 80]
    for window in pieces:
        np.testing.assert_array_equal(window.window, SIGNAL[window.i_start : window.i_start + 100])


def test_windows_are_owned_and_input_untouched() -> None:
    cutter = _windows()
    signal: FloatArray = SIGNAL.copy()
    signal.setflags(write=False)
    cutter.mark(float(T_LSL[300]), "a")
    cutter.mark(float(T_LSL[301]), "b")
    first, second = cutter.push(signal, T_LSL)
    first.window[:] = np.nan
    np.testing.assert_array_equal(second.window, SIGNAL[281:381])


def test_bad_input() -> None:
    cutter = _windows()
    with pytest.raises(ShapeError, match=r"MarkerWindows: chunk has shape \(5, 3\), need \(n_samples, 2\)"):
        cutter.push(np.zeros((5, 3)), np.zeros(5))
    with pytest.raises(ShapeError, match=r"t_lsl has shape \(4,\), need \(5,\), one per sample"):
        cutter.push(np.zeros((5, 2)), np.zeros(4))
    with pytest.raises(SignalError, match="marker 'x' has time nan, need a finite number"):
        cutter.mark(float("nan"), "x")


def test_bad_settings() -> None:
    with pytest.raises(ConfigError, match=r"t_min_s is 1 and t_max_s 0.5, need t_min_s below t_max_s"):
        MarkerWindows(1.0, 0.5, RATE_HZ, 2)
    with pytest.raises(ConfigError, match="rate_hz is 0 and n_channels 2"):
        MarkerWindows(0.0, 0.5, 0.0, 2)
    with pytest.raises(ConfigError, match="history_s is -1"):
        MarkerWindows(0.0, 0.5, RATE_HZ, 2, -1.0)
