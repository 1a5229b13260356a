from fractions import Fraction

import numpy as np
import pytest

from rtbci.errors import ConfigError, RateError
from rtbci.stages.resample import Decimate, Resample, rational_ratio


@pytest.mark.parametrize(
    ("rate_hz", "ratio"),
    [
        (250.0, Fraction(128, 125)),
        (500.0, Fraction(64, 125)),
        (512.0, Fraction(1, 2)),
        (160.0, Fraction(8, 5)),
        (300.0, Fraction(64, 75)),
        (500.0 / 3.0, Fraction(192, 125)),
        (166.6666667, Fraction(192, 125)),
    ],
)
def test_ratio(rate_hz: float, ratio: Fraction) -> None:
    assert rational_ratio(rate_hz, 256.0) == ratio
    assert rational_ratio(256.0, rate_hz) == 1 / ratio


@pytest.mark.parametrize("rate_hz", [0.0, -1.0, float("nan"), float("inf")])
def test_rate_that_is_not_positive(rate_hz: float) -> None:
    with pytest.raises(RateError, match=r"Resample: rate_in_hz is .*, need a number above 0"):
        Resample(rate_hz, 256.0, 2)
    with pytest.raises(RateError, match="Decimate: rate_in_hz is"):
        Decimate(2, rate_hz, 2)


def test_rate_that_is_no_sensible_fraction() -> None:
    with pytest.raises(
        RateError, match=r"ratio of \d+/\d+, need terms up to 4096; give the amplifier's nominal"
    ):
        Resample(249.87, 256.0, 2)
    with pytest.raises(RateError, match="need a rate that is a fraction of small whole numbers"):
        Resample(float(np.sqrt(2.0)), 256.0, 2)


@pytest.mark.parametrize("passband_hz", [0.0, -4.0, 125.0, float("nan")])
def test_bad_passband(passband_hz: float) -> None:
    with pytest.raises(ConfigError, match=r"passband_hz is .*, need above 0 and below 125 Hz"):
        Resample(250.0, 256.0, 2, passband_hz)


def test_no_channels() -> None:
    with pytest.raises(ConfigError, match="n_channels is 0"):
        Resample(250.0, 256.0, 0)
    with pytest.raises(ConfigError, match="factor is 0"):
        Decimate(0, 250.0, 1)


@pytest.mark.parametrize("rate_hz", [250.0, 160.0, 2048.0, 300.0])
def test_index_is_exact_after_many_hours(rate_hz: float) -> None:
    stage = Resample(rate_hz, 256.0, 1)
    up, down = stage.up_down
    for i_out in (10**9, 10**9 + 1, 10**15 + 7):
        assert stage.i_newest(i_out) == int(Fraction(i_out * down, up).__floor__())


@pytest.mark.parametrize("rate_hz", [250.0, 300.0])
def test_a_day_of_chunks_neither_gains_nor_loses_a_sample(rate_hz: float) -> None:
    stage = Resample(rate_hz, 256.0, 1)
    up, down = stage.up_down
    chunk = np.zeros((100_003, 1))  # shares no factor with the ratio
    n_in = n_out = 0
    for _ in range(int(86_400 * rate_hz) // len(chunk)):
        n_in += len(chunk)
        n_out += len(stage.push(chunk))
    assert n_out == -(-n_in * up // down)
    i_out = n_out
    while stage.i_newest(i_out) == n_in:
        i_out += 1
    assert len(stage.push(chunk[:1])) == i_out - n_out


def test_phase_after_a_long_run_is_as_at_the_start() -> None:
    signal = np.random.default_rng(0).normal(size=(250 * 60, 2))
    stage = Resample(250.0, 256.0, 2)
    stage.push(np.zeros((250 * 3600, 2)))  # whole seconds: the same phase as at 0
    fresh = Resample(250.0, 256.0, 2)
    fresh.push(np.zeros((250, 2)))
    np.testing.assert_array_equal(stage.push(signal), fresh.push(signal))


def test_equal_rates_pass_through() -> None:
    stage = Resample(256.0, 256.0, 2)
    chunk = np.ones((3, 2))
    assert stage.push(chunk) is chunk
    assert stage.delay_s == 0.0
    assert stage.i_newest(17) == 17


def test_decimate_keeps_the_last_of_each_group() -> None:
    stage = Decimate(3, 300.0, 1)
    ramp = np.arange(10.0)[:, None]
    np.testing.assert_array_equal(stage.push(ramp)[:, 0], [2.0, 5.0, 8.0])
    np.testing.assert_array_equal(stage.push(ramp + 10.0)[:, 0], [11.0, 14.0, 17.0])
    assert stage.rate_out_hz == 100.0


def test_a_lower_passband_costs_less_delay() -> None:
    delays = [Resample(128.0, 256.0, 1, passband_hz).delay_s for passband_hz in (20.0, 30.0, 40.0)]
    assert delays == sorted(delays)
    assert delays[0] < 0.6 * delays[2]
