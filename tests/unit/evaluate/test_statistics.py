import numpy as np
import pytest
from scipy import stats

from rtbci.evaluate.statistics import SHARE, paired, summarize

RNG = np.random.default_rng(1)


def test_interval_as_scipy() -> None:
    x = RNG.normal(0.7, 0.1, 20)
    found = summarize(x)
    low, high = stats.t.interval(0.95, 19, x.mean(), stats.sem(x))
    assert found.n == 20
    assert found.mean == pytest.approx(x.mean())
    assert found.se == pytest.approx(stats.sem(x))
    assert found.low == pytest.approx(low)
    assert found.high == pytest.approx(high)


def test_missing_numbers_are_left_out() -> None:
    assert summarize([0.5, float("nan"), 0.7]).n == 2
    one, none = summarize([0.5]), summarize([])
    assert (one.mean, one.low, one.n) == (0.5, None, 1)
    assert (none.mean, none.n) == (None, 0)


def test_paired_as_scipy() -> None:
    before = RNG.normal(0.7, 0.1, 15)
    after = before + RNG.normal(0.02, 0.03, 15)
    found = paired("m", "a", "b", before.tolist(), after.tolist())
    assert found.mean == pytest.approx((after - before).mean())
    assert found.p_t == pytest.approx(stats.ttest_rel(after, before).pvalue)
    assert found.p_wilcoxon == pytest.approx(stats.wilcoxon(after, before).pvalue)
    assert found.n == 15


def test_paired_at_the_edges() -> None:
    same = paired("m", "a", "b", [0.5, 0.6], [0.5, 0.6])
    assert (same.mean, same.p_t, same.p_wilcoxon) == (0.0, 1.0, 1.0)
    assert paired("m", "a", "b", [0.5], [0.6]).p_t is None
    assert paired("m", "a", "b", [0.5, float("nan"), 0.4], [0.6, 0.5, 0.6]).n == 2
    assert paired("m", "a", "b", [0.0, 0.25], [0.5, 0.75]).p_t == 0.0  # all by the same amount


def test_an_interval_of_shares_ends_where_they_do() -> None:
    x = np.array([1.0, 0.99, 0.8, 1.0])
    found, free = summarize(x, SHARE), summarize(x)
    assert free.high is not None
    assert free.high > 1.0
    assert (found.mean, found.se, found.low, found.high) == (free.mean, free.se, free.low, 1.0)
    assert summarize(1.0 - x, SHARE).low == 0.0
