import numpy as np
import pytest
from scipy.signal import butter

from rtbci.errors import ConfigError
from rtbci.stages.filter import SosFilter, group_delay_s


@pytest.mark.parametrize(
    ("low_hz", "high_hz", "says"),
    [
        (30.0, 8.0, r"SosFilter\.bandpass: low_hz is 30 and high_hz is 8, need low_hz < high_hz"),
        (8.0, 8.0, "need low_hz < high_hz"),
        (8.0, 125.0, r"high_hz is 125, need above 0 and below 125 Hz, half the rate of 250 Hz"),
        (0.0, 30.0, "low_hz is 0, need above 0"),
        (-1.0, 30.0, "low_hz is -1, need above 0"),
        (8.0, float("nan"), "high_hz is nan"),
        (8.0, float("inf"), "high_hz is inf"),
    ],
)
def test_bad_band_says_why(low_hz: float, high_hz: float, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        SosFilter.bandpass(low_hz, high_hz, 250.0, 2)


def test_bad_notch_names_its_key() -> None:
    with pytest.raises(ConfigError, match=r"SosFilter\.notch: freq_hz is 60, need above 0 and below 50 Hz"):
        SosFilter.notch(60.0, 100.0, 2)
    with pytest.raises(ConfigError, match=r"SosFilter\.notch: quality is 0, need a number above 0"):
        SosFilter.notch(50.0, 250.0, 2, quality=0.0)


@pytest.mark.parametrize("rate_hz", [0.0, -250.0, float("nan")])
def test_bad_rate(rate_hz: float) -> None:
    with pytest.raises(ConfigError, match=r"rate_hz is .*, need a number above 0"):
        SosFilter.bandpass(8.0, 30.0, rate_hz, 2)


@pytest.mark.parametrize("order", [0, 13])
def test_bad_order(order: int) -> None:
    with pytest.raises(ConfigError, match=f"order is {order}, need 1 to 12"):
        SosFilter.bandpass(8.0, 30.0, 250.0, 2, order)


def test_bad_sections() -> None:
    with pytest.raises(ConfigError, match=r"mine: sos has shape \(6,\), need \(n_sections, 6\)"):
        SosFilter([1, 0, 0, 1, 0, 0], 2, 250.0, name="mine")
    with pytest.raises(ConfigError, match="a0 other than 1"):
        SosFilter([[1, 0, 0, 2, 0, 0]], 2, 250.0)
    with pytest.raises(ConfigError, match="pole on or outside the unit circle"):
        SosFilter([[1, 0, 0, 1, -2.0, 1.0]], 2, 250.0)
    with pytest.raises(ConfigError, match="n_channels is 0"):
        SosFilter([[1, 0, 0, 1, 0, 0]], 0, 250.0)


def test_a_filter_starts_at_the_first_sample() -> None:
    out = SosFilter.notch(50.0, 250.0, 2).push(np.full((50, 2), [300.0, -1e5]))
    np.testing.assert_allclose(out, np.full((50, 2), [300.0, -1e5]), rtol=1e-9)


def test_notch_removes_its_line_and_keeps_the_rest() -> None:
    t_s = np.arange(2500) / 250.0
    line, alpha = np.sin(2 * np.pi * 50 * t_s), np.sin(2 * np.pi * 10 * t_s)
    out = SosFilter.notch(50.0, 250.0, 2).push(np.column_stack((line, alpha)))[1250:]
    assert np.abs(out[:, 0]).max() < 1e-3
    assert np.abs(out[:, 1]).max() == pytest.approx(1.0, abs=0.01)


def test_delays_are_plausible() -> None:
    assert 0.02 < SosFilter.bandpass(8.0, 30.0, 250.0, 1).delay_s < 0.06
    assert SosFilter.notch(50.0, 250.0, 1).delay_s < 0.001


def test_a_butterworth_lowpass_delays_a_constant_as_by_the_book() -> None:
    sos = butter(4, 20.0, fs=2000.0, output="sos")
    # Order 4: 2.613 / (2 pi f) seconds.
    assert group_delay_s(sos, 2000.0, 0.0) == pytest.approx(2.613 / (2 * np.pi * 20.0), rel=0.01)


def test_a_pure_delay_has_its_length() -> None:
    sos = np.array([[0.0, 0.0, 1.0, 1.0, 0.0, 0.0], [0.0, 1.0, 0.0, 1.0, 0.0, 0.0]])
    assert group_delay_s(sos, 100.0, 10.0) == pytest.approx(0.03)


def test_sections_are_given_as_a_copy() -> None:
    stage = SosFilter.bandpass(8.0, 30.0, 250.0, 1)
    stage.sos[:] = 0.0
    assert np.any(stage.sos)
