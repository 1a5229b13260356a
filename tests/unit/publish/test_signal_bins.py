import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtbci.publish.signal_bins import BINS_HZ, Bins, SignalBins, samples_per_bin


@pytest.mark.parametrize(
    ("rate_hz", "n"), [(1000.0, 4), (512.0, 3), (500.0, 2), (256.0, 2), (250.0, 1), (160.0, 1), (2048.0, 9)]
)
def test_bins_are_at_most_so_many_a_second(rate_hz: float, n: int) -> None:
    assert samples_per_bin(rate_hz) == n
    assert rate_hz / n <= BINS_HZ


@given(st.lists(st.integers(0, 20), max_size=12), st.integers(1, 5))
def test_any_chunks_give_the_same_bins(lengths: list[int], k: int) -> None:
    data = np.random.default_rng(0).normal(size=(sum(lengths), 3))
    t_s = np.arange(len(data)) / 100.0
    gains = np.array([2.0, 0.5])
    columns = np.array([0, 2])
    bins = SignalBins(columns, gains, k)
    pieces: list[Bins] = []
    i = 0
    for n in lengths:
        piece = bins.push(data[i : i + n], t_s[i : i + n])
        i += n
        if piece is not None:
            pieces.append(piece)
    n_bins = len(data) // k
    wanted = (data[: n_bins * k, columns] * gains).reshape(n_bins, k, 2)
    if not pieces:
        assert n_bins == 0
        return
    for got, what in (("mean", wanted.mean(1)), ("low", wanted.min(1)), ("high", wanted.max(1))):
        np.testing.assert_allclose(np.concatenate([getattr(one, got) for one in pieces]), what, rtol=1e-6)
    assert pieces[0].t_first == 0.0
    assert pieces[-1].t_last == pytest.approx((n_bins * k - 1) / 100.0)
    for one, after in itertools.pairwise(pieces):
        assert after.t_first == pytest.approx(one.t_last + 0.01)


def test_what_is_not_finite_stays_so() -> None:
    data = np.ones((8, 2))
    data[5, 1] = np.nan
    bins = SignalBins(np.array([0, 1]), np.ones(2), 4).push(data, np.arange(8.0))
    assert bins is not None
    assert np.isnan(bins.low[1, 1])
    assert np.isnan(bins.high[1, 1])
    assert np.isnan(bins.mean[1, 1])
    assert np.isfinite(bins.mean[:, 0]).all()
    assert np.isfinite(bins.mean[0]).all()


def test_after_a_reset_no_bin_holds_anything_from_before() -> None:
    bins = SignalBins(np.array([0]), np.ones(1), 4)
    assert bins.push(np.full((3, 1), 9.0), np.arange(3.0)) is None
    bins.reset()
    got = bins.push(np.ones((4, 1)), 10 + np.arange(4.0))
    assert got is not None
    assert (got.high.max(), got.t_first) == (1.0, 10.0)
