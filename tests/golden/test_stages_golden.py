"""Stages against numbers from elsewhere: scipy on the whole signal, and closed forms."""

from typing import cast

import numpy as np
import pytest
from scipy.signal import butter, freqz, group_delay, resample_poly, sosfilt, sosfilt_zi, upfirdn

from rtbci.stages.align import RunningAlign
from rtbci.stages.filter import SosFilter, group_delay_s
from rtbci.stages.resample import Resample
from rtbci.stages.stage import FloatArray

RATES_HZ = [250.0, 500.0, 512.0, 1000.0, 1024.0, 2048.0, 160.0, 128.0, 300.0]
every_rate = pytest.mark.parametrize("rate_hz", RATES_HZ)


def _noise(n_samples: int, n_channels: int) -> FloatArray:
    return np.random.default_rng(3).normal(size=(n_samples, n_channels))


def _chunked(stage: SosFilter | Resample, signal: FloatArray, n: int) -> FloatArray:
    return np.concatenate([stage.push(signal[i : i + n]) for i in range(0, len(signal), n)])


def test_bandpass_is_scipys_from_its_steady_state() -> None:
    signal = _noise(2000, 3) + 1e4
    sos = butter(4, [4.0, 40.0], "bandpass", fs=250.0, output="sos")
    want, _ = sosfilt(sos, signal, axis=0, zi=sosfilt_zi(sos)[:, :, np.newaxis] * signal[0])
    got = _chunked(SosFilter.bandpass(4.0, 40.0, 250.0, 3), signal, 7)
    # Rounding alone: the samples are around 1e4.
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-8)


def test_bandpass_from_first_sample_is_scipys_on_a_long_constant_start() -> None:
    signal = _noise(1000, 3) + 1e4
    sos = butter(4, [4.0, 40.0], "bandpass", fs=250.0, output="sos")
    padded = np.concatenate((np.repeat(signal[:1], 5000, axis=0), signal))
    want = sosfilt(sos, padded, axis=0)[5000:]
    got = _chunked(SosFilter.bandpass(4.0, 40.0, 250.0, 3), signal, 7)
    np.testing.assert_allclose(got, want, atol=1e-7)
    assert np.abs(got).max() < 10.0, "an electrode offset of 10 mV makes no transient"


def test_a_start_from_zeros_has_a_transient_and_converges() -> None:
    signal = _noise(2500, 2) + 200.0
    first = SosFilter.bandpass(4.0, 40.0, 250.0, 2).push(signal)
    zero = sosfilt(butter(4, [4.0, 40.0], "bandpass", fs=250.0, output="sos"), signal, axis=0)
    assert np.abs(first - zero)[:50].max() > 10.0
    np.testing.assert_allclose(first[-250:], zero[-250:], atol=1e-8)


@pytest.mark.parametrize("freq_hz", [9.0, 15.5, 28.0])
def test_group_delay_is_scipys(freq_hz: float) -> None:
    b, a = butter(2, [8.0, 30.0], "bandpass", fs=250.0)
    sos = butter(2, [8.0, 30.0], "bandpass", fs=250.0, output="sos")
    _, want = group_delay((b, a), w=[freq_hz], fs=250.0)
    np.testing.assert_allclose(group_delay_s(sos, 250.0, freq_hz) * 250.0, want[0], rtol=1e-6)


def test_stated_delay_is_that_of_a_burst() -> None:
    rate_hz, centre_hz = 250.0, float(np.sqrt(8.0 * 30.0))
    stage = SosFilter.bandpass(8.0, 30.0, rate_hz, 1)
    t_s = np.arange(2000) / rate_hz
    burst = np.exp(-(((t_s - 4.0) / 0.4) ** 2)) * np.sin(2 * np.pi * centre_hz * t_s)
    power = stage.push(burst[:, None])[:, 0] ** 2
    shift_s = float(power @ t_s / power.sum()) - 4.0
    assert shift_s == pytest.approx(stage.delay_s, abs=0.002)


@every_rate
def test_resample_is_upfirdn_with_the_same_kernel(rate_hz: float) -> None:
    stage = Resample(rate_hz, 256.0, 2)
    up, down = stage.up_down
    signal = _noise(1500, 2)
    signal[0] = 0.0  # upfirdn has zeros before the first sample
    want = upfirdn(stage.kernel, signal, up, down, axis=0)
    got = _chunked(stage, signal, 11)
    np.testing.assert_allclose(got, want[: len(got)], rtol=1e-9, atol=1e-12)
    assert len(got) == -(-1500 * up // down)


@every_rate
def test_resample_is_resample_poly_less_the_delay(rate_hz: float) -> None:
    stage = Resample(rate_hz, 256.0, 1)
    up, down = stage.up_down
    # Zeros behind the kernel change nothing here; resample_poly takes off half the length, in whole outputs.
    n_outputs = -(-stage.kernel.size // (2 * down))
    kernel = np.zeros(2 * n_outputs * down + 1)
    kernel[: stage.kernel.size] = stage.kernel
    signal = _noise(1200, 1)
    signal[0] = 0.0
    window = cast("float", kernel / up)  # the stubs do not know that taps may be given
    want = resample_poly(signal, up, down, axis=0, window=window)
    got = stage.push(signal)
    np.testing.assert_allclose(got[n_outputs:], want[: len(got) - n_outputs], rtol=1e-9, atol=1e-12)


@every_rate
@pytest.mark.parametrize("freq_hz", [2.0, 10.0, 25.0, 39.9])
def test_sinusoid_keeps_its_amplitude_and_lags_by_the_stated_delay(rate_hz: float, freq_hz: float) -> None:
    stage = Resample(rate_hz, 256.0, 1)
    assert stage.passband_hz == 40.0
    t_in_s = np.arange(int(4 * rate_hz)) / rate_hz
    got = _chunked(stage, np.sin(2 * np.pi * freq_hz * t_in_s)[:, None], 8)[:, 0]
    t_out_s = np.arange(got.size) / 256.0 - stage.delay_s
    settled = slice(100, None)
    wave = np.exp(2j * np.pi * freq_hz * t_out_s[settled])
    basis = np.column_stack((np.imag(wave), np.real(wave)))
    (in_phase, quadrature), *_ = np.linalg.lstsq(basis, got[settled], rcond=None)
    assert in_phase == pytest.approx(1.0, abs=0.005)
    assert quadrature == pytest.approx(0.0, abs=1e-3)  # a phase error of 1e-3 rad is 4 us at 40 Hz
    residual = got[settled] - basis @ (in_phase, quadrature)
    assert np.abs(residual).max() < 2e-3, "images are 60 dB down"


@every_rate
def test_kernel_stops_what_would_alias_by_60_db(rate_hz: float) -> None:
    stage = Resample(rate_hz, 256.0, 1)
    up, _ = stage.up_down
    fs = up * rate_hz
    _, gain = freqz(stage.kernel / up, worN=np.linspace(min(rate_hz, 256.0) - 40.0, fs / 2, 20000), fs=fs)
    assert 20 * np.log10(np.abs(gain).max()) < -60.0


@pytest.mark.parametrize("rate_hz", [512.0, 1000.0, 1024.0, 2048.0])
@pytest.mark.parametrize("alias_hz", [5.0, 20.0, 39.0])
def test_an_alias_in_the_passband_is_60_db_down(rate_hz: float, alias_hz: float) -> None:
    t_s = np.arange(int(3 * rate_hz)) / rate_hz
    signal = np.sin(2 * np.pi * (256.0 - alias_hz) * t_s)[:, None]
    out = Resample(rate_hz, 256.0, 1).push(signal)[100:]
    assert 20 * np.log10(np.abs(out).max()) < -60.0


@every_rate
def test_a_constant_stays_exact_from_the_first_sample(rate_hz: float) -> None:
    out = Resample(rate_hz, 256.0, 2).push(np.full((500, 2), 12345.678))
    np.testing.assert_allclose(out, 12345.678, rtol=1e-12)


@every_rate
def test_delay_is_short(rate_hz: float) -> None:
    limit_s = 0.013 if rate_hz >= 250 else 0.045
    assert 0.005 < Resample(rate_hz, 256.0, 1).delay_s < limit_s
    assert Resample(rate_hz, 256.0, 1, passband_hz=30.0).delay_s < Resample(rate_hz, 256.0, 1).delay_s


def test_alignment_whitens_stationary_data() -> None:
    rng = np.random.default_rng(11)
    mix = rng.normal(size=(8, 8)) * 15.0
    signal = rng.normal(size=(256 * 240, 8)) @ mix.T
    stage = RunningAlign(8, 256.0, shrinkage=0.0, prior_s=0.0)
    out = stage.push(signal)[256 * 120 :]
    np.testing.assert_allclose(out.T @ out / len(out), np.eye(8), atol=0.05)
    estimate = stage.covariance
    assert estimate is not None
    np.testing.assert_allclose(estimate, mix @ mix.T, atol=0.03 * np.trace(mix @ mix.T) / 8)


def test_alignment_is_the_inverse_root_of_the_past() -> None:
    signal = np.random.default_rng(5).normal(size=(640, 4)) * [1.0, 5.0, 2.0, 9.0]
    out = RunningAlign(4, 256.0, block_s=0.25, shrinkage=0.1, prior_s=0.0).push(signal)
    for block in range(1, 10):
        past = signal[: block * 64]
        moment = past.T @ past / len(past)
        shrunk = 0.9 * moment + 0.1 * np.trace(moment) / 4 * np.eye(4)
        now = slice(block * 64, (block + 1) * 64)
        whitener = out[now].T @ np.linalg.pinv(signal[now].T)  # exact: 64 samples, 4 channels
        np.testing.assert_allclose(whitener @ shrunk @ whitener.T, np.eye(4), atol=1e-8)
