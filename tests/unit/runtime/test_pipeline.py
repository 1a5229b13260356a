from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rtbci.errors import ConfigError
from rtbci.probe.branches import Branch
from rtbci.probe.flicker_clock import FlickerClock
from rtbci.probe.fusion import Fusion
from rtbci.probe.recentre import Recentre
from rtbci.runtime.estimate import Estimate, WindowGrid
from rtbci.runtime.pipeline import Pipeline
from rtbci.runtime.successor import Successor
from rtbci.stages.align import RunningAlign
from rtbci.stages.filter import SosFilter
from rtbci.stages.resample import Decimate, Resample
from rtbci.stages.stage import FloatArray, Stage
from rtbci.stream.ring import Ring
from rtbci.stream.source import Marker
from tests.tiny import check_same, eeg

N_CHANNELS, LENGTH, HOP, RATE_HZ = 3, 64, 16, 256.0
GRID = WindowGrid(LENGTH, HOP)
MARKED = WindowGrid(LENGTH, HOP, marker_policy=True, t_min_s=0.125)


class MeanBranch:
    """Logits are the means of the window's first two channels; remembers every sample it was given."""

    name = "mean"

    def __init__(self, window_samples: int = LENGTH, sign: float = 1.0) -> None:
        self.window_samples = window_samples
        self._sign = sign
        self._ring = Ring(window_samples, N_CHANNELS)

    def push(self, hop: FloatArray) -> None:
        self._ring.write(hop)

    def logits(self) -> FloatArray | None:
        if self._ring.n_held < self.window_samples:
            return None
        return self.logits_of(self._ring.newest(self.window_samples))

    def logits_of(self, window: FloatArray) -> FloatArray:
        return np.asarray(self._sign * window.mean(axis=0)[:2])

    def rehearse(self) -> None:
        self.logits()

    def reset(self) -> None:
        self._ring.reset()


def make(
    rate_hz: float = 250.0, grid: WindowGrid = GRID, branches: tuple[Branch, ...] | None = None
) -> Pipeline:
    stages: list[Stage] = [
        SosFilter.bandpass(8.0, 30.0, rate_hz, N_CHANNELS),
        Resample(rate_hz, RATE_HZ, N_CHANNELS),
        RunningAlign(N_CHANNELS, RATE_HZ),
    ]
    branches = branches or (MeanBranch(),)
    return Pipeline(stages, branches, Fusion(np.ones(len(branches)), np.zeros(2)), grid)


def signal(seconds: float, rate_hz: float = 250.0, t0: float = 100.0) -> tuple[FloatArray, FloatArray]:
    n = round(seconds * rate_hz)
    return eeg(n, N_CHANNELS, rate_hz), t0 + np.arange(n) / rate_hz


def numbers(estimates: list[Estimate]) -> list[tuple[object, ...]]:
    """All but the times that the computation took."""
    return [
        (one.t_window, one.marker, None if one.probs is None else tuple(one.probs.tolist()))
        for one in estimates
    ]


# -- any chunking ------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, 1000), max_size=12), marked=st.booleans())
def test_any_chunking_gives_the_same_estimates(cuts: list[int], marked: bool) -> None:
    data, t_lsl = signal(4.0)
    markers = [Marker(101.0, "a"), Marker(102.5, "b")]

    def decode(edges: list[int]) -> list[tuple[object, ...]]:
        pipeline = make(grid=MARKED if marked else GRID)
        for marker in markers:
            pipeline.mark(marker)
        return numbers([one for i, j in pairwise(edges) for one in pipeline.push(data[i:j], t_lsl[i:j])])

    whole, cut = decode([0, 1000]), decode([0, *sorted(cuts), 1000])
    assert len(whole) == (2 if marked else 64)
    assert [one[:2] for one in cut] == [one[:2] for one in whole]
    for one, other in zip(cut, whole, strict=True):
        if one[2] is None or other[2] is None:
            assert one[2] is other[2]
        else:
            np.testing.assert_allclose(np.array(one[2]), np.array(other[2]), atol=1e-10)


def test_sample_by_sample_is_the_same() -> None:
    data, t_lsl = signal(1.0)
    pipeline = make()
    singly = [one for i in range(len(data)) for one in pipeline.push(data[i : i + 1], t_lsl[i : i + 1])]
    assert [one[:2] for one in numbers(singly)] == [one[:2] for one in numbers(make().push(data, t_lsl))]


def test_a_long_push_needs_no_long_ring_of_stamps() -> None:
    data, t_lsl = signal(40.0)
    estimates = make().push(data, t_lsl)
    assert len(estimates) == 40 * 16
    assert estimates[-1].t_window[1] == t_lsl[-1]


# -- stamps ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate_hz", [250.0, 160.0, 256.0, 512.0, 1000.0])
def test_stamps_of_a_window_are_those_of_the_newest_samples_that_its_ends_need(rate_hz: float) -> None:
    data, t_lsl = signal(3.0, rate_hz)
    # Stamps that cannot be computed from a rate: only looking up gives them.
    t_lsl = t_lsl + 1e-4 * np.random.default_rng(0).random(len(t_lsl))
    ratio = Fraction(round(rate_hz)) / 256
    estimates = make(rate_hz).push(data, t_lsl)
    assert len(estimates) == 3 * 16
    for k, estimate in enumerate(estimates):
        i_last = (k + 1) * HOP - 1
        i_first = max(0, i_last - LENGTH + 1)
        # Output j needs input floor(j M / L), and nothing newer.
        wanted = tuple(t_lsl[int(i * ratio)] for i in (i_first, i_last))
        assert estimate.t_window == wanted


def test_the_first_full_window_starts_at_the_first_sample() -> None:
    data, t_lsl = signal(1.0)
    estimates = make().push(data, t_lsl)
    n_hops = LENGTH // HOP
    assert [one.probs is None for one in estimates[: n_hops + 1]] == [True] * (n_hops - 1) + [False] * 2
    assert estimates[n_hops - 1].t_window[0] == t_lsl[0]
    assert estimates[n_hops].t_window[0] > t_lsl[0]


def test_logits_and_probabilities_are_those_of_the_window() -> None:
    data, t_lsl = signal(2.0, 256.0)
    passed = SosFilter.bandpass(8.0, 30.0, 256.0, N_CHANNELS).push(data)
    passed = RunningAlign(N_CHANNELS, 256.0).push(passed)
    estimates = make(256.0).push(data, t_lsl)
    for k in range(LENGTH // HOP - 1, len(estimates)):
        means = passed[(k + 1) * HOP - LENGTH : (k + 1) * HOP, :2].mean(axis=0)
        logits, probs = estimates[k].logits, estimates[k].probs
        assert logits is not None
        assert probs is not None
        np.testing.assert_allclose(logits, means, atol=1e-12)
        np.testing.assert_allclose(probs, np.exp(means) / np.exp(means).sum(), atol=1e-12)


# -- how many samples --------------------------------------------------------------------------------


@pytest.mark.parametrize("rate_hz", [250.0, 160.0, 256.0, 1000.0, 128.0])
def test_n_needed_is_exact(rate_hz: float) -> None:
    data, t_lsl = signal(3.0, rate_hz)
    pipeline, i = make(rate_hz), 0
    for _ in range(40):
        n = pipeline.n_needed
        assert n >= 1
        assert pipeline.push(data[i : i + n - 1], t_lsl[i : i + n - 1]) == []
        i += n
        assert pipeline.n_needed == 1
        assert len(pipeline.push(data[i - 1 : i], t_lsl[i - 1 : i])) == 1


def test_n_needed_with_the_marker_policy_is_one() -> None:
    assert make(grid=MARKED).n_needed == 1


# -- beginning anew ----------------------------------------------------------------------------------


def test_reset_is_as_new() -> None:
    data, t_lsl = signal(2.0)
    pipeline = make()
    first = numbers(pipeline.push(data, t_lsl))
    pipeline.push(data[:77] * 3.0, t_lsl[:77] + 50.0)
    pipeline.reset()
    assert numbers(pipeline.push(data, t_lsl)) == first


def test_restart_begins_windows_anew_and_keeps_the_alignment() -> None:
    data, t_lsl = signal(3.0)
    pipeline = make()
    new = numbers(pipeline.push(data, t_lsl))
    pipeline.restart()
    again = numbers(pipeline.push(data, t_lsl + 10.0))
    n_hops = LENGTH // HOP
    assert [one[2] is None for one in again[:n_hops]] == [True] * (n_hops - 1) + [False]
    assert again[n_hops - 1][0] == (t_lsl[0] + 10.0, new[n_hops - 1][0][1] + 10.0)  # type: ignore[index]
    assert again[n_hops - 1][2] != new[n_hops - 1][2]  # aligned with what was learnt before


def test_branches_that_have_seen_another_stream_start_empty() -> None:
    data, t_lsl = signal(2.0)
    branch = MeanBranch()
    make(branches=(branch,)).push(data, t_lsl)
    estimates = make(branches=(branch,)).push(data, t_lsl + 60.0)
    assert [one.probs is None for one in estimates[: LENGTH // HOP]] == [True] * 3 + [False]


def test_a_branch_of_another_window_is_refused() -> None:
    with pytest.raises(
        ConfigError, match="branch 'mean' has windows of 32 samples, the paradigm's are 64; give"
    ):
        make(branches=(MeanBranch(32),))


# -- swapping ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_before", [100, 251, 333])
def test_swapped_branches_are_primed(n_before: int) -> None:
    data, t_lsl = signal(3.0)
    kept, swapped = make(), make()
    whole = kept.push(data, t_lsl)
    before = swapped.push(data[:n_before], t_lsl[:n_before])
    swapped.exchange(Successor([MeanBranch(sign=-1.0)], Fusion([1.0], np.zeros(2))))
    after = swapped.push(data[n_before:], t_lsl[n_before:])
    assert [one.t_window for one in before + after] == [one.t_window for one in whole]
    for one, other in zip(after, whole[len(before) :], strict=True):
        assert (one.probs is None) == (other.probs is None)
        if one.probs is not None and other.probs is not None:
            np.testing.assert_allclose(one.probs, other.probs[::-1], atol=1e-10)


def test_swapped_branches_are_primed_with_long_hops_too() -> None:
    grid = WindowGrid(480, 400)  # no whole number of hops, each longer than a second
    data, t_lsl = signal(12.0)

    def pipeline() -> Pipeline:
        return make(grid=grid, branches=(MeanBranch(480),))

    swapped = pipeline()
    swapped.push(data[:2000], t_lsl[:2000])
    swapped.exchange(Successor([MeanBranch(480)], Fusion([1.0], np.zeros(2))))
    after, whole = swapped.push(data[2000:], t_lsl[2000:]), pipeline().push(data, t_lsl)
    assert after[0].probs is not None
    check_same(after[0].probs, whole[-len(after)].probs, 1e-12)


# -- markers -----------------------------------------------------------------------------------------


def test_marker_windows_begin_t_min_after_the_marker() -> None:
    data, t_lsl = signal(4.0, 256.0)
    pipeline = make(256.0, MARKED)
    pipeline.mark(Marker(101.0, "T1"))
    (estimate,) = pipeline.push(data, t_lsl)
    assert estimate.marker == Marker(101.0, "T1")
    i = 256 + 32
    assert estimate.t_window == (t_lsl[i], t_lsl[i + LENGTH - 1])
    passed = SosFilter.bandpass(8.0, 30.0, 256.0, N_CHANNELS).push(data)
    means = RunningAlign(N_CHANNELS, 256.0).push(passed)[i : i + LENGTH, :2].mean(axis=0)
    assert estimate.logits is not None
    np.testing.assert_allclose(estimate.logits, means, atol=1e-12)


@pytest.mark.parametrize("late_s", [0.0, 2.0, 9.0])
def test_a_marker_may_come_late(late_s: float) -> None:
    data, t_lsl = signal(14.0)
    pipeline = make(grid=MARKED)
    n = round((2.0 + late_s) * 250)
    assert pipeline.push(data[:n], t_lsl[:n]) == []
    pipeline.mark(Marker(101.0, "T1"))
    estimates = pipeline.push(data[n:], t_lsl[n:])
    in_time = make(grid=MARKED)
    in_time.mark(Marker(101.0, "T1"))
    wanted = in_time.push(data, t_lsl)
    assert [one.t_window for one in estimates] == [one.t_window for one in wanted]
    check_same(estimates[0].probs, wanted[0].probs, 1e-10)


def test_no_marker_window_spans_a_restart() -> None:
    data, t_lsl = signal(4.0)
    pipeline = make(grid=MARKED)
    pipeline.mark(Marker(101.9, "spans"))
    pipeline.mark(Marker(103.0, "behind"))
    estimates = pipeline.push(data[:500], t_lsl[:500])
    pipeline.restart()
    estimates += pipeline.push(data[520:], t_lsl[520:])
    assert [one.marker.value for one in estimates if one.marker] == ["behind"]


def test_a_sliding_pipeline_takes_markers_without_a_word() -> None:
    data, t_lsl = signal(1.0)
    pipeline = make()
    pipeline.mark(Marker(100.5, "T1"))
    assert all(one.marker is None for one in pipeline.push(data, t_lsl))


# -- what it says of itself --------------------------------------------------------------------------


def test_rates_delay_and_times() -> None:
    ticks = iter(range(10_000))
    stages: list[Stage] = [
        SosFilter.bandpass(8.0, 30.0, 250.0, N_CHANNELS),
        Resample(250.0, RATE_HZ, N_CHANNELS),
    ]
    pipeline = Pipeline(stages, [MeanBranch()], Fusion([1.0], np.zeros(2)), GRID, lambda: float(next(ticks)))
    assert (pipeline.rate_in_hz, pipeline.rate_out_hz, pipeline.n_channels_in) == (250.0, RATE_HZ, N_CHANNELS)
    assert pipeline.delay_s == pytest.approx(sum(stage.delay_s for stage in stages))
    data, t_lsl = signal(0.2)
    for estimate in pipeline.push(data, t_lsl)[:1]:
        assert (estimate.filter_s, estimate.encode_s, estimate.probe_s) == (1.0, 1.0, 1.0)


# -- recentring --------------------------------------------------------------------------------------

BIAS = np.array([0.3, -0.1])


def plain(recentre: Recentre | None, grid: WindowGrid = GRID) -> Pipeline:
    """A pipeline whose stages give the same bits for any chunking."""
    # Not so an average reference: BLAS rounds the product of a single row in its own way (tests/contract/test_stages.py).
    stages: list[Stage] = [Decimate(1, RATE_HZ, N_CHANNELS)]
    return Pipeline(stages, [MeanBranch()], Fusion([1.0], BIAS), grid, recentre=recentre)


def logits_of(estimates: list[Estimate]) -> FloatArray:
    return np.array([one.logits for one in estimates if one.logits is not None])


def recentred(logits: FloatArray, hop_s: float = HOP / RATE_HZ) -> FloatArray:
    """Fused logits as recentring from here on gives them; the fusion's bias stays."""
    recentre = Recentre(2, hop_s, 1.0)
    return np.array([recentre.push(one - BIAS) + BIAS for one in logits])


def recentre(grid: WindowGrid = GRID) -> Recentre:
    return Recentre(2, (grid.length if grid.marker_policy else grid.hop) / RATE_HZ, 1.0)


@pytest.mark.parametrize("marked", [False, True])
def test_published_logits_and_probabilities_are_recentred(marked: bool) -> None:
    data, t_lsl = signal(6.0, RATE_HZ)
    grid = MARKED if marked else GRID
    found = []
    for pipeline in (plain(None, grid), plain(recentre(grid), grid)):
        for i in range(12):
            pipeline.mark(Marker(100.1 + 0.4 * i, "T1"))
        found.append(pipeline.push(data + np.array([3.0, 0.0, 0.0]), t_lsl))
    without, estimates = found
    hop_s = (LENGTH if marked else HOP) / RATE_HZ
    np.testing.assert_array_equal(logits_of(estimates), recentred(logits_of(without), hop_s))
    assert abs(logits_of(estimates)[-1] - logits_of(without)[-1]).max() > 0.5
    for one in estimates:
        if one.logits is not None and one.probs is not None:
            np.testing.assert_array_equal(one.probs, Fusion([1.0], BIAS).probs(one.logits))


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, 1024), max_size=12))
@example(cuts=[160, 161])
def test_recentring_gives_the_same_bits_for_any_chunking(cuts: list[int]) -> None:
    data, t_lsl = signal(4.0, RATE_HZ)
    pipeline = plain(recentre())
    edges = [0, *sorted(cuts), len(data)]
    cut = [one for i, j in pairwise(edges) for one in pipeline.push(data[i:j], t_lsl[i:j])]
    assert numbers(cut) == numbers(plain(recentre()).push(data, t_lsl))


def test_a_gap_keeps_what_recentring_has_learnt_and_reset_forgets_it() -> None:
    data, t_lsl = signal(4.0, RATE_HZ)
    without, pipeline = plain(None), plain(recentre())
    raw = logits_of(without.push(data, t_lsl))
    first = logits_of(pipeline.push(data, t_lsl))
    pipeline.restart()
    again = logits_of(pipeline.push(data, t_lsl + 60.0))
    np.testing.assert_array_equal(again, recentred(np.concatenate([raw, raw]))[len(raw) :])
    assert (again != first).any()
    pipeline.reset()
    np.testing.assert_array_equal(logits_of(pipeline.push(data, t_lsl + 120.0)), first)


def test_a_swapped_profile_starts_recentring_anew() -> None:
    data, t_lsl = signal(4.0, RATE_HZ)
    without, pipeline = plain(None), plain(recentre())
    for one in (without, pipeline):
        one.push(data[:512], t_lsl[:512])
        one.exchange(Successor([MeanBranch(sign=-1.0)], Fusion([1.0], BIAS)))
    raw, after = (logits_of(one.push(data[512:], t_lsl[512:])) for one in (without, pipeline))
    np.testing.assert_array_equal(after, recentred(raw))


def test_rehearsing_leaves_recentring_alone() -> None:
    data, t_lsl = signal(2.0, RATE_HZ)
    pipeline = plain(recentre())
    found = []
    for i in range(0, len(data), 32):
        pipeline.rehearse()
        found += pipeline.push(data[i : i + 32], t_lsl[i : i + 32])
    assert numbers(found) == numbers(plain(recentre()).push(data, t_lsl))


# -- the flicker's clock -----------------------------------------------------------------------------


class FollowingBranch(MeanBranch):
    """Reads the flicker's phase."""

    reads_phase = True

    def follow(self, clock: FlickerClock) -> None:
        self.clock = clock

    def agreement(self, shifts_s: FloatArray) -> FloatArray | None:
        return shifts_s


@pytest.mark.parametrize(("branch", "n_hops"), [(MeanBranch(), 0), (FollowingBranch(), 16)])
def test_only_where_a_branch_follows_the_flicker_its_clock_is_told(branch: Branch, n_hops: int) -> None:
    data, t_lsl = signal(1.0)
    pipeline = make(branches=(branch,))
    pipeline.mark(Marker(100.5, "flicker_at/0.5"))
    pipeline.push(data, t_lsl)
    clock = pipeline._flicker
    assert (len(clock._t_hops), len(clock._anchors)) == (min(n_hops, clock._t_hops.maxlen or 0), n_hops // 16)
