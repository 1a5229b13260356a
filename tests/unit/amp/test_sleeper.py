"""A user who sleeps: reproducible, with the proportions of a night, and told apart by simple numbers."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtbci.amp.night import STAGES, Course, draw_night
from rtbci.amp.sleeper import SleepingAmp
from rtbci.errors import ConfigError
from rtbci.probe.epoch_features import FEATURES, describe


def test_nights_have_the_proportions_of_a_textbook() -> None:
    nights = [draw_night(np.random.default_rng(seed)) for seed in range(40)]
    counts = Counter(stage for night in nights for stage in night.stages)
    asleep = sum(n for stage, n in counts.items() if stage != "W")
    shares = {stage: 100 * n / asleep for stage, n in counts.items()}
    assert 2 <= shares["N1"] <= 6
    assert 45 <= shares["N2"] <= 60
    assert 13 <= shares["N3"] <= 23
    assert 18 <= shares["REM"] <= 28
    assert 6 <= np.mean([night.duration_s for night in nights]) / 3600 <= 8.5
    early = Counter(stage for night in nights for stage in night.stages[: len(night.stages) // 3])
    assert early["N3"] > 0.6 * counts["N3"]
    assert early["REM"] < 0.3 * counts["REM"]
    assert all(night.stages[0] == night.stages[-1] == "W" for night in nights)


@settings(max_examples=10, deadline=None)
@given(cuts=st.lists(st.integers(0, 4000), max_size=4))
def test_the_same_samples_however_asked_for(cuts: list[int]) -> None:
    course = Course(("W", "N2", "REM"))
    whole, markers = SleepingAmp(course, seed=3).generate(4000)
    amp = SleepingAmp(course, seed=3)
    edges = [0, *sorted(cuts), 4000]
    parts = [amp.generate(j - i) for i, j in pairwise(edges)]
    np.testing.assert_array_equal(np.concatenate([data for data, _ in parts]), whole)
    assert [one for _, found in parts for one in found] == markers
    assert [(one.t_lsl, one.value) for one in markers] == [(0.0, "W"), (30.0, "N2")]


def test_stages_look_as_the_rules_say() -> None:
    found = {}
    for stage in STAGES:
        data, _ = SleepingAmp(Course((stage,) * 4), seed=5).generate(12_000)
        rows = [describe(np.ascontiguousarray(data[i : i + 3000, 0]), 100.0) for i in range(0, 12_000, 3000)]
        found[stage] = dict(zip(FEATURES, np.median(rows, axis=0).tolist(), strict=True))
    assert max(found, key=lambda one: found[one]["alpha"]) == "W"
    assert max(found, key=lambda one: found[one]["slow_share"]) == "N3"
    assert found["N3"]["slow_share"] > 0.2
    assert max(found["N1"]["slow_share"], found["REM"]["slow_share"]) < 0.05
    eog = {}
    for stage in ("N2", "REM"):
        data, _ = SleepingAmp(Course((stage,) * 4), seed=5).generate(12_000)
        eog[stage] = float(np.ptp(data[:, 1]))
    assert eog["REM"] > 1.5 * eog["N2"]


def test_it_does_what_it_is_told() -> None:
    amp = SleepingAmp(Course(("W",) * 10), seed=0)
    amp.generate(1500)
    amp.set_state("N3")
    _, markers = amp.generate(3000)
    assert [one.value for one in markers] == ["N3"]
    with pytest.raises(ConfigError, match="need one of W, N1"):
        amp.set_state("awake")


def test_behind_its_night_it_is_awake() -> None:
    _, markers = SleepingAmp(Course(("N2",)), seed=0).generate(6000)
    assert [(one.t_lsl, one.value) for one in markers] == [(0.0, "N2"), (30.0, "W")]


@pytest.mark.parametrize(
    ("channels", "rate_hz", "said"), [((), 100.0, "no channels"), (("C4",), 10.0, "10 Hz")]
)
def test_impossible_settings_are_told(channels: tuple[str, ...], rate_hz: float, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        SleepingAmp(Course(("W",)), channels, rate_hz)
