import numpy as np
import pytest
from scipy import signal as scipy_signal

from rtbci.monitor.spectrum import ADVICE, SpectrumMeter, band_uv, power_density

RATE_HZ = 250.0
T_S = np.arange(1000) / RATE_HZ
NOISE = 5.0 * np.random.default_rng(0).normal(size=(1000, 6))


def test_density_is_that_of_welch() -> None:
    for segment in (500, 499):
        frequencies_hz, density = power_density(NOISE, RATE_HZ, segment)
        wanted_hz, wanted = scipy_signal.welch(
            NOISE, RATE_HZ, "hann", segment, noverlap=segment - max(1, segment // 2), axis=0
        )
        np.testing.assert_allclose(frequencies_hz, wanted_hz)
        np.testing.assert_allclose(density, wanted, rtol=1e-9)


def test_a_sine_has_its_rms_in_its_band() -> None:
    sine = 20.0 * np.sin(2 * np.pi * 10.0 * T_S)[:, None]
    frequencies_hz, density = power_density(sine, RATE_HZ, 500)
    assert band_uv(frequencies_hz, density, 8.0, 13.0) == pytest.approx(20.0 / np.sqrt(2), rel=0.01)
    assert band_uv(frequencies_hz, density, 13.0, 30.0) < 0.2
    assert np.isnan(band_uv(frequencies_hz, density, 100.0, 200.0))


def test_electrodes_are_judged() -> None:
    data = NOISE.astype(np.float32).copy()
    data[:, 1] = 0.001
    data[:, 2] *= 200.0
    data[:, 3] += 60.0 * np.sin(2 * np.pi * 50.0 * T_S).astype(np.float32)
    data[500, 4] = np.nan
    meter = SpectrumMeter(("A", "B", "C", "D", "E", "F"), RATE_HZ)
    assert not meter.push(data[:200], frozenset())
    assert meter.push(data[200:], frozenset({"F"}))
    assert [one.state for one in meter.electrodes] == ["good", "flat", "noisy", "mains", "unknown", "bad"]
    assert meter.electrodes[3].mains_uv == pytest.approx(60.0 / np.sqrt(2), rel=0.05)
    assert meter.density.shape == (len(meter.frequencies_hz), 6)
    assert meter.frequencies_hz[-1] == 70.0
    assert all(ADVICE[one.state] for one in meter.electrodes[1:])


def test_there_is_a_look_once_a_second_and_none_over_a_gap() -> None:
    meter = SpectrumMeter(("A",), RATE_HZ)
    looks = [meter.push(NOISE[i : i + 10, :1].astype(np.float32), frozenset()) for i in range(0, 1000, 10)]
    assert np.flatnonzero(looks).tolist() == [49, 74, 99]
    meter.reset()
    assert not meter.push(NOISE[:400, :1].astype(np.float32), frozenset())


@pytest.mark.parametrize("rate_hz", [64.0, 80.0, 128.0])
def test_what_the_rate_cannot_show_is_told(rate_hz: float) -> None:
    meter = SpectrumMeter(("A",), rate_hz)
    assert meter.push(NOISE[:, :1].astype(np.float32), frozenset())
    (one,) = meter.electrodes
    assert one.state == "good"
    assert np.isnan(one.mains_uv) == (rate_hz < 103.0)
