import pytest

from rtbci.errors import ConfigError
from rtbci.speller.display import flash_frames


@pytest.mark.parametrize(
    ("refresh_hz", "soa", "on"), [(60.0, 11, 6), (75.0, 13, 8), (120.0, 21, 12), (144.0, 25, 14)]
)
def test_times_are_shown_in_the_nearest_frames(refresh_hz: float, soa: int, on: int) -> None:
    frames = flash_frames(0.175, 0.1, refresh_hz, "x")
    assert (frames.soa, frames.on) == (soa, on)
    assert frames.soa_s == pytest.approx(0.175, abs=0.5 / refresh_hz + 1e-9)
    assert frames.flashes_hz == pytest.approx(1 / frames.soa_s)
    assert frames.flash_s == on / refresh_hz


@pytest.mark.parametrize(
    ("soa_s", "flash_s", "refresh_hz", "frames"),
    [(0.175, 0.02, 60.0, "1 of 11"), (0.1, 0.098, 60.0, "6 of 6"), (0.06, 0.034, 60.0, "2 of 4")],
)
def test_what_cannot_be_shown_is_refused(
    soa_s: float, flash_s: float, refresh_hz: float, frames: str
) -> None:
    with pytest.raises(
        ConfigError, match=f"x: flashes of .* are {frames} frames on a display of 60 Hz, need at least 2"
    ):
        flash_frames(soa_s, flash_s, refresh_hz, "x")


@pytest.mark.parametrize("refresh_hz", [0.0, -60.0, float("nan"), float("inf")])
def test_a_display_without_a_rate_is_refused(refresh_hz: float) -> None:
    with pytest.raises(ConfigError, match="need a rate above 0"):
        flash_frames(0.175, 0.1, refresh_hz, "x")
