import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtbci.decide.level import MAX_Z, Level
from rtbci.errors import ConfigError


def test_it_is_smooth_and_as_usual_is_a_half() -> None:
    level = Level(smoothing_s=2.0, hop_s=0.5)
    assert level.push(0.0, 10.0) == 0.5
    assert level.push(1.0, 10.5) == pytest.approx(1 / (1 + math.exp(-(1 - math.exp(-0.25)))))


def test_without_smoothing_each_window_is_on_its_own() -> None:
    level = Level(smoothing_s=0.0, hop_s=0.5)
    assert [round(level.push(z, t), 3) for t, z in enumerate([1.0, -1.0])] == [0.731, 0.269]


def test_what_does_not_follow_begins_anew() -> None:
    level = Level(smoothing_s=100.0, hop_s=0.5)
    level.push(-3.0, 0.0)
    assert level.push(-3.0, 1.0) < 0.1  # a window was skipped
    assert level.push(0.0, 2.5) == 0.5  # more than that is a gap
    assert level.push(2.0, 1.0) == pytest.approx(1 / (1 + math.exp(-2.0)))  # another stream


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=30), st.floats(0, 10))
def test_it_is_between_its_bounds(values: list[float], smoothing_s: float) -> None:
    level = Level(smoothing_s, hop_s=1.0)
    highest = 1 / (1 + math.exp(-MAX_Z))
    assert all(1 - highest - 1e-9 <= level.push(z, t) <= highest + 1e-9 for t, z in enumerate(values))


@pytest.mark.parametrize("settings", [(-1.0, 1.0), (1.0, 0.0), (math.nan, 1.0)])
def test_impossible_settings(settings: tuple[float, float]) -> None:
    with pytest.raises(ConfigError, match="need at least 0 and more than 0"):
        Level(*settings)
