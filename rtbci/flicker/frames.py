"""Which frequencies a display can show, and how."""

import math
from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

from rtbci.errors import ConfigError

__all__ = ["COMMON_REFRESH_HZ", "Shown", "check_frequencies", "nearest_exact", "period_frames", "shown"]

COMMON_REFRESH_HZ = (60.0, 75.0, 120.0, 144.0)
EXACT = 1e-6
MIN_FRAMES = 2
"""A flicker needs a bright and a dark frame."""
APART_HZ = 0.2
"""Targets closer than this cannot be told apart in windows of some seconds."""


class Shown(NamedTuple):
    """How a display shows a frequency.

    Parameters
    ----------
    frequency_hz, refresh_hz : float
    frames : int or None
        Frames of a period, where that is a whole number: then on and off is exact.
    nearest_hz : float
        Nearest frequency whose period is a whole number of frames.
    is_sine : bool
        Whether a sampled sine shows it exactly: below half the refresh rate.
    """

    frequency_hz: float
    refresh_hz: float
    frames: int | None
    nearest_hz: float
    is_sine: bool


def period_frames(frequency_hz: float, refresh_hz: float) -> int | None:
    """Frames of a period where that is a whole number of at least two, else None.

    Examples
    --------
    >>> period_frames(12.0, 60.0), period_frames(13.0, 60.0)
    (5, None)
    """
    frames = refresh_hz / frequency_hz
    whole = round(frames)
    return whole if whole >= MIN_FRAMES and abs(frames - whole) <= EXACT * frames else None


def nearest_exact(frequency_hz: float, refresh_hz: float) -> float:
    """Nearest frequency whose period is a whole number of frames.

    Examples
    --------
    >>> nearest_exact(13.0, 60.0), round(nearest_exact(17.0, 144.0), 2)
    (12.0, 18.0)
    """
    frames = refresh_hz / frequency_hz
    candidates = {max(MIN_FRAMES, math.floor(frames)), max(MIN_FRAMES, math.ceil(frames))}
    return min((refresh_hz / n for n in candidates), key=lambda hz: abs(hz - frequency_hz))


def shown(frequency_hz: float, refresh_hz: float) -> Shown:
    """How a display shows a frequency."""
    return Shown(
        frequency_hz,
        refresh_hz,
        period_frames(frequency_hz, refresh_hz),
        nearest_exact(frequency_hz, refresh_hz),
        frequency_hz < refresh_hz / 2,
    )


def check_frequencies(frequencies_hz: Sequence[float], refresh_hz: float, waveform: str, where: str) -> None:
    """Refuse frequencies that a display cannot show as they are, or that would be mistaken for each other.

    Parameters
    ----------
    frequencies_hz : sequence of float
    refresh_hz : float
    waveform : {'sine', 'square'}
        A sine is sampled: each frame's brightness is that of the sine at its time, exact for every frequency below half
        the refresh rate (Chen et al. 2014, doi 10.1080/2326263X.2014.944469). On and off is exact only where a period is
        a whole number of frames.
    where : str
        Begins the message.

    Raises
    ------
    ConfigError
        Names every frequency that is wrong, and what to use instead.

    Notes
    -----
    What is sampled at the refresh rate shows a sine at ``refresh - f`` too; a target there would be answered by both.
    """
    found = [shown(one, refresh_hz) for one in frequencies_hz]
    wrong = []
    for one in found:
        if waveform == "square" and one.frames is None:
            wrong.append(
                f"{one.frequency_hz:g} Hz is no whole number of frames (use {one.nearest_hz:.6g} Hz)"
            )
        elif waveform == "sine" and not one.is_sine:
            wrong.append(f"{one.frequency_hz:g} Hz is not below {refresh_hz / 2:g} Hz")
    wrong += _confused(sorted(frequencies_hz), refresh_hz)
    if wrong:
        raise ConfigError(
            f"{where}: cannot be shown as {waveform} on a display of {refresh_hz:g} Hz: {'; '.join(wrong)}; change "
            "frequencies_hz, waveform or refresh_hz in recipe.toml (`rtbci flicker check` shows what fits)"
        )


def _confused(ordered: Sequence[float], refresh_hz: float) -> list[str]:
    """Pairs that would be taken for each other."""
    wrong = []
    for low, high in combinations(ordered, 2):
        if high - low < APART_HZ:
            wrong.append(f"{low:g} and {high:g} Hz are less than {APART_HZ:g} Hz apart")
        if abs(refresh_hz - low - high) < APART_HZ:
            wrong.append(f"{low:g} Hz is shown at {refresh_hz - low:g} Hz too, as {high:g} Hz")
    return wrong
