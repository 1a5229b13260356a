"""What is far away: night sky, northern lights, mountains, moon; and the water up to the boat."""

import math
import random

import numpy as np
import pygame

from .palette import Colour, mixed
from .perspective import View3
from .shapes import Surface, glow, put

__all__ = ["Sky"]

TOP: Colour = (6, 9, 24)
LOW: Colour = (30, 48, 92)
WATER_FAR: Colour = (28, 48, 88)
WATER_NEAR: Colour = (5, 9, 22)
FAR_RIDGE: Colour = (26, 38, 74)
NEAR_RIDGE: Colour = (11, 17, 38)
MOON: Colour = (246, 240, 220)
WINDOW: Colour = (255, 196, 112)
AURORA_SIZE = (96, 36)
"""Pixels that the northern lights are computed in, before they are scaled up."""
N_GLINTS = 130
N_MOONLIGHT = 34
SHADES = 32
MOON_PLACE = (0.76, 0.33)
"""In widths of the window and heights of the sky."""


class Sky:
    """Everything behind the game, for one size of the window.

    Parameters
    ----------
    view : View3
        Where the horizon is.
    """

    def __init__(self, view: View3) -> None:
        self._view = view
        self._rng = random.Random(7)
        self._still = self._paint_still()
        self._ridges = [self._paint_ridge(FAR_RIDGE, 0.17, 5.0), self._paint_ridge(NEAR_RIDGE, 0.085, 9.0)]
        self._stars = [(self._rng.random(), self._rng.random() ** 1.4, self._rng.random()) for _ in range(46)]
        self._glints = [
            (self._rng.uniform(-3, 3), self._rng.random(), self._rng.random()) for _ in range(N_GLINTS)
        ]
        self._glint_colours = [
            [
                mixed(mixed(WATER_FAR, WATER_NEAR, i / SHADES), MOON, 0.5 * k / SHADES)
                for k in range(SHADES + 1)
            ]
            for i in range(SHADES)
        ]
        self._aurora = Surface(AURORA_SIZE).convert()
        self._columns = np.arange(AURORA_SIZE[0]) / AURORA_SIZE[0]
        self._rows = np.arange(AURORA_SIZE[1])[None, :] / AURORA_SIZE[1]

    def draw(self, onto: Surface, t_s: float, travelled: float, boat_x: float) -> None:
        """Draw the sky at a time, after a way over the water, seen from the boat."""
        onto.blit(self._still, (0, 0))
        self._draw_aurora(onto, t_s)
        self._draw_stars(onto, t_s)
        for ridge, shift in zip(self._ridges, (0.006, 0.014), strict=True):
            x = -round(ridge.get_width() - self._view.width) / 2 - boat_x * shift * self._view.width
            onto.blit(ridge, (round(x), self._view.horizon - ridge.get_height() + 1))
        self._draw_moonlight(onto, t_s)
        self._draw_glints(onto, t_s, travelled)

    def _paint_still(self) -> Surface:
        width, height, horizon = self._view.width, self._view.height, self._view.horizon
        rows = np.zeros((height, 3))
        above = np.linspace(0, 1, horizon)[:, None] ** 1.6
        rows[:horizon] = np.asarray(TOP) * (1 - above) + np.asarray(LOW) * above
        below = np.linspace(0, 1, height - horizon)[:, None] ** 0.55
        rows[horizon:] = np.asarray(WATER_FAR) * (1 - below) + np.asarray(WATER_NEAR) * below
        dither = np.random.default_rng(1).uniform(0, 1, (width, height, 1))  # no bands in the gradients
        pixels = np.clip(rows[None] + dither, 0, 255).astype(np.uint8)
        still = Surface((width, height)).convert()
        pygame.surfarray.blit_array(still, pixels)
        for _ in range(260):
            x, y = self._rng.randrange(width), int(horizon * self._rng.random() ** 1.3)
            still.set_at((x, y), mixed(LOW, (255, 255, 255), self._rng.uniform(0.2, 0.7)))
        self._paint_moon(still)
        return still

    def _paint_moon(self, still: Surface) -> None:
        x, y, radius = (
            self._view.width * MOON_PLACE[0],
            self._view.horizon * MOON_PLACE[1],
            self._view.unit * 0.034,
        )
        put(still, glow(round(radius * 7), (70, 84, 120)), x, y, add=True)
        pygame.draw.aacircle(still, MOON, (round(x), round(y)), round(radius))
        for dx, dy, size in ((-0.35, -0.2, 0.22), (0.25, 0.3, 0.28), (0.3, -0.4, 0.14)):
            spot = (round(x + dx * radius), round(y + dy * radius))
            pygame.draw.aacircle(still, mixed(MOON, LOW, 0.18), spot, max(1, round(size * radius)))

    def _paint_ridge(self, colour: Colour, share: float, rough: float) -> Surface:
        width, height = round(self._view.width * 1.06), round(self._view.height * share)
        phases = [self._rng.uniform(0, 2 * math.pi) for _ in range(6)]
        line = []
        for x in range(0, width + 4, 4):
            u = x / width
            waves = [math.sin(rough * 1.7**i * u * 2 + phase) / 1.6**i for i, phase in enumerate(phases)]
            valley = 0.35 + 0.65 * min(1.0, abs(u - 0.5) * 2.6) ** 1.2  # the fjord opens in the middle
            line.append((x, height * (1 - valley * (0.5 + 0.2 * sum(waves)))))
        big = Surface((width, height), pygame.SRCALPHA)
        pygame.draw.polygon(big, colour, [(0, height), *line, (width, height)])
        pygame.draw.aalines(big, mixed(colour, (150, 180, 220), 0.16), False, line)
        if colour == NEAR_RIDGE:
            self._paint_villages(big)
        return big.convert_alpha()

    def _paint_villages(self, ridge: Surface) -> None:
        """Windows along the shore, in two places."""
        size = max(1, round(self._view.unit * 0.0025))
        for middle in (0.13, 0.9):
            for _ in range(11):
                x = round(ridge.get_width() * (middle + self._rng.gauss(0, 0.028)))
                y = round(ridge.get_height() - size * self._rng.uniform(1.5, 9))
                for radius, opacity in ((4, 22), (2.4, 46), (1, 235)):
                    light = Surface((8 * size, 8 * size), pygame.SRCALPHA)
                    pygame.draw.circle(light, (*WINDOW, opacity), (4 * size, 4 * size), radius * size)
                    ridge.blit(light, (x - 4 * size, y - 4 * size))

    def _draw_aurora(self, onto: Surface, t_s: float) -> None:
        u, v = self._columns[:, None], self._rows
        fold = 0.55 + 0.13 * np.sin(5 * u + 0.23 * t_s) + 0.07 * np.sin(13 * u - 0.31 * t_s)
        rays = (
            0.55
            + 0.3 * np.sin(43 * u + 0.9 * t_s) * np.sin(17 * u - 0.5 * t_s)
            + 0.15 * np.sin(9 * u + 0.2 * t_s)
        )
        curtain = np.where(
            v < fold, np.exp(-((np.maximum(fold - v, 0.0) / 0.3) ** 1.3)), np.exp(-(((v - fold) / 0.05) ** 2))
        )
        light = curtain * rays * (0.45 + 0.35 * np.sin(3.1 * u + 0.17 * t_s)) * np.sin(np.pi * u) ** 0.6
        height = np.clip((fold - v) / 0.4, 0, 1)
        colour = (1 - height)[..., None] * (50, 190, 130) + height[..., None] * (110, 60, 170)
        pixels = np.clip(light[..., None] * colour, 0, 255).astype(np.uint8)
        pygame.surfarray.blit_array(self._aurora, pixels)
        size = (self._view.width, round(self._view.horizon * 0.95))
        onto.blit(pygame.transform.smoothscale(self._aurora, size), (0, 0), special_flags=pygame.BLEND_ADD)
        mirrored = pygame.transform.flip(self._aurora, False, True)
        mirrored.fill((70, 78, 96), special_flags=pygame.BLEND_MULT)
        deep = (self._view.width, round(self._view.horizon * 0.62))
        place = (0, self._view.horizon + round(self._view.height * 0.02))
        onto.blit(pygame.transform.smoothscale(mirrored, deep), place, special_flags=pygame.BLEND_ADD)

    def _draw_stars(self, onto: Surface, t_s: float) -> None:
        for u, v, phase in self._stars:
            bright = 0.55 + 0.45 * math.sin(t_s * (0.6 + phase) + 40 * phase)
            radius = max(2, round(self._view.unit * 0.004 * (0.6 + phase)))
            light = glow(radius, (200, 214, 255), round(max(0.1, bright), 1))
            put(onto, light, u * self._view.width, v * self._view.horizon * 0.8, add=True)

    def _draw_moonlight(self, onto: Surface, t_s: float) -> None:
        """A path of broken light on the water under the moon."""
        view, x_moon = self._view, self._view.width * MOON_PLACE[0]
        for i in range(N_MOONLIGHT):
            depth = ((i + 0.5) / N_MOONLIGHT) ** 1.7
            y = view.horizon + 2 + depth * (view.height - view.horizon) * 0.85
            swing = math.sin(1.3 * t_s + 2.4 * i) * math.sin(0.7 * t_s + 1.1 * i)
            half = view.unit * (0.012 + 0.05 * depth) * (0.55 + 0.45 * math.sin(1.9 * t_s + 5.7 * i))
            x = x_moon + swing * view.unit * 0.028 * (0.4 + depth)
            colour = mixed(WATER_FAR, MOON, 0.5 * (1 - 0.75 * depth))
            pygame.draw.line(onto, colour, (x - half, y), (x + half, y), 1 + round(2 * depth))

    def _draw_glints(self, onto: Surface, t_s: float, travelled: float) -> None:
        far = self._view.far
        for across, start, phase in self._glints:
            distance = 0.75 + (start * far - travelled) % far
            x, y, scale = self._view.at(across, distance)
            if not -60 < x < self._view.width + 60:
                continue
            light = (0.25 + 0.2 * math.sin(2 * t_s + 40 * phase)) * min(1.0, 1.6 * scale + 0.1)
            colour = self._glint_colours[min(SHADES - 1, int(SHADES * scale))][int(SHADES * light)]
            half = self._view.unit * 0.035 * scale * (0.5 + phase)
            pygame.draw.line(onto, colour, (x - half, y), (x + half, y), 1 + (scale > 0.6))
