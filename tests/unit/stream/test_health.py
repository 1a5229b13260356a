"""Gaps, clock resets and the true rate, from stamps alone."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtbci.errors import RateError
from rtbci.stream.health import GapDetector, RateMeter, unbroken
from tests.data_paths import data_dir, needs_data

RATES_HZ = st.sampled_from([128.0, 160.0, 250.0, 256.0, 500.0, 1000.0, 2048.0])
STARTS_S = st.floats(-1e3, 2e9)


def pushed(
    detector: GapDetector, t_lsl: np.ndarray, cuts: list[int] | None = None
) -> list[tuple[int, float]]:
    """All breaks with indices counted over the whole stream."""
    edges = [0, *sorted(cut % (len(t_lsl) + 1) for cut in cuts or []), len(t_lsl)]
    return [
        (start + i, missing_s)
        for start, stop in itertools.pairwise(edges)
        for i, missing_s in detector.push(t_lsl[start:stop])
    ]


@given(rate_hz=RATES_HZ, t0=STARTS_S, n=st.integers(0, 600), cuts=st.lists(st.integers(0, 600), max_size=20))
def test_regular_stamps_have_no_gap(rate_hz: float, t0: float, n: int, cuts: list[int]) -> None:
    detector = GapDetector(rate_hz)
    assert pushed(detector, t0 + np.arange(n) / rate_hz, cuts) == []
    assert (detector.n_gaps, detector.n_clock_resets) == (0, 0)


@given(
    rate_hz=RATES_HZ,
    t0=STARTS_S,
    n=st.integers(3, 600),
    where=st.floats(0, 1),
    error=st.floats(-0.001, 0.001),
    cuts=st.lists(st.integers(0, 600), max_size=20),
)
def test_one_missing_sample_is_one_gap(
    rate_hz: float, t0: float, n: int, where: float, error: float, cuts: list[int]
) -> None:
    removed = 1 + round(where * (n - 3))
    t_lsl = np.delete(t0 + np.arange(n) / rate_hz * (1 + error), removed)
    detector = GapDetector(rate_hz)
    (gap,) = pushed(detector, t_lsl, cuts)
    assert gap[0] == removed
    assert gap[1] == pytest.approx(1 / rate_hz, rel=0.05)
    assert detector.lost_s == gap[1]


@pytest.mark.parametrize("rate_hz", [128.0, 500.0, 1000.0, 2048.0])
@pytest.mark.parametrize("error", [-0.001, -0.0003, 0.001])
@pytest.mark.parametrize("n", [272, 1000, 4000, 16000])
def test_one_missing_sample_is_found_though_the_rate_is_not_the_nominal_one(
    rate_hz: float, error: float, n: int
) -> None:
    """Drift over seconds must not be taken for jitter, in whose range a sample could hide."""
    t_lsl = np.delete(np.arange(n) / rate_hz * (1 + error), n - 2)
    (gap,) = GapDetector(rate_hz).push(t_lsl)
    assert gap[0] == n - 2


@given(
    seed=st.integers(0, 99), cuts=st.lists(st.integers(0, 2000), max_size=30), missing=st.integers(1000, 1900)
)
def test_chunks_do_not_change_what_is_found(seed: int, cuts: list[int], missing: int) -> None:
    jitter = np.random.default_rng(seed).exponential(1e-3, 2000)
    t_lsl = np.delete(np.arange(2000) / 250 + jitter, np.s_[missing : missing + 60])
    whole = pushed(GapDetector(250.0), t_lsl)
    assert pushed(GapDetector(250.0), t_lsl, cuts) == whole
    assert missing in [i for i, _ in whole]


@pytest.mark.parametrize("clump", [2, 8, 32, 125])
def test_clumps_are_not_gaps(clump: int) -> None:
    i = np.arange(250 * 30)
    delay = np.random.default_rng(1).exponential(1e-3, len(i) // clump + 1).repeat(clump)[: len(i)]
    assert len(GapDetector(250.0).push((i // clump * clump + clump) / 250 + delay)) <= 1


def test_jittered_stamps_are_not_gaps() -> None:
    jitter = np.random.default_rng(2).normal(0, 1e-3, 250 * 60)
    assert GapDetector(250.0).push(np.arange(250 * 60) / 250 + jitter) == []


@pytest.mark.parametrize("true_hz", [92.9, 100.0, 107.0])
def test_wrong_nominal_rate_is_learnt_and_a_sample_is_still_missed(true_hz: float) -> None:
    t_lsl = np.delete(np.arange(9000) / true_hz, 5000)
    ((i, missing_s),) = GapDetector(100.0).push(t_lsl)
    assert i == 5000
    assert missing_s == pytest.approx(1 / true_hz, rel=0.1)


def test_backward_jump_is_a_clock_reset_and_the_stream_goes_on() -> None:
    t_lsl = np.concatenate((1000 + np.arange(500) / 250, np.arange(500) / 250))
    detector = GapDetector(250.0)
    ((i, missing_s),) = detector.push(t_lsl)
    assert (i, detector.n_clock_resets, detector.n_gaps) == (500, 1, 0)
    assert missing_s == pytest.approx(-1002.0, abs=0.01)


def test_one_late_stamp_is_no_clock_reset() -> None:
    t_lsl = np.arange(1000) / 250
    t_lsl[500] += 0.03
    detector = GapDetector(250.0)
    assert [i for i, _ in detector.push(t_lsl)] == [500]
    assert detector.n_clock_resets == 0


@pytest.mark.parametrize("true_hz", [50.0, 125.0, 160.0])
def test_a_period_far_longer_than_stated_is_learnt_after_four_samples(true_hz: float) -> None:
    t_lsl = np.delete(np.arange(3000) / true_hz, 2000)
    breaks = [i for i, _ in GapDetector(250.0).push(t_lsl)]
    assert breaks == [1, 2, 3, 4, 2000]


@given(
    first=st.integers(2, 100),
    sizes=st.lists(st.integers(1, 500), min_size=1, max_size=20),
    runs=st.integers(2, 30),
    cuts=st.lists(st.integers(0, 600), max_size=20),
)
def test_every_gap_is_found_however_near_the_one_before(
    first: int, sizes: list[int], runs: int, cuts: list[int]
) -> None:
    # Gaps of any length, `runs` samples apart: one that is as long as another must not hide behind it.
    steps = np.ones(first + runs * len(sizes))
    where = first + runs * np.arange(len(sizes))
    steps[where] += sizes
    t_lsl = np.cumsum(steps) / 250.0
    detector = GapDetector(250.0)
    found = pushed(detector, t_lsl, cuts)
    assert [i for i, _ in found] == where.tolist()
    assert detector.n_clock_resets == 0
    assert detector.lost_s == pytest.approx(sum(sizes) / 250.0, rel=0.05)


def test_reset_equals_new() -> None:
    detector = GapDetector(250.0)
    detector.push(np.array([0.0, 0.004, 1.0]))
    detector.reset()
    assert detector.push(5.0 + np.arange(100) / 250) == []
    assert (detector.n_gaps, detector.lost_s) == (0, 0.0)


@needs_data
@pytest.mark.data
def test_muse_headset_has_three_gaps_of_30_ms_among_clumped_stamps() -> None:
    path = data_dir() / "muse" / "ssvep_subject1.csv"
    t_lsl = np.genfromtxt(path, delimiter=",", skip_header=1, usecols=[0])
    breaks = GapDetector(256.0).push(t_lsl)
    assert [(i, round(missing_s, 2)) for i, missing_s in breaks if i > 256] == [
        (11952, 0.03),
        (21300, 0.03),
        (25140, 0.03),
    ]


@needs_data
@pytest.mark.data
@pytest.mark.parametrize("name", ["p300_subject1.csv", "data_2017-01-27-16.11.50.csv"])
def test_rounded_stamps_have_no_gap_and_a_sample_is_still_missed(name: str) -> None:
    t_lsl = np.genfromtxt(data_dir() / "muse" / name, delimiter=",", skip_header=1, usecols=[0])
    assert GapDetector(256.0).push(t_lsl) == []
    assert [i for i, _ in GapDetector(256.0).push(np.delete(t_lsl, 3000))] == [3000]


@given(true_hz=st.floats(90, 2100), chunk=st.integers(1, 64), t0=STARTS_S)
def test_rate_is_measured(true_hz: float, chunk: int, t0: float) -> None:
    meter = RateMeter(true_hz / 1.0001)
    t_lsl = t0 + np.arange(int(true_hz * 12)) / true_hz
    for start in range(0, len(t_lsl), chunk):
        meter.push(t_lsl[start : start + chunk])
    assert meter.rate_hz == pytest.approx(true_hz, rel=2e-6)
    assert meter.deviation_ppm == pytest.approx(100, abs=3)


def test_rate_needs_three_points_and_starts_again_after_a_clock_reset() -> None:
    meter = RateMeter(250.0)
    assert meter.rate_hz is None
    assert meter.deviation_ppm is None
    meter.push(np.empty(0))
    for t in (5.0, 5.11):
        meter.push(np.array([t]))
    assert meter.rate_hz is None
    meter.push(np.array([5.22]))
    assert meter.rate_hz == pytest.approx(1 / 0.11)
    meter.push(np.array([20.0]))  # what is older than the memory has no say
    assert meter.rate_hz is None
    for t in (20.11, 20.22):
        meter.push(np.array([t]))
    assert meter.rate_hz is not None
    meter.push(np.array([1.0]))
    assert meter.rate_hz is None


def test_impossible_rates_are_refused() -> None:
    with pytest.raises(RateError, match="rate_hz is 0, need more than 0"):
        GapDetector(0)
    with pytest.raises(RateError, match=r"memory_s -1, need more than 0"):
        RateMeter(250, -1)


def test_stretches_without_a_break_are_all_samples_in_order() -> None:
    t_s = np.arange(1000) / 250.0
    t_s[400:] += 0.5
    t_s[700:] += 2.0
    assert unbroken(t_s, 250.0) == [slice(0, 400), slice(400, 700), slice(700, 1000)]
    assert unbroken(np.empty(0), 250.0) == [slice(0, 0)]
    with pytest.raises(RateError, match="rate_hz is 0"):
        unbroken(t_s, 0.0)
