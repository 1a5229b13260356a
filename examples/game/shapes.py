"""Small drawings that several parts use: glows, arrows, text, panels."""

from functools import lru_cache

import numpy as np
import pygame

from .palette import INK, PANEL, Colour

__all__ = ["Surface", "arrow", "font", "forget_fonts", "glow", "panel", "put", "sprite", "text"]

Surface = pygame.Surface
SUPERSAMPLED = 3
"""Sprites are drawn so much larger and scaled down: edges are smooth."""


@lru_cache(maxsize=64)
def font(height_px: int) -> pygame.font.Font:
    """The font that comes with pygame, in a size."""
    return pygame.font.Font(None, max(10, height_px))


@lru_cache(maxsize=512)
def text(words: str, height_px: int, colour: Colour = INK) -> Surface:
    """A line of text; the newest lines are kept."""
    return font(height_px).render(words, True, colour).convert_alpha()


def glow(radius_px: int, colour: Colour, strength: float = 1.0) -> Surface:
    """A round light to add to what is there; sizes and strengths in steps, so that few are made."""
    step = 1 if radius_px < 12 else 4
    return _glow(max(2, radius_px // step * step), colour, round(strength, 1))


@lru_cache(maxsize=1024)
def _glow(radius_px: int, colour: Colour, strength: float) -> Surface:
    surface = pygame.transform.smoothscale(_white_light(), (2 * radius_px, 2 * radius_px))
    surface.fill(tuple(round(strength * part) for part in colour), special_flags=pygame.BLEND_MULT)
    return surface


@lru_cache(maxsize=1)
def _white_light() -> Surface:
    n = 256
    y, x = np.mgrid[:n, :n] - (n - 1) / 2
    fall = 255 * np.clip(1 - np.hypot(x, y) / (n / 2), 0, 1) ** 2.2
    surface = Surface((n, n)).convert()
    pygame.surfarray.blit_array(surface, np.repeat(fall[..., None], 3, axis=2).astype(np.uint8))
    return surface


def forget_fonts() -> None:
    """Let go of fonts, which do not outlive `pygame.quit`."""
    font.cache_clear()


def put(onto: Surface, what: Surface, x: float, y: float, *, add: bool = False) -> None:
    """Draw with the centre at a place."""
    place = (round(x - what.get_width() / 2), round(y - what.get_height() / 2))
    onto.blit(what, place, special_flags=pygame.BLEND_ADD if add else 0)


def sprite(width_px: int, height_px: int) -> Surface:
    """An empty, large sprite to draw on; `pygame.transform.smoothscale` it by 1 / `SUPERSAMPLED`."""
    return Surface((SUPERSAMPLED * width_px, SUPERSAMPLED * height_px), pygame.SRCALPHA)


@lru_cache(maxsize=64)
def arrow(size_px: int, colour: Colour, sign: int) -> Surface:
    """An arrow to the left (-1) or right (1); 0: a cross."""
    big = sprite(size_px, size_px)
    n = big.get_width()
    if sign:
        shape = [(0.05, 0.5), (0.5, 0.08), (0.5, 0.33), (0.95, 0.33), (0.95, 0.67), (0.5, 0.67), (0.5, 0.92)]
        pygame.draw.polygon(big, colour, [(n * (x if sign < 0 else 1 - x), n * y) for x, y in shape])
    else:
        pygame.draw.rect(big, colour, (n * 0.44, n * 0.2, n * 0.12, n * 0.6), border_radius=n // 20)
        pygame.draw.rect(big, colour, (n * 0.2, n * 0.44, n * 0.6, n * 0.12), border_radius=n // 20)
    return pygame.transform.smoothscale(big, (size_px, size_px)).convert_alpha()


@lru_cache(maxsize=32)
def panel(width_px: int, height_px: int, opacity: int = 190) -> Surface:
    """A dark, round-cornered ground for text."""
    surface = Surface((width_px, height_px), pygame.SRCALPHA)
    radius = min(24, height_px // 4)
    pygame.draw.rect(surface, (*PANEL, opacity), surface.get_rect(), border_radius=radius)
    pygame.draw.rect(surface, (255, 255, 255, 26), surface.get_rect(), width=1, border_radius=radius)
    return surface.convert_alpha()
