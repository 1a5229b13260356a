import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtbci.errors import ConfigError
from rtbci.flicker.frames import COMMON_REFRESH_HZ, check_frequencies, nearest_exact, period_frames, shown


@pytest.mark.parametrize(
    ("frequency_hz", "refresh_hz", "frames", "nearest_hz"),
    [
        (12.0, 60.0, 5, 12.0),
        (13.0, 60.0, None, 12.0),
        (15.0, 75.0, 5, 15.0),
        (120 / 7, 120.0, 7, 120 / 7),
        (14.4, 144.0, 10, 14.4),
        (17.0, 144.0, None, 18.0),
        (40.0, 60.0, None, 30.0),  # a flicker needs two frames
    ],
)
def test_what_is_a_whole_number_of_frames(
    frequency_hz: float, refresh_hz: float, frames: int | None, nearest_hz: float
) -> None:
    found = shown(frequency_hz, refresh_hz)
    assert found.frames == frames
    assert found.nearest_hz == pytest.approx(nearest_hz)
    assert found.is_sine == (frequency_hz < refresh_hz / 2)


@given(st.floats(1.0, 40.0), st.sampled_from(COMMON_REFRESH_HZ))
def test_the_nearest_is_exact_and_none_is_nearer(frequency_hz: float, refresh_hz: float) -> None:
    nearest = nearest_exact(frequency_hz, refresh_hz)
    assert period_frames(nearest, refresh_hz) is not None
    for frames in range(2, 160):
        assert abs(refresh_hz / frames - frequency_hz) >= abs(nearest - frequency_hz) - 1e-9


def test_everything_that_is_wrong_is_told_at_once() -> None:
    check_frequencies([13.0, 17.0, 21.0], 60.0, "sine", "mine")
    check_frequencies([12.0, 15.0, 20.0], 60.0, "square", "mine")
    with pytest.raises(
        ConfigError,
        match=r"mine: cannot be shown as square on a display of 60 Hz: 13 Hz is no whole number of frames \(use 12 Hz\); "
        r"17 Hz .* \(use 15 Hz\); change frequencies_hz, waveform or refresh_hz",
    ):
        check_frequencies([13.0, 15.0, 17.0], 60.0, "square", "mine")
    with pytest.raises(
        ConfigError, match=r"35 Hz is not below 30 Hz; 10 and 10.1 Hz are less than 0.2 Hz apart"
    ):
        check_frequencies([10.0, 10.1, 35.0], 60.0, "sine", "mine")
    with pytest.raises(ConfigError, match="25 Hz is shown at 35 Hz too, as 35 Hz"):
        check_frequencies([25.0, 35.0], 60.0, "sine", "mine")
