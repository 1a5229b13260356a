"""A chain that does without its bad electrodes."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtbci.amp.synthetic import DEFAULT_CHANNELS, SyntheticAmp
from rtbci.stages.adapter import SpectroSpatialAdapter
from rtbci.stages.align import RunningAlign
from rtbci.stages.fill import Fill
from rtbci.stages.filter import SosFilter
from rtbci.stages.judge import BLOCK_S, N_CLEAN, N_SUSPECT
from rtbci.stages.mask import MaskedChain
from rtbci.stages.reference import AverageReference
from rtbci.stages.resample import Resample
from rtbci.stages.stage import FloatArray, Stage

RATE_HZ = 250.0
N = 16
LABELS = DEFAULT_CHANNELS[8 : 8 + N]
Spoil = Callable[[FloatArray, np.random.Generator], object]


@pytest.fixture(scope="module")
def clean() -> FloatArray:
    """Twenty seconds of 16 electrodes."""
    return np.asarray(SyntheticAmp(DEFAULT_CHANNELS, seed=3).generate(5000)[0][:, 8 : 8 + N])


def make(
    n: int = N, *, replaces: bool = True, required: tuple[int, ...] = (), has_unit: bool = True
) -> MaskedChain:
    stages: list[Stage] = [
        SpectroSpatialAdapter(np.eye(n), RATE_HZ),
        SosFilter.bandpass(8.0, 30.0, RATE_HZ, n),
        Resample(RATE_HZ, 256.0, n),
        Fill(n, 256.0),
        AverageReference(n, 256.0),
        RunningAlign(n, 256.0, time_constant_s=60.0),
    ]
    return MaskedChain(stages, required, replaces=replaces, has_unit=has_unit)


def between(first_s: float, last_s: float) -> slice:
    return slice(round(first_s * RATE_HZ), round(last_s * RATE_HZ))


def told(chain: MaskedChain) -> list[tuple[float, int, str]]:
    return [(one.i_sample / RATE_HZ, one.channel, one.reason) for one in chain.changes]


FAULTS: dict[str, Spoil] = {
    "flat": lambda x, _: x.fill(x[0]),
    "saturated": lambda x, _: x.fill(187_500.0),
    "not finite": lambda x, _: x.fill(np.nan),
    "too strong": lambda x, rng: np.add(x, 200.0 * rng.standard_normal(len(x)), out=x),
    "line noise": lambda x, _: np.add(
        x, 900.0 * np.sin(2 * np.pi * 50.0 * np.arange(len(x)) / RATE_HZ), out=x
    ),
    "too weak": lambda x, _: np.multiply(x, 0.05, out=x),
    "drift": lambda x, _: np.add(x, 8000.0 * np.arange(len(x)) / RATE_HZ, out=x),
}


def test_nothing_bad_is_as_without(clean: FloatArray) -> None:
    chain, plain = make(), make(replaces=False)
    np.testing.assert_array_equal(chain.push(clean), plain.push(clean))
    assert told(chain) == []
    assert (chain.any_bad, chain.score) == (False, 1.0)


@pytest.mark.parametrize("why", FAULTS)
def test_each_fault_is_masked_with_its_reason_and_unmasked_behind_it(clean: FloatArray, why: str) -> None:
    data = clean.copy()
    FAULTS[why](data[between(5, 13), 5], np.random.default_rng(1))
    chain = make()
    assert np.isfinite(chain.push(data[between(0, 12.9)])).all()
    assert chain.reasons == tuple(why if i == 5 else "" for i in range(N))
    assert np.isfinite(chain.push(data[between(12.9, 20)])).all()
    (t_bad, channel, _), (t_good, channel_again, nothing) = told(chain)
    assert (channel, channel_again, nothing) == (5, 5, "")
    assert 5.0 <= t_bad <= 5.0 + (N_SUSPECT + 1) * BLOCK_S
    assert 13.0 + (N_CLEAN - 1) * BLOCK_S <= t_good <= 17.0


@pytest.mark.parametrize("factor", [1000.0, 1e-4])
@pytest.mark.parametrize("why", ["flat", "too strong", "too weak", "not finite"])
def test_where_nobody_knows_the_unit_electrodes_are_judged_beside_each_other(
    clean: FloatArray, why: str, factor: float
) -> None:
    data = clean.copy()
    FAULTS[why](data[between(5, 20), 5], np.random.default_rng(1))
    in_uv, other = make(), make(has_unit=False)
    in_uv.push(factor * data)
    other.push(factor * data)
    assert other.reasons == tuple(why if i == 5 else "" for i in range(N))
    assert in_uv.bad.all()


def test_noise_as_strong_as_the_others_is_found_by_having_nothing_in_common_with_them(
    clean: FloatArray,
) -> None:
    data = np.tile(clean, (2, 1))
    data[between(5, 22), 5] = 25.0 * np.random.default_rng(1).standard_normal(17 * 250)
    chain = make()
    chain.push(data)
    (t_bad, channel, reason), (t_good, channel_again, _) = told(chain)
    assert (channel, channel_again, reason) == (5, 5, "unlike all others")
    assert 5.0 < t_bad < 18.0
    assert 22.0 < t_good < 30.0


@pytest.mark.parametrize("why", ["saturated", "too strong", "not finite"])
def test_what_comes_out_is_near_what_would_have_been(clean: FloatArray, why: str) -> None:
    data = clean.copy()
    FAULTS[why](data[between(8, 14), 5], np.random.default_rng(1))
    want, masked, spoiled = make().push(clean), make().push(data), make(replaces=False).push(data)
    during = slice(round(9.5 * 256), 14 * 256)
    after = slice(18 * 256, None)

    def off(got: FloatArray, where: slice) -> float:
        return float(np.sqrt(np.mean((got[where] - want[where]) ** 2)))

    assert off(masked, during) < 0.3
    assert off(masked, after) < 0.1
    if why != "not finite":
        assert off(masked, after) < 0.25 * off(spoiled, after)


def test_the_alignment_is_not_moved(clean: FloatArray) -> None:
    """A fault of five minutes that was never seen by it changes the covariance as little as its not being there does."""
    long = np.tile(clean, (6, 1))
    data = long.copy()
    data[between(10, 110), 5] = np.nan
    chains = [make(), make()]
    for chain, signal in zip(chains, (long, data), strict=True):
        chain.push(signal)
    one, other = (next(s for s in chain.stages if isinstance(s, RunningAlign)).covariance for chain in chains)
    assert one is not None
    assert other is not None
    np.testing.assert_allclose(np.diag(other), np.diag(one), rtol=0.2)
    np.testing.assert_allclose(other, one, atol=0.15 * float(np.diag(one).mean()))


def scene(clean: FloatArray) -> FloatArray:
    data = clean.copy()
    rng = np.random.default_rng(2)
    FAULTS["too strong"](data[between(3, 5), 2], rng)
    data[between(4, 4.1), 7] = np.nan
    data[between(6, 7), 9] = 187_500.0
    data[between(7.5, 7.504), 9] = np.inf
    FAULTS["flat"](data[between(8, 9), 11], rng)
    return data


@settings(max_examples=6, deadline=None)
@given(at=st.lists(st.integers(0, 5000), max_size=30))
def test_any_chunking_masks_at_the_same_samples(clean: FloatArray, at: list[int]) -> None:
    data = scene(clean)
    whole, cut = make(), make()
    want = whole.push(data)
    edges = [0, *sorted(at), len(data)]
    got = np.concatenate([cut.push(data[i:j]) for i, j in pairwise(edges)])
    assert told(cut) == told(whole)
    assert len(told(whole)) >= 8
    np.testing.assert_allclose(got, want, rtol=1e-7, atol=1e-7)


def test_one_sample_at_a_time_masks_at_the_same_samples(clean: FloatArray) -> None:
    data = scene(clean)[:2600]
    whole, single = make(), make()
    want = whole.push(data)
    got = np.concatenate([single.push(data[i : i + 1]) for i in range(len(data))])
    assert told(single) == told(whole)
    np.testing.assert_allclose(got, want, rtol=1e-7, atol=1e-7)


def test_input_is_untouched_and_reset_equals_new(clean: FloatArray) -> None:
    data = scene(clean)
    before = data.copy()
    data.setflags(write=False)
    chain = make()
    want = chain.push(data)
    np.testing.assert_array_equal(data, before)
    chain.reset()
    assert (told(chain), chain.any_bad) == ([], False)
    np.testing.assert_array_equal(chain.push(data), want)


def test_a_gap_does_not_make_a_bad_electrode_good(clean: FloatArray) -> None:
    data = clean.copy()
    FAULTS["too strong"](data[:, 5], np.random.default_rng(1))
    chain = make()
    chain.push(data[:1500])
    n = len(chain.changes)
    chain.skip_gap()
    chain.push(data[2000:3000])
    assert len(chain.changes) == n == 1
    assert chain.masked.tolist() == [i == 5 for i in range(N)]


def test_one_that_comes_and_goes_stays_away_longer(clean: FloatArray) -> None:
    data = np.tile(clean, (3, 1))
    for t in range(4, 30, 4):
        data[between(t, t + 0.5), 5] = 187_500.0
    chain = make()
    chain.push(data)
    changes = told(chain)
    assert len(changes) < 8
    assert changes[-1][2] == ""


def test_more_than_half_bad_is_no_signal_and_the_alignment_learns_nothing(clean: FloatArray) -> None:
    data = clean.copy()
    data[between(8, 14), :10] = 0.0
    chain = make()
    align = next(s for s in chain.stages if isinstance(s, RunningAlign))
    chain.push(data[between(0, 9)])
    before = align.covariance
    assert chain.score == pytest.approx(1.0 - 10 / N)
    chain.push(data[between(9, 14)])
    np.testing.assert_array_equal(align.covariance, before)
    chain.push(data[between(14, 20)])
    assert chain.score == 1.0
    assert align.is_learning


def test_a_required_electrode_that_nobody_can_stand_in_for_counts_as_all() -> None:
    far = np.random.default_rng(0).standard_normal((3000, 3)) * 10.0  # nothing in common
    far[2000:, 0] = 3.0
    chain = make(3, required=(0,))
    chain.push(far)
    assert chain.reasons == ("flat", "", "")
    assert chain.score < 0.5
    other = make(3, required=(1,))
    other.push(far)
    assert other.score == pytest.approx(2 / 3)


def unaligned(*, replaces: bool = True) -> MaskedChain:
    stages: list[Stage] = [
        SpectroSpatialAdapter(np.eye(N), RATE_HZ),
        SosFilter.bandpass(8.0, 30.0, RATE_HZ, N),
        Resample(RATE_HZ, 256.0, N),
        Fill(N, 256.0),
    ]
    return MaskedChain(stages, replaces=replaces)


def test_electrodes_are_named_and_not_replaced_where_that_is_not_wanted(clean: FloatArray) -> None:
    chain, data = unaligned(replaces=False), clean.copy()
    data[:, 4] = 7.0
    out = chain.push(data)
    out[:] = np.nan  # it is the caller's
    assert not chain.can_replace
    assert chain.reasons[4] == "flat"
    assert told(chain) == []
    assert not chain.masked.any()
    assert np.isfinite(chain.push(data)).all()


@pytest.mark.parametrize("why", ["not finite", "too strong"])
def test_without_an_alignment_the_chain_learns_by_itself_what_the_others_say(
    clean: FloatArray, why: str
) -> None:
    data = clean.copy()
    FAULTS[why](data[between(8, 14), 5], np.random.default_rng(1))
    chain = unaligned()
    want, got = unaligned(replaces=False).push(clean), chain.push(data)
    during, after = slice(round(9.5 * 256), 14 * 256), slice(18 * 256, None)
    left = np.std(got[during, 5] - want[during, 5])
    of_the_mean = np.std(np.delete(want[during], 5, axis=1).mean(axis=1) - want[during, 5])
    assert left < 0.7 * of_the_mean < np.std(want[during, 5])
    np.testing.assert_allclose(np.delete(got, 5, axis=1), np.delete(want, 5, axis=1), atol=1e-9)
    np.testing.assert_allclose(got[after, 5], want[after, 5], atol=0.1)
    assert [(channel, reason) for _, channel, reason in told(chain)] == [(5, why), (5, "")]
    for one_by_one, whole in ((unaligned(), got), (make(), make().push(data))):
        pieces = [one_by_one.push(data[i : i + 1]) for i in range(len(data))]
        np.testing.assert_allclose(np.concatenate(pieces), whole, atol=1e-9)
    chain.reset()
    np.testing.assert_array_equal(chain.push(data), got)


def test_an_electrode_that_was_never_good_is_the_mean_of_the_others(clean: FloatArray) -> None:
    data = clean.copy()
    data[:, 5] = np.nan
    chain = unaligned()
    got = chain.push(data)
    np.testing.assert_allclose(got[:, 5], np.delete(got, 5, axis=1).mean(axis=1), atol=1e-9)
    assert chain.score == pytest.approx(1 - 1 / N)


def test_what_is_made_up_from_a_bad_electrode_is_bad_with_it(clean: FloatArray) -> None:
    stages = list(make().stages)
    readers = np.zeros((N, N), bool)
    readers[3, 4] = True
    chain = MaskedChain(stages, readers=readers)
    data = clean.copy()
    data[between(5, 9), 4] = 0.0
    chain.push(data[between(0, 8)])
    assert np.flatnonzero(chain.masked).tolist() == [3, 4]
    chain.push(data[between(8, 20)])
    assert not chain.masked.any()


@pytest.mark.parametrize("weight", [0.5, 0.05])
def test_a_dead_electrode_leaves_what_others_are_made_up_of_alone(clean: FloatArray, weight: float) -> None:
    """Row 3 is a sum of 4 and 5; a sum with a sample that is not finite is none, however little it weighs."""
    mix, readers = np.eye(N), np.zeros((N, N), bool)
    mix[3], readers[3, 5] = 0.0, True
    mix[3, 4], mix[3, 5] = weight, 1.0 - weight
    readers[3, 4] = weight >= 0.1
    chain = MaskedChain([SpectroSpatialAdapter(mix, RATE_HZ), *make().stages[1:]], readers=readers)
    data = clean.copy()
    data[between(5, 9), 4] = np.nan
    assert np.isfinite(chain.push(data[between(0, 8)])).all()
    assert np.flatnonzero(chain.masked).tolist() == ([3, 4] if weight >= 0.1 else [4])
    assert chain.reasons[4] == "not finite"
    assert np.isfinite(chain.push(data[between(8, 20)])).all()
    assert not chain.masked.any()


def test_all_electrodes_not_finite_comes_out_finite() -> None:
    chain = make()
    assert np.isfinite(chain.push(np.full((500, N), np.nan))).all()
    assert chain.score == 0.0


def test_what_a_decoder_was_fitted_with_is_no_fault_for_it(clean: FloatArray) -> None:
    """One electrode eight times as strong as the others, one that is weak: as they were, and then another one."""
    data, rng = clean.copy(), np.random.default_rng(1)
    level = np.std(unaligned().push(clean)[500:], axis=0).mean()
    data[:, 5] += 14.0 * level * rng.standard_normal(len(data))
    data[:, 7] *= 0.05
    out = unaligned(replaces=False).push(data)[500:]
    usual = out.T @ out / len(out)
    assert np.sqrt(usual[5, 5] / np.median(np.diag(usual))) > 6.0
    data[between(8, 14), 3] += 200.0 * rng.standard_normal(6 * 250)
    strangers, knows = unaligned(), unaligned()
    knows.expect(usual)
    strangers.push(data)
    got = knows.push(data)
    assert {channel for _, channel, _ in told(strangers)} == {3, 5, 7}
    assert [(channel, reason) for _, channel, reason in told(knows)] == [(3, "too strong"), (3, "")]
    knows.reset()
    pieces = [knows.push(data[i : i + 77]) for i in range(0, len(data), 77)]
    np.testing.assert_allclose(np.concatenate(pieces), got, atol=1e-9)
    knows.reset()
    data[between(8, 14), 5] *= 12.0
    knows.push(data)
    assert {(channel, reason) for _, channel, reason in told(knows)} >= {(3, "too strong"), (5, "too strong")}


def test_what_is_known_of_electrodes_replaces_one_that_is_bad_from_the_start(clean: FloatArray) -> None:
    want = unaligned(replaces=False).push(clean)
    data = clean.copy()
    data[:, 5] = np.nan
    chain, late = unaligned(), slice(500, None)
    stranger = unaligned().push(data)[late, 5]
    chain.expect(want[late].T @ want[late] / len(want[late]))
    got = chain.push(data)[late, 5]
    assert np.std(got - want[late, 5]) < 0.8 * np.std(stranger - want[late, 5])
