"""The boat with its wake, the lanterns, the buoys of the two lanes, wind and sparks."""

import math
import random
from collections import deque
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pygame

from .palette import LEFT, RIGHT, SAIL, Colour, mixed, side_colour
from .perspective import View3
from .shapes import SUPERSAMPLED, Surface, glow, put, sprite
from .world import LANTERN_X, Side

__all__ = ["Fleet"]

N_LEANS = 15
"""Sprites of the boat from leaning far left to far right."""
LEAN_DEG = 16.0
HULL: Colour = (120, 72, 48)
HULL_LIGHT: Colour = (176, 112, 70)
WAKE_S = 1.6
RISING_S = 3.0
BUOY_EVERY = 0.8


@dataclass
class Spark:
    """A bit of light that flies and fades."""

    x: float
    y: float
    vx: float
    vy: float
    life_s: float
    colour: Colour


@dataclass
class Risen:
    """A caught lantern: from where (widths, heights of the window) to where (heights of the sky), and how far it is."""

    side: Side
    u0: float
    v0: float
    u1: float
    v1: float
    share: float = 0.0


class Fleet:
    """Everything on the water, for one size of the window."""

    def __init__(self, view: View3) -> None:
        self._view = view
        self._rng = random.Random(3)
        self._wake: deque[tuple[float, float]] = deque(maxlen=120)  # time and place of the boat
        self._sparks: list[Spark] = []
        self._risen: list[Risen] = []
        self._streaks = [
            (self._rng.random(), self._rng.random(), self._rng.uniform(0.6, 1.3)) for _ in range(26)
        ]
        self._blown = 0.0
        for i in range(N_LEANS):
            _boat(round(view.unit * 0.15), i)

    def release(self, side: Side) -> None:
        """A lantern was caught: sparks, and it rises into the sky and stays there."""
        x, y, _ = self._view.at(LANTERN_X * (-1 if side == "left" else 1), 1.0)
        y -= self._view.unit * 0.05
        for _ in range(40):
            angle, speed = self._rng.uniform(0, 2 * math.pi), self._view.unit * self._rng.uniform(0.05, 0.4)
            colour = mixed(side_colour(side), SAIL, self._rng.random())
            rise = -self._view.unit * 0.12
            vx, vy = speed * math.cos(angle), speed * math.sin(angle) + rise
            self._sparks.append(Spark(x, y, vx, vy, self._rng.uniform(0.5, 1.3), colour))
        out = self._rng.uniform(0.12, 0.42)
        place = (0.5 + (-out if side == "left" else out), self._rng.uniform(0.16, 0.62))
        self._risen.append(Risen(side, x / self._view.width, y / self._view.height, *place))

    def clear_sky(self) -> None:
        """Take the lanterns of the last game out of the sky."""
        self._risen.clear()

    def draw_risen(self, onto: Surface, t_s: float, dt_s: float) -> None:
        """Lanterns that were caught, on their way up and in the sky."""
        view = self._view
        for i, risen in enumerate(self._risen):
            risen.share = min(1.0, risen.share + dt_s / RISING_S)
            eased = risen.share * risen.share * (3 - 2 * risen.share)
            x = (risen.u0 + eased * (risen.u1 - risen.u0)) * view.width + math.sin(
                0.5 * t_s + i
            ) * view.unit * 0.006
            y = (1 - eased) * risen.v0 * view.height + eased * risen.v1 * view.horizon
            size = max(8, 2 * round(view.unit * (0.07 - 0.047 * eased)))
            shine = round(0.6 + 0.1 * math.sin(1.3 * t_s + 2 * i), 1)
            put(onto, glow(2 * size, side_colour(risen.side), shine), x, y, add=True)
            put(onto, _lantern(size, risen.side), x, y)

    def draw_buoys(self, onto: Surface, travelled: float) -> None:
        """Two rows of lights: round and blue on the left, square and orange on the right."""
        n = int(self._view.far / BUOY_EVERY)
        for i in range(n, -1, -1):
            distance = 0.72 + (i * BUOY_EVERY - travelled) % (n * BUOY_EVERY + BUOY_EVERY)
            fade = max(0.0, min(1.0, (self._view.far - distance) / 3))
            for sign, colour in ((-1, LEFT), (1, RIGHT)):
                x, y, scale = self._view.at(sign * 1.08, distance)
                r = max(1.0, self._view.unit * 0.0085 * scale)
                put(onto, glow(max(2, round(r * 4)), colour, round(0.5 * fade, 1)), x, y, add=True)
                tint = mixed((20, 34, 66), colour, fade)
                if sign < 0:
                    pygame.draw.aacircle(onto, tint, (round(x), round(y)), max(1, round(r)))
                else:
                    pygame.draw.rect(
                        onto, tint, (round(x - r), round(y - r), max(2, round(2 * r)), max(2, round(2 * r)))
                    )

    def draw_lantern(
        self, onto: Surface, side: str, progress: float, t_s: float, fading: float = 0.0
    ) -> None:
        """The lantern of a side on its way (0 to 1), or fading out (0 to 1)."""
        distance = self._view.far + (1.0 - self._view.far) * progress
        x, y, scale = self._view.at(LANTERN_X * (-1 if side == "left" else 1), max(0.6, distance))
        size = max(8, 2 * round(self._view.unit * 0.07 * scale**0.8))
        bob = math.sin(2.2 * t_s) * size * 0.05
        colour = side_colour(side)
        shine = round((0.55 + 0.1 * math.sin(5 * t_s)) * (1 - fading), 2)
        if shine > 0.02:
            put(onto, glow(4 * round(size * 0.5), colour, round(shine, 1)), x, y - size * 0.5 + bob, add=True)
        lantern = _lantern(size, side)
        if fading:
            lantern = lantern.copy()
            lantern.set_alpha(round(255 * (1 - fading)))
        put(onto, lantern, x, y - size * 0.55 + bob)
        mirror = max(2, round(size * 0.16))
        pygame.draw.ellipse(
            onto,
            mixed((18, 30, 58), colour, 0.55 * (1 - fading)),
            (round(x - size * 0.26), round(y + size * 0.05), round(size * 0.52), mirror),
        )

    def draw_boat(self, onto: Surface, x: float, speed: float, t_s: float) -> None:
        """The boat, leaning with its speed, and its wake."""
        self._draw_wake(onto, x, t_s)
        px, py, _ = self._view.at(x, 1.0)
        size = round(self._view.unit * 0.15)
        lean = max(-1.0, min(1.0, speed * 1.7))
        put(onto, glow(round(size * 0.9), (92, 74, 44), 0.6), px, py - size * 0.2, add=True)
        put(
            onto,
            _boat(size, round((lean + 1) / 2 * (N_LEANS - 1))),
            px,
            py - size * 0.42 + math.sin(1.7 * t_s) * size * 0.02,
        )

    def draw_wind(self, onto: Surface, thrust: float, dt_s: float) -> None:
        """Streaks that blow as hard as the decoder is sure."""
        self._blown += thrust * dt_s
        if abs(thrust) < 0.03:
            return
        view, side = self._view, "left" if thrust < 0 else "right"
        for u, v, pace in self._streaks:
            x = (u + 0.9 * self._blown * pace) % 1.0 * view.width * 1.2 - view.width * 0.1
            y = view.horizon + (view.waterline - view.horizon) * (0.15 + 0.95 * v)
            length = max(8, round(view.unit * 0.02 * round(8 * abs(thrust) * pace)))
            put(onto, _streak(length, side, round(abs(thrust) * (0.3 + 0.5 * v), 1)), x, y, add=True)

    def draw_sparks(self, onto: Surface, dt_s: float) -> None:
        """Sparks, which fall and fade."""
        kept = []
        for spark in self._sparks:
            spark.life_s -= dt_s
            if spark.life_s <= 0:
                continue
            spark.x += spark.vx * dt_s
            spark.y += spark.vy * dt_s
            spark.vy += self._view.unit * 0.5 * dt_s
            light = glow(
                max(3, round(self._view.unit * 0.012)), spark.colour, round(min(1.0, spark.life_s * 1.5), 1)
            )
            put(onto, light, spark.x, spark.y, add=True)
            kept.append(spark)
        self._sparks = kept

    def _draw_wake(self, onto: Surface, x: float, t_s: float) -> None:
        self._wake.append((t_s, x))
        while self._wake and t_s - self._wake[0][0] > WAKE_S:
            self._wake.popleft()
        lines: tuple[list[tuple[float, float]], list[tuple[float, float]]] = ([], [])
        for t_then, x_then in reversed(self._wake):
            age = (t_s - t_then) / WAKE_S
            px, py, _ = self._view.at(x_then, 1.0 - 0.42 * age)
            spread = self._view.unit * (0.03 + 0.08 * age)
            lines[0].append((px - spread, py))
            lines[1].append((px + spread, py))
        for line in lines:
            for i in range(0, len(line) - 4, 4):
                fade = 1 - i / len(line)
                pygame.draw.line(
                    onto, mixed((8, 14, 32), (150, 176, 214), 0.5 * fade), line[i], line[i + 4], 2
                )


@lru_cache(maxsize=64)
def _boat(size_px: int, i_lean: int) -> Surface:
    big = sprite(size_px, size_px)
    n = big.get_width()

    def at(*points: tuple[float, float]) -> list[tuple[float, float]]:
        return [(n * (0.5 + x), n * (0.5 + y)) for x, y in points]

    pygame.draw.polygon(big, (70, 48, 36), at((-0.012, -0.44), (0.012, -0.44), (0.012, 0.3), (-0.012, 0.3)))
    pygame.draw.polygon(big, SAIL, at((-0.03, -0.42), (-0.03, 0.17), (-0.30, 0.17), (-0.19, -0.12)))
    pygame.draw.polygon(
        big, mixed(SAIL, (150, 140, 150), 0.35), at((0.03, -0.36), (0.03, 0.17), (0.25, 0.17), (0.17, -0.1))
    )
    for y in (-0.12, 0.03):
        seam = at((-0.22, y), (-0.03, y))
        pygame.draw.line(big, mixed(SAIL, (120, 110, 120), 0.35), seam[0], seam[1], max(1, n // 160))
    hull = at((-0.34, 0.2), (0.34, 0.2), (0.26, 0.34), (0.13, 0.4), (-0.13, 0.4), (-0.26, 0.34))
    pygame.draw.polygon(big, HULL, hull)
    pygame.draw.polygon(big, HULL_LIGHT, at((-0.36, 0.18), (0.36, 0.18), (0.33, 0.235), (-0.33, 0.235)))
    pygame.draw.circle(big, (255, 214, 140), at((0.0, 0.13))[0], n * 0.032)
    lean = (2 * i_lean / (N_LEANS - 1) - 1) * LEAN_DEG
    turned = pygame.transform.rotate(big, -lean)
    turned_px = (turned.get_width() // SUPERSAMPLED, turned.get_height() // SUPERSAMPLED)
    return pygame.transform.smoothscale(turned, turned_px).convert_alpha()


@lru_cache(maxsize=256)
def _streak(length_px: int, side: str, strength: float) -> Surface:
    """A breath of wind, bright in front, to add to what is there."""
    fall = np.linspace(0.0, 1.0, length_px) ** 2 * strength
    if side == "left":
        fall = fall[::-1]
    thick = np.array([0.25, 1.0, 0.4])
    pixels = fall[:, None, None] * thick[None, :, None] * np.asarray(side_colour(side))
    surface = Surface((length_px, len(thick))).convert()
    pygame.surfarray.blit_array(surface, pixels.astype(np.uint8))
    return surface


@lru_cache(maxsize=128)
def _lantern(size_px: int, side: str) -> Surface:
    """A paper lantern: round on the left, square on the right."""
    big = sprite(size_px, size_px)
    n = big.get_width()
    colour = side_colour(side)
    body = (n * 0.2, n * 0.16, n * 0.6, n * 0.7)
    round_px = round(n * (0.3 if side == "left" else 0.06))
    pygame.draw.rect(big, mixed(colour, (255, 255, 255), 0.35), body, border_radius=round_px)
    pygame.draw.rect(
        big,
        mixed(colour, (255, 255, 255), 0.75),
        (n * 0.34, n * 0.3, n * 0.32, n * 0.46),
        border_radius=round_px,
    )
    for y in (0.32, 0.5, 0.68):
        pygame.draw.line(big, colour, (n * 0.22, n * y), (n * 0.78, n * y), max(1, n // 40))
    for y in (0.1, 0.84):
        pygame.draw.rect(big, (92, 62, 44), (n * 0.32, n * y, n * 0.36, n * 0.08), border_radius=n // 40)
    return pygame.transform.smoothscale(big, (size_px, size_px)).convert_alpha()
