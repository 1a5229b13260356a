import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtbci.errors import ConfigError
from rtbci.probe.recentre import Recentre
from rtbci.stages.stage import FloatArray

HOP_S, PRIOR_S = 0.0625, 2.0
SEEDS = st.integers(0, 2**31)
COUNTS = st.integers(1, 60)
FORGETTING = st.sampled_from([None, 0.5, 30.0])


def windows(seed: int, n: int, n_classes: int = 2) -> FloatArray:
    return np.random.default_rng(seed).normal(0.4, 2.0, (n, n_classes))


def pushed(recentre: Recentre, logits: FloatArray) -> FloatArray:
    return np.array([recentre.push(one) for one in logits])


@settings(deadline=None)
@given(seed=SEEDS, n=COUNTS, n_classes=st.integers(2, 4), time_constant_s=FORGETTING)
def test_it_is_the_formula(seed: int, n: int, n_classes: int, time_constant_s: float | None) -> None:
    logits = windows(seed, n, n_classes)
    z = logits - logits.mean(axis=1, keepdims=True)
    for i, found in enumerate(pushed(Recentre(n_classes, HOP_S, PRIOR_S, time_constant_s), logits)):
        age_s = HOP_S * np.arange(i - 1, -1, -1)  # of the earlier windows, 0 for the one just before
        weights = HOP_S * (np.ones(i) if time_constant_s is None else np.exp(-age_s / time_constant_s))
        wanted = logits[i] - weights @ z[:i] / (weights.sum() + PRIOR_S)
        np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-12)


@settings(deadline=None)
@given(seed=SEEDS, n=COUNTS, n_later=COUNTS, time_constant_s=FORGETTING)
def test_later_windows_change_nothing(seed: int, n: int, n_later: int, time_constant_s: float | None) -> None:
    logits, later = windows(seed, n), windows(seed + 1, n_later)
    alone = pushed(Recentre(2, HOP_S, PRIOR_S, time_constant_s), logits)
    followed = pushed(Recentre(2, HOP_S, PRIOR_S, time_constant_s), np.concatenate([logits, later]))
    np.testing.assert_array_equal(followed[:n], alone)
    np.testing.assert_array_equal(alone[0], logits[0])  # there is nothing before the first


@settings(deadline=None)
@given(seed=SEEDS, n=COUNTS, order=st.permutations(range(3)))
def test_no_class_is_preferred(seed: int, n: int, order: list[int]) -> None:
    logits = windows(seed, n, 3)
    there, back = (pushed(Recentre(3, HOP_S, PRIOR_S), one) for one in (logits, logits[:, order]))
    np.testing.assert_allclose(back, there[:, order], rtol=1e-12, atol=1e-12)
    pair = logits[:, :2]
    swapped = pushed(Recentre(2, HOP_S, PRIOR_S), pair[:, ::-1])
    np.testing.assert_array_equal(swapped, pushed(Recentre(2, HOP_S, PRIOR_S), pair)[:, ::-1])


@settings(deadline=None)
@given(seed=SEEDS, scale=st.floats(0.1, 10.0), time_constant_s=FORGETTING)
def test_it_is_linear(seed: int, scale: float, time_constant_s: float | None) -> None:
    logits, other = windows(seed, 30), windows(seed + 1, 30)
    one, two, both = (
        pushed(Recentre(2, HOP_S, PRIOR_S, time_constant_s), x)
        for x in (logits, other, scale * logits + other)
    )
    np.testing.assert_allclose(both, scale * one + two, atol=1e-10)


def test_a_constant_lean_goes_as_fast_as_the_prior_lets_it() -> None:
    lean = np.array([1.5, -1.5])
    found = pushed(Recentre(2, HOP_S, PRIOR_S), np.tile(lean, (100_000, 1)))
    t_s = HOP_S * np.arange(100_000)
    np.testing.assert_allclose(found[:, 0], 1.5 * PRIOR_S / (t_s + PRIOR_S), rtol=1e-9)
    i_half = round(PRIOR_S / HOP_S)
    np.testing.assert_allclose(found[i_half], lean / 2)  # half of it is gone after prior_s
    assert np.abs(found[-1]).max() < 1e-3


def test_what_all_classes_share_is_left_alone() -> None:
    shared = np.tile([7.0, 7.0, 7.0], (50, 1))
    np.testing.assert_array_equal(pushed(Recentre(3, HOP_S, PRIOR_S), shared), shared)


def test_forgetting_follows_a_lean_that_changes() -> None:
    lean = np.repeat([[1.0, -1.0], [-1.0, 1.0]], 8000, axis=0)
    all_alike, forgets = (pushed(Recentre(2, HOP_S, PRIOR_S, tau), lean)[-1, 0] for tau in (None, 20.0))
    assert abs(all_alike + 1.0) < 0.01  # both halves of the session cancel
    # What is left of a constant lean: the prior against the seconds that are remembered.
    remembered_s = HOP_S / (1.0 - np.exp(-HOP_S / 20.0))
    assert forgets == pytest.approx(-PRIOR_S / (remembered_s + PRIOR_S))


@settings(deadline=None)
@given(seed=SEEDS, n=COUNTS, idle=st.integers(0, 2))
def test_idle_neither_shifts_nor_is_shifted(seed: int, n: int, idle: int) -> None:
    logits = windows(seed, n, 3)
    others = [i for i in range(3) if i != idle]
    found = pushed(Recentre(3, HOP_S, PRIOR_S, idle=idle), logits)
    np.testing.assert_array_equal(found[:, idle], logits[:, idle])
    np.testing.assert_array_equal(found[:, others], pushed(Recentre(2, HOP_S, PRIOR_S), logits[:, others]))


def test_reset_forgets_and_input_is_untouched() -> None:
    logits = windows(0, 40)
    before = logits.copy()
    recentre = Recentre(2, HOP_S, PRIOR_S, 5.0)
    first = pushed(recentre, logits)
    np.testing.assert_array_equal(logits, before)
    assert (pushed(recentre, logits) != first).any()
    recentre.reset()
    np.testing.assert_array_equal(pushed(recentre, logits), first)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ConfigError, match="got 1 classes that are not idle, need at least 2"):
        Recentre(2, HOP_S, PRIOR_S, idle=0)
    with pytest.raises(ConfigError, match="idle is 3, need one of the 3 classes, or None"):
        Recentre(3, HOP_S, PRIOR_S, idle=3)
    with pytest.raises(ConfigError, match="hop_s is 0, prior_s is -1, time_constant_s is nan, need a number"):
        Recentre(2, 0.0, -1.0, float("nan"))
