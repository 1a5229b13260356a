import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtbci.errors import ConfigError, ShapeError
from rtbci.stages.guard import Group, Guard
from rtbci.stages.stage import FloatArray

RATE_HZ, N = 128.0, 6


def signal(seconds: float, seed: int = 0) -> FloatArray:
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).standard_normal((N, N)) + 2 * np.eye(N)
    return 5.0 * rng.standard_normal((round(seconds * RATE_HZ), N)) @ mixing.T


def guard(**settings_: object) -> Guard:
    groups = [Group([0, 1, 2]), Group([3, 4, 5])]
    return Guard(N, RATE_HZ, groups, **({"learn_s": 12.0} | settings_))  # type: ignore[arg-type]


def trace(stage: Guard, n: int, step: int = 16) -> FloatArray:
    return np.array([stage.clean(i) for i in range(step, n + 1, step)])


def test_samples_pass_unchanged() -> None:
    data = signal(3.0)
    before = data.copy()
    out = guard().push(data)
    np.testing.assert_array_equal(out, before)


def test_clean_signal_is_clean_and_a_burst_is_told_for_as_long_as_it_is_held() -> None:
    data = signal(60.0)
    start, stop = round(40.0 * RATE_HZ), round(40.5 * RATE_HZ)
    data[start:stop, 0] += 150.0 * np.random.default_rng(5).standard_normal(stop - start)
    stage = guard(hold_s=1.0)
    stage.push(data)
    found = trace(stage, len(data))
    times = np.arange(1, len(found) + 1) * 16 / RATE_HZ
    during = (times > 40.3) & (times <= 42.0)  # the covariance's second, and the hold
    assert (found[during] < 1.0).all()
    quiet = (times < 40.0) | (times > 43.0)
    assert (found[quiet] < 1.0).mean() < 0.04


def test_nothing_is_refused_while_it_learns() -> None:
    stage = guard()
    data = signal(11.0)
    data[700:800] *= 50.0
    stage.push(data)
    assert stage.is_learning
    assert stage.clean(len(data)) == 1.0
    stage.push(signal(4.0, 1))
    assert not stage.is_learning


def test_a_start_with_artefacts_is_learnt_without_them() -> None:
    data = signal(30.0)
    data[400:500] *= 30.0
    stage = guard()
    stage.push(data)
    assert (trace(stage, len(data)) < 1.0).mean() < 0.05
    stage.push(30.0 * signal(1.0, 3))
    assert stage.clean(len(data) + 128) < 1.0


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(1, 2400), max_size=8))
def test_any_chunking_says_the_same_of_every_sample(cuts: list[int]) -> None:
    data = signal(20.0)
    data[2000:2050] *= 20.0
    at_once, streamed = guard(), guard()
    at_once.push(data)
    edges = sorted({0, *cuts, len(data)})
    for i, j in itertools.pairwise(edges):
        streamed.push(data[i:j])
    np.testing.assert_array_equal(trace(streamed, len(data)), trace(at_once, len(data)))


def test_it_asks_only_what_was_known_by_then() -> None:
    data = signal(20.0)
    data[-100:] *= 50.0
    late, early = guard(), guard()
    late.push(data)
    early.push(data[:-160])
    n = len(data) - 160
    assert late.clean(n) == early.clean(n) == 1.0
    assert late.clean(len(data)) < 1.0


def test_what_was_learnt_outlives_a_gap_and_not_a_reset() -> None:
    stage = guard()
    stage.push(signal(15.0))
    stage.skip_gap()
    assert not stage.is_learning
    stage.push(40.0 * signal(2.0, 1))
    assert stage.clean(256) < 1.0
    stage.reset()
    assert stage.is_learning
    assert stage.clean(256) == 1.0


def test_it_follows_a_slow_change_where_it_is_asked_to() -> None:
    data = signal(400.0) * np.linspace(1.0, 2.5, round(400.0 * RATE_HZ))[:, None]
    shares = []
    for follow_s in (20.0, None):
        stage = guard(follow_s=follow_s)
        stage.push(data)
        shares.append((np.array([p for _, p in stage._judged]) < 1e-3).mean())
    assert shares[0] < 0.1 < 0.5 < shares[1]


def test_a_flat_signal_is_not_clean() -> None:
    stage = guard()
    stage.push(signal(15.0))
    stage.push(np.zeros((256, N)))
    assert stage.clean(round(15.0 * RATE_HZ) + 256) < 1.0


def test_a_group_may_have_a_band_of_its_own() -> None:
    stage = Guard(N, RATE_HZ, [Group([0, 1], (20.0, 40.0))], learn_s=12.0)
    data = signal(20.0)
    t = np.arange(len(data)) / RATE_HZ
    data[:, 0] += np.where(t > 17.0, 400.0 * np.sin(2 * np.pi * 1.0 * t), 0.0)  # far below the band
    stage.push(data)
    assert (trace(stage, len(data)) < 1.0).mean() < 0.05


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ConfigError, match="need one or more of 6"):
        Guard(N, RATE_HZ, [Group([])])
    with pytest.raises(ConfigError, match=r"columns \[\[6\]\]"):
        Guard(N, RATE_HZ, [Group([6])])
    with pytest.raises(ConfigError, match="shorter than a sample"):
        Guard(N, RATE_HZ, block_s=0.001)
    with pytest.raises(ShapeError, match="need"):
        guard().push(np.zeros((3, N + 1)))
