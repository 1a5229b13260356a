"""Promises that every stage keeps; a new stage is listed here."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtbci.errors import ShapeError
from rtbci.stages.adapter import SpectroSpatialAdapter
from rtbci.stages.align import RunningAlign
from rtbci.stages.align_riemann import RiemannAlign
from rtbci.stages.fill import Fill
from rtbci.stages.filter import SosFilter
from rtbci.stages.guard import Guard
from rtbci.stages.mask import MaskedChain
from rtbci.stages.patches import PatchSlicer
from rtbci.stages.reference import AverageReference, NamedReference
from rtbci.stages.resample import Decimate, Resample
from rtbci.stages.stage import Chain, FloatArray, Stage

N_CHANNELS = 5
N_SAMPLES = 700


@dataclass(frozen=True)
class Case:
    name: str
    make: Callable[[], Stage]
    exact: bool = False
    """Whether any chunking gives the same bits, not only the same numbers to rounding."""


def _matrix(n_out: int) -> FloatArray:
    return np.random.default_rng(1).normal(size=(n_out, N_CHANNELS))


def _fir(n_out: int) -> FloatArray:
    return np.random.default_rng(2).normal(size=(n_out, 15))


def _pick() -> FloatArray:
    matrix = np.zeros((3, N_CHANNELS))
    matrix[[0, 1, 2], [4, 0, 2]] = 1e3, 1.0, -2.0
    return matrix


def _chain() -> Stage:
    return Chain(
        [
            SpectroSpatialAdapter(_matrix(4), 500.0),
            SosFilter.bandpass(8.0, 30.0, 500.0, 4),
            Resample(500.0, 256.0, 4),
            AverageReference(4, 256.0),
            RunningAlign(4, 256.0, block_s=0.1),
        ]
    )


def _masked() -> Stage:
    return MaskedChain(
        [
            SpectroSpatialAdapter(_matrix(4), 500.0),
            SosFilter.bandpass(8.0, 30.0, 500.0, 4),
            Fill(4, 500.0),
            AverageReference(4, 500.0),
            RunningAlign(4, 500.0, block_s=0.1),
        ]
    )


STAGES = [
    Case("bandpass", lambda: SosFilter.bandpass(8.0, 30.0, 250.0, N_CHANNELS)),
    Case("bandpass wide", lambda: SosFilter.bandpass(0.5, 40.0, 250.0, N_CHANNELS)),
    Case("notch", lambda: SosFilter.notch(50.0, 250.0, N_CHANNELS)),
    Case("resample 250", lambda: Resample(250.0, 256.0, N_CHANNELS)),
    Case("resample 160", lambda: Resample(160.0, 256.0, N_CHANNELS)),
    Case("resample 2048", lambda: Resample(2048.0, 256.0, N_CHANNELS)),
    Case("resample 128", lambda: Resample(128.0, 256.0, N_CHANNELS)),
    Case("resample same", lambda: Resample(256.0, 256.0, N_CHANNELS), exact=True),
    Case("decimate 4", lambda: Decimate(4, 1000.0, N_CHANNELS), exact=True),
    Case("decimate 1", lambda: Decimate(1, 1000.0, N_CHANNELS), exact=True),
    Case("average reference", lambda: AverageReference(N_CHANNELS, 256.0)),
    Case("named reference", lambda: NamedReference(["C3", "CZ", "C4", "M1", "M2"], ["M1", "M2"], 256.0)),
    Case("align", lambda: RunningAlign(N_CHANNELS, 256.0)),
    Case("align forgetting", lambda: RunningAlign(N_CHANNELS, 256.0, block_s=0.05, time_constant_s=0.5)),
    Case("align riemann", lambda: RiemannAlign(N_CHANNELS, 256.0, block_s=0.05, time_constant_s=0.5)),
    Case("guard", lambda: Guard(N_CHANNELS, 256.0, learn_s=1.5, window_s=0.25, block_s=0.125), exact=True),
    Case("align warm", lambda: RunningAlign(N_CHANNELS, 256.0, warm_start=(np.eye(N_CHANNELS) * 90.0, 20.0))),
    Case("adapter", lambda: SpectroSpatialAdapter(_matrix(3), 256.0)),
    Case("adapter fir", lambda: SpectroSpatialAdapter(_matrix(3), 256.0, _fir(3))),
    Case("adapter pick", lambda: SpectroSpatialAdapter(_pick(), 256.0), exact=True),
    Case("adapter pick fir", lambda: SpectroSpatialAdapter(_pick(), 256.0, _fir(3))),
    Case("chain", _chain),
    Case("fill", lambda: Fill(N_CHANNELS, 256.0), exact=True),
    Case("masked chain", _masked),
]

SLICERS = {
    "patches": lambda: PatchSlicer(patch_samples=64, hop_samples=16, n_channels=N_CHANNELS),
    "patches of no grid": lambda: PatchSlicer(150, 12, n_channels=N_CHANNELS),
    "patches apart": lambda: PatchSlicer(20, 33, n_channels=N_CHANNELS),
}

every_stage = pytest.mark.parametrize("case", STAGES, ids=lambda case: case.name)
every_slicer = pytest.mark.parametrize("make", SLICERS.values(), ids=SLICERS.keys())
cuts = st.lists(st.integers(0, N_SAMPLES), max_size=40)


def _signal(n_samples: int = N_SAMPLES) -> FloatArray:
    rng = np.random.default_rng(7)
    return rng.normal(size=(n_samples, N_CHANNELS)) * 10.0 + rng.normal(size=N_CHANNELS) * 500.0


def _cut(signal: FloatArray, at: list[int]) -> list[FloatArray]:
    return np.split(signal, sorted(at))


def _same(case: Case, got: FloatArray, want: FloatArray) -> None:
    if case.exact:
        np.testing.assert_array_equal(got, want)
    else:
        np.testing.assert_allclose(got, want, rtol=1e-8, atol=1e-8)


@every_stage
@settings(max_examples=15, deadline=None)
@given(at=cuts)
def test_any_chunking_equals_one_pass(case: Case, at: list[int]) -> None:
    signal = _signal()
    stage = case.make()
    pieces = np.concatenate([stage.push(chunk) for chunk in _cut(signal, at)])
    whole = case.make().push(signal)
    assert whole.shape[0] > 50
    _same(case, pieces, whole)


@every_stage
def test_one_sample_at_a_time_equals_one_pass(case: Case) -> None:
    signal = _signal()
    stage = case.make()
    pieces = np.concatenate([stage.push(signal[i : i + 1]) for i in range(N_SAMPLES)])
    _same(case, pieces, case.make().push(signal))


@every_stage
def test_input_is_untouched_and_may_be_read_only(case: Case) -> None:
    signal = _signal()
    before = signal.copy()
    signal.setflags(write=False)
    case.make().push(signal)
    np.testing.assert_array_equal(signal, before)


@every_stage
def test_empty_chunk_changes_nothing(case: Case) -> None:
    signal, empty = _signal(), np.empty((0, N_CHANNELS))
    stage = case.make()
    assert stage.push(empty).shape == (0, stage.n_channels_out)
    first = stage.push(signal[:333])
    assert stage.push(empty).shape == (0, stage.n_channels_out)
    second = stage.push(signal[333:])
    _same(case, np.concatenate((first, second)), case.make().push(signal))


@every_stage
def test_reset_equals_new(case: Case) -> None:
    signal = _signal()
    stage = case.make()
    stage.push(signal[::-1] * 3.0)
    stage.reset()
    np.testing.assert_array_equal(stage.push(signal), case.make().push(signal))


@every_stage
@pytest.mark.parametrize("shape", [(5, N_CHANNELS + 1), (N_CHANNELS,), (2, 5, N_CHANNELS)])
def test_wrong_shape_says_got_and_need(case: Case, shape: tuple[int, ...]) -> None:
    stage = case.make()
    got = str(shape).replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(ShapeError, match=rf"\w+: chunk has shape {got}, need \(n_samples, {N_CHANNELS}\)"):
        stage.push(np.zeros(shape))


@every_stage
def test_output_leaves_with_its_newest_input(case: Case) -> None:
    signal = _signal()
    stage = case.make()
    i_out = 0
    for i_in in range(N_SAMPLES):
        for _ in range(stage.push(signal[i_in : i_in + 1]).shape[0]):
            assert stage.i_newest(i_out) == i_in
            i_out += 1
    assert stage.i_newest(i_out) >= N_SAMPLES


@every_stage
def test_output_belongs_to_the_caller(case: Case) -> None:
    signal = _signal()
    stage = case.make()
    first = stage.push(signal[:350].copy())
    first[:] = np.nan
    second = stage.push(signal[350:].copy())
    whole = case.make().push(signal)
    _same(case, second, whole[first.shape[0] :])


@every_stage
def test_later_input_does_not_change_earlier_output(case: Case) -> None:
    signal, other = _signal(), _signal()
    other[400:] *= -3.0
    stage = case.make()
    n_before = sum(stage.i_newest(i_out) < 400 for i_out in range(2 * N_SAMPLES))
    a, b = case.make().push(signal), case.make().push(other)
    assert n_before > 20
    _same(case, a[:n_before], b[:n_before])


@every_stage
def test_output_is_float64_and_finite_at_the_stated_rate(case: Case) -> None:
    stage = case.make()
    out = stage.push(_signal())
    assert out.dtype == np.float64
    assert np.isfinite(out).all()
    assert abs(out.shape[0] - N_SAMPLES * stage.rate_out_hz / stage.rate_in_hz) <= 1
    assert 0.0 <= stage.delay_s < 0.1


@every_slicer
@settings(max_examples=20, deadline=None)
@given(at=cuts)
def test_slices_do_not_depend_on_the_chunks(make: Callable[[], PatchSlicer], at: list[int]) -> None:
    signal = _signal()
    slicer = make()
    pieces = np.concatenate([slicer.push(chunk) for chunk in _cut(signal, at)])
    np.testing.assert_array_equal(pieces, make().push(signal))


@every_slicer
def test_slices_are_the_stated_samples(make: Callable[[], PatchSlicer]) -> None:
    signal = _signal()
    slicer = make()
    slices = slicer.push(signal)
    assert slices.flags.c_contiguous
    n_slices = (N_SAMPLES - slicer.patch_samples) // slicer.hop_samples + 1
    assert slices.shape == (n_slices, N_CHANNELS, slicer.patch_samples)
    for k, window in enumerate(slices):
        stop = slicer.patch_samples + k * slicer.hop_samples
        np.testing.assert_array_equal(
            window, signal[stop - slicer.patch_samples : stop].T.astype(slices.dtype)
        )


@every_slicer
def test_a_slice_leaves_with_its_newest_sample(make: Callable[[], PatchSlicer]) -> None:
    signal = _signal()
    slicer = make()
    k = 0
    for i in range(N_SAMPLES):
        for _ in slicer.push(signal[i : i + 1]):
            assert slicer.patch_samples + k * slicer.hop_samples == i + 1
            k += 1
    assert slicer.patch_samples + k * slicer.hop_samples > N_SAMPLES


@every_slicer
def test_slicer_reset_equals_new_and_slices_are_owned(make: Callable[[], PatchSlicer]) -> None:
    signal = _signal()
    slicer = make()
    slicer.push(signal[::-1])[:] = np.nan
    slicer.reset()
    first = slicer.push(signal[:350])
    kept = first.copy()
    second = slicer.push(signal[350:])
    np.testing.assert_array_equal(first, kept)
    np.testing.assert_array_equal(np.concatenate((first, second)), make().push(signal))


@every_slicer
def test_slicer_wrong_shape_says_got_and_need(make: Callable[[], PatchSlicer]) -> None:
    with pytest.raises(ShapeError, match=rf"chunk has shape \(5, 2\), need \(n_samples, {N_CHANNELS}\)"):
        make().push(np.zeros((5, 2)))
