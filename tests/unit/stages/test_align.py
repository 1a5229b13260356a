import numpy as np
import pytest

from rtbci.errors import ConfigError, ShapeError
from rtbci.stages.align import RunningAlign
from rtbci.stages.reference import AverageReference
from rtbci.stages.stage import FloatArray

RATE_HZ = 256.0
N_BLOCK = 64


def _eeg(n_s: float, n_channels: int = 6, seed: int = 0) -> FloatArray:
    rng = np.random.default_rng(seed)
    mix = np.random.default_rng(99).normal(size=(n_channels, n_channels)) * 8.0
    return rng.normal(size=(round(n_s * RATE_HZ), n_channels)) @ mix.T


def _covariance(stage: RunningAlign) -> FloatArray:
    covariance = stage.covariance
    assert covariance is not None
    return covariance


def test_the_first_block_has_the_right_scale_from_its_first_sample() -> None:
    for scale in (0.1, 1.0, 1e6):  # below MIN_RMS it is no EEG
        out = RunningAlign(6, RATE_HZ).push(_eeg(0.25) * scale)
        assert np.sqrt((out[0] ** 2).mean()) == pytest.approx(1.0)
        assert np.abs(out).max() < 8.0


def test_the_first_block_starts_at_zero_without_harm() -> None:
    signal = _eeg(1.0)
    signal[:5] = 0.0  # a band-pass started on its first sample gives exactly this
    out = RunningAlign(6, RATE_HZ).push(signal)
    assert np.isfinite(out).all()
    np.testing.assert_array_equal(out[:5], 0.0)
    signal[:5] = 1e-12  # and with another order of summation, rounding errors
    np.testing.assert_allclose(RunningAlign(6, RATE_HZ).push(signal), out, rtol=1e-9, atol=1e-9)
    assert np.abs(out).max() < 30.0


def test_rank_deficient_data_do_not_blow_up() -> None:
    signal = AverageReference(20, RATE_HZ).push(_eeg(60.0, 20))
    for shrinkage in (0.05, 0.0):
        out = RunningAlign(20, RATE_HZ, shrinkage=shrinkage).push(signal)
        assert np.abs(out).max() < 20.0


def test_scale_of_the_input_does_not_matter() -> None:
    signal = _eeg(5.0)
    out = RunningAlign(6, RATE_HZ).push(signal)
    np.testing.assert_allclose(RunningAlign(6, RATE_HZ).push(signal * 1e3), out, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("i_block", [0, 1, 5, 100])
def test_one_huge_block_is_capped(i_block: int) -> None:
    signal = _eeg(60.0)
    spoilt = signal.copy()
    spoilt[i_block * N_BLOCK : (i_block + 1) * N_BLOCK, 2] += 5000.0
    clean, robust = RunningAlign(6, RATE_HZ), RunningAlign(6, RATE_HZ)
    want, got = clean.push(signal), robust.push(spoilt)
    # Three blocks later all is well again; uncapped, channel 2 would be gone for the minute.
    after = slice((i_block + 3) * N_BLOCK, None)
    ratio = np.sqrt((got[after] ** 2).mean(axis=0) / (want[after] ** 2).mean(axis=0))
    assert (ratio > 0.6).all()
    assert (ratio < 1.1).all()
    assert np.trace(_covariance(robust)) < 1.1 * np.trace(_covariance(clean))


def test_a_lasting_change_of_level_is_followed() -> None:
    signal = np.concatenate((_eeg(30.0) * 0.01, _eeg(60.0, seed=1)))
    out = RunningAlign(6, RATE_HZ, time_constant_s=10.0).push(signal)
    assert (out[-2560:] ** 2).mean() == pytest.approx(1.0, abs=0.25)


def test_flat_and_broken_blocks_do_not_count() -> None:
    stage = RunningAlign(6, RATE_HZ)
    stage.push(np.zeros((10 * N_BLOCK + 1, 6)))
    assert stage.covariance is None
    assert stage.weight_s == 0.0
    stage.reset()
    signal = _eeg(4.0)
    signal[3 * N_BLOCK + 5, 1] = np.nan
    out = stage.push(np.concatenate((signal, signal[:1])))
    assert stage.weight_s == pytest.approx(15 * 0.25)
    assert np.isfinite(out[4 * N_BLOCK :]).all()


def test_a_block_uses_only_what_was_before_it() -> None:
    signal = _eeg(3.0)
    other = signal.copy()
    other[5 * N_BLOCK + 3 :] *= 7.0
    a, b = RunningAlign(6, RATE_HZ).push(signal), RunningAlign(6, RATE_HZ).push(other)
    np.testing.assert_array_equal(a[: 5 * N_BLOCK + 3], b[: 5 * N_BLOCK + 3])
    np.testing.assert_allclose(b[5 * N_BLOCK + 3 : 6 * N_BLOCK], 7.0 * a[5 * N_BLOCK + 3 : 6 * N_BLOCK])


def test_warm_start_continues_an_earlier_run() -> None:
    signal = _eeg(40.0)
    first = RunningAlign(6, RATE_HZ)
    first.push(signal[: 20 * 256 + 1])
    second = RunningAlign(6, RATE_HZ, warm_start=(_covariance(first), first.weight_s))
    got, want = second.push(signal[20 * 256 :]), RunningAlign(6, RATE_HZ).push(signal)[20 * 256 :]
    np.testing.assert_allclose(got, want, rtol=0.05, atol=0.02)
    assert second.weight_s == pytest.approx(first.weight_s + 20.0 - 0.25)


def test_warm_start_of_another_scale_is_overcome() -> None:
    stage = RunningAlign(6, RATE_HZ, warm_start=(np.eye(6) * 1e-4, 5.0))
    out = stage.push(_eeg(60.0))
    assert (out[-512:] ** 2).mean() == pytest.approx(1.0, abs=0.4)


def test_a_gap_keeps_the_covariance_and_drops_the_open_block() -> None:
    signal = _eeg(10.0)
    stage, twin = RunningAlign(6, RATE_HZ), RunningAlign(6, RATE_HZ)
    stage.push(signal[:2000])  # 31 blocks and 16 samples
    stage.skip_gap()
    twin.push(signal[: 31 * N_BLOCK])
    np.testing.assert_allclose(stage.push(signal[2000:]), twin.push(signal[2000:]))


def test_covariance_is_a_copy() -> None:
    stage, twin = RunningAlign(6, RATE_HZ), RunningAlign(6, RATE_HZ)
    signal = _eeg(2.0)
    stage.push(signal)
    twin.push(signal)
    _covariance(stage)[:] = 0.0
    np.testing.assert_array_equal(stage.push(signal), twin.push(signal))


def test_old_blocks_are_forgotten_at_the_time_constant() -> None:
    stage = RunningAlign(6, RATE_HZ, time_constant_s=5.0)
    stage.push(_eeg(120.0))
    assert stage.weight_s == pytest.approx(5.0, rel=0.05)


def test_bad_settings() -> None:
    with pytest.raises(ConfigError, match="shrinkage is 2, need 0 to 1"):
        RunningAlign(6, RATE_HZ, shrinkage=2.0)
    with pytest.raises(ConfigError, match=r"block_s is 0\.001, need at least one sample"):
        RunningAlign(6, RATE_HZ, block_s=0.001)
    with pytest.raises(ConfigError, match="time_constant_s is -1, need a number above 0, or None"):
        RunningAlign(6, RATE_HZ, time_constant_s=-1.0)
    with pytest.raises(ConfigError, match="prior_s is -1, need 0 or more"):
        RunningAlign(6, RATE_HZ, prior_s=-1.0)
    with pytest.raises(ConfigError, match="n_channels is 0"):
        RunningAlign(0, RATE_HZ)
    with pytest.raises(ShapeError, match=r"covariance of shape \(5, 5\), need \(6, 6\)"):
        RunningAlign(6, RATE_HZ, warm_start=(np.eye(5), 1.0))
    with pytest.raises(ConfigError, match="not finite or without power"):
        RunningAlign(6, RATE_HZ, warm_start=(np.zeros((6, 6)), 1.0))


def test_recent_covariance_is_that_of_the_newest_blocks() -> None:
    rng = np.random.default_rng(0)
    align = RunningAlign(3, 64.0, block_s=0.25)
    quiet, loud = rng.standard_normal((64 * 6, 3)), 1.5 * rng.standard_normal((64 * 4 + 1, 3))
    align.push(quiet[: 15 * 16])
    assert align.recent_covariance is None
    align.push(quiet[15 * 16 :])
    align.push(loud)
    newest = loud[:-1]  # a block is counted with the first sample behind it
    assert align.recent_covariance is not None
    np.testing.assert_allclose(align.recent_covariance, newest.T @ newest / len(newest), rtol=1e-9)


def test_blocks_that_are_taken_back_are_as_never_seen() -> None:
    rng = np.random.default_rng(4)
    good, bad = rng.normal(size=(1280, 3)), 100.0 * rng.normal(size=(120, 3))
    one, other = (RunningAlign(3, 256.0, warm_start=(np.eye(3), 5.0)) for _ in range(2))
    for align in (one, other):
        align.push(good)
    one.push(bad)
    one.take_back(120 / 256.0)
    found, wanted = one.covariance, other.covariance
    assert found is not None
    assert wanted is not None
    np.testing.assert_allclose(found, wanted, atol=0.02)
    np.testing.assert_allclose(one.push(good[:64]), other.push(good[:64]), rtol=0.1, atol=0.02)


def test_everything_taken_back_of_a_cold_start_is_a_cold_start() -> None:
    align = RunningAlign(2, 256.0)
    align.push(np.random.default_rng(0).normal(size=(300, 2)))
    align.take_back(60.0)
    assert align.covariance is None
    assert align.shrunk_covariance is None
    assert np.isfinite(align.push(np.ones((10, 2)))).all()


def test_what_is_supposed_stands_in_for_what_is_not_measured() -> None:
    """A channel that says nothing any more, with the variance that it had supposed: the covariance stays."""
    rng = np.random.default_rng(1)
    align = RunningAlign(2, 256.0, time_constant_s=2.0)
    signal = rng.normal(size=(256 * 30, 2)) * [1.0, 3.0]
    align.push(signal)
    align.suppose(np.diag([0.0, 9.0]))
    align.push(signal * [1.0, 0.0])
    assert align.covariance is not None
    np.testing.assert_allclose(np.diag(align.covariance), [1.0, 9.0], rtol=0.15)
    align.suppose(None)
    align.is_learning = False
    before = align.covariance
    align.push(100.0 * signal[:512])
    align.push(signal[:1])
    np.testing.assert_array_equal(align.covariance, before)
