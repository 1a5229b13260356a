import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtbci.decide.level import MAX_Z, Level
from rtbci.errors import ConfigError


def test_it_is_smooth_and_as_usual_is_a_half() -> None:
    level = Level(smoothing_s=2.0)
    assert level.push(0.0, 10.0) == 0.5
    assert level.push(1.0, 10.5) == pytest.approx(1 / (1 + math.exp(-(1 - math.exp(-0.25)))))


def test_without_smoothing_each_window_is_on_its_own() -> None:
    level = Level(smoothing_s=0.0)
    assert [round(level.push(z, t), 3) for t, z in enumerate([1.0, -1.0])] == [0.731, 0.269]


def test_behind_a_gap_it_goes_on_and_what_was_before_weighs_as_little_as_it_is_old() -> None:
    level = Level(smoothing_s=4.0)
    assert level.push(-3.0, 0.0) < 0.05
    mean = -3.0 * math.exp(-2.25 / 4.0) + 1.0 * (1 - math.exp(-2.25 / 4.0))
    assert level.push(1.0, 2.25) == pytest.approx(1 / (1 + math.exp(-mean)))  # a packet was lost
    assert level.push(0.0, 200.0) == pytest.approx(0.5)  # that long ago nothing counts
    assert level.push(2.0, 1.0) == pytest.approx(1 / (1 + math.exp(-2.0)))  # another stream


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=30), st.floats(0, 10))
def test_it_is_between_its_bounds(values: list[float], smoothing_s: float) -> None:
    level = Level(smoothing_s)
    highest = 1 / (1 + math.exp(-MAX_Z))
    assert all(1 - highest - 1e-9 <= level.push(z, t) <= highest + 1e-9 for t, z in enumerate(values))


@pytest.mark.parametrize("smoothing_s", [-1.0, math.nan, math.inf])
def test_impossible_settings(smoothing_s: float) -> None:
    with pytest.raises(ConfigError, match="need at least 0"):
        Level(smoothing_s)
