"""A few soft tones, made of sines when the game starts."""

import numpy as np
import pygame

from .world import Happening

__all__ = ["Sounds"]

RATE_HZ = 44_100
SCALE_HZ = (392.0, 440.0, 523.25, 587.33, 659.25, 783.99)
"""A pentatonic scale: the tone of a lantern rises with the streak."""
LOW_HZ = 146.83


class Sounds:
    """Plays what happens; silent when `wanted` is False.

    Raises
    ------
    pygame.error
        When there is no way to play sound.
    """

    def __init__(self, wanted: bool) -> None:
        self._hits: list[pygame.mixer.Sound] = []
        if not wanted:
            return
        pygame.mixer.init(RATE_HZ, -16, 1, 512)
        self._hits = [_tone(hz, 0.9, 0.35) for hz in SCALE_HZ]
        self._miss, self._cue = _tone(LOW_HZ, 0.5, 0.3), _tone(SCALE_HZ[1] / 2, 0.25, 0.18)

    def play(self, happenings: list[Happening], streak: int) -> None:
        """Play the tones of what happened."""
        if not self._hits:
            return
        for happening in happenings:
            if happening.kind == "hit":
                self._hits[min(streak, len(self._hits)) - 1].play()
            elif happening.kind == "miss":
                self._miss.play()
            elif happening.kind == "cue":
                self._cue.play()


def _tone(hz: float, lasts_s: float, loud: float) -> pygame.mixer.Sound:
    t = np.arange(round(lasts_s * RATE_HZ)) / RATE_HZ
    swing = np.sin(2 * np.pi * hz * t) + 0.35 * np.sin(4 * np.pi * hz * t) * np.exp(-t / 0.1)
    shape = np.minimum(1.0, t / 0.006) * np.exp(-t * 5.0 / lasts_s)
    return pygame.mixer.Sound(buffer=(loud * 32_767 / 1.35 * swing * shape).astype(np.int16).tobytes())
