import numpy as np
import pytest

from rtbci.runtime.latency import RecentLatency


def test_nothing_yet() -> None:
    assert RecentLatency().percentiles() is None


def test_percentiles_are_numpys() -> None:
    values = np.random.default_rng(0).gamma(2.0, size=300)
    latency = RecentLatency()
    for value in values:
        latency.push(value)
    found = latency.percentiles()
    assert found is not None
    assert (found.p50, found.p95, found.p99) == pytest.approx(tuple(np.percentile(values, [50, 95, 99])))


def test_only_the_newest_are_kept() -> None:
    latency = RecentLatency(8)
    for value in (1000.0,) * 8 + (1.0,) * 8:
        latency.push(value)
    found = latency.percentiles()
    assert found is not None
    assert (found.p50, found.p99) == (1.0, 1.0)
    assert latency.n_pushed == 16
