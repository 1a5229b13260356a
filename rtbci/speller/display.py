"""Times of flashes in frames of a display."""

import math
from typing import NamedTuple

from rtbci.errors import ConfigError

__all__ = ["COMMON_REFRESH_HZ", "FlashFrames", "flash_frames"]

COMMON_REFRESH_HZ = (60.0, 75.0, 120.0, 144.0)
MIN_FRAMES = 2
"""A flash of one frame is gone when that one is dropped."""
MAX_FLASHES_HZ = 12.5
"""Flashes that follow each other faster run together; P300 spellers use 4 to 8 a second."""


class FlashFrames(NamedTuple):
    """How a display shows flashes: in whole frames.

    Parameters
    ----------
    soa, on : int
        Frames from the onset of a flash to that of the next, and that it lasts.
    refresh_hz : float
    """

    soa: int
    on: int
    refresh_hz: float

    @property
    def soa_s(self) -> float:
        """From onset to onset, as shown, in seconds."""
        return self.soa / self.refresh_hz

    @property
    def flash_s(self) -> float:
        """How long a flash is shown, in seconds."""
        return self.on / self.refresh_hz

    @property
    def flashes_hz(self) -> float:
        """Flashes a second."""
        return self.refresh_hz / self.soa


def flash_frames(soa_s: float, flash_s: float, refresh_hz: float, where: str) -> FlashFrames:
    """Times of flashes in the nearest whole frames.

    Parameters
    ----------
    soa_s, flash_s : float
        From onset to onset, and how long a flash lasts, in seconds.
    refresh_hz : float
        Of the display.
    where : str
        Begins the message.

    Raises
    ------
    ConfigError
        When a flash would have fewer than two frames, would touch the next one, or the rate is none.

    Examples
    --------
    >>> flash_frames(0.175, 0.1, 60.0, "x")[:2]
    (11, 6)

    Notes
    -----
    Windows are cut at the onsets that were shown, so a display whose frames do not divide the times is as good as any;
    halves are rounded up, as a slower flash never does harm.
    """
    if not (math.isfinite(refresh_hz) and refresh_hz > 0):
        raise ConfigError(
            f"{where}: the display refreshes {refresh_hz:g} times a second, need a rate above 0"
        )
    soa, on = (math.floor(one * refresh_hz + 0.5 + 1e-9) for one in (soa_s, flash_s))
    if on < MIN_FRAMES or soa <= on or refresh_hz / soa > MAX_FLASHES_HZ:
        raise ConfigError(
            f"{where}: flashes of {flash_s:g} s every {soa_s:g} s are {on} of {soa} frames on a display of {refresh_hz:g} Hz, "
            f"need at least {MIN_FRAMES} frames with light, one without, and at most {MAX_FLASHES_HZ:g} flashes a second; "
            "change soa_s or flash_s in recipe.toml"
        )
    return FlashFrames(soa, on, refresh_hz)
