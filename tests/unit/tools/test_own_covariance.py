"""How much of a bad electrode the good ones tell."""

import numpy as np
import pytest

from tools.own_covariance import second_moments, share_told


def test_what_follows_from_the_others_is_told_and_noise_is_not() -> None:
    random = np.random.default_rng(0)
    sources = random.standard_normal((20_000, 3))
    signal = sources @ random.standard_normal((3, 8)) + 0.01 * random.standard_normal((20_000, 8))
    signal = np.column_stack([signal, 2.0 * random.standard_normal(20_000)])
    moments = second_moments(signal)
    assert share_told(signal, moments, np.array([2])) > 95.0
    # But for the mean of the good ones, which it is taken about.
    assert share_told(signal, moments, np.array([8])) == pytest.approx(0.0, abs=10.0)


def test_a_covariance_of_somebody_else_tells_less() -> None:
    random = np.random.default_rng(1)
    mixing, others = random.standard_normal((2, 4, 8))
    sources = random.standard_normal((20_000, 4))
    signal = sources @ mixing
    mine, theirs = second_moments(signal), second_moments(sources @ others)
    bad = np.array([0, 5])
    assert share_told(signal, mine, bad) > 90.0 > share_told(signal, theirs, bad)
