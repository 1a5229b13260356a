"""The screens that lie over the picture: title, nothing to listen to, pause, score."""

from functools import lru_cache

import pygame

from .chance import Against, against_chance, binomial, random_points
from .hud import draw_gates, score_lines
from .messages import LINK_WORDS
from .palette import GOOD, INK, LEFT, MUTED, RIGHT, Colour
from .perspective import View3
from .shapes import Surface, panel, put, text
from .shown import Shown

__all__ = ["draw_screen"]

Line = tuple[str, float, Colour]
"""A text, its height in units, its colour."""

CHART = 0.2
"""Height of the chart of the score screen, in units."""
KEYS = "space start   -   P pause   -   M mark   -   F full screen   -   Esc quit"


def draw_screen(onto: Surface, view: View3, shown: Shown) -> None:
    """Draw what belongs to the mode; nothing while the game is on."""
    mode = shown.play.mode
    if mode == "ready":
        _draw_title(onto, view, shown)
    elif mode == "waiting":
        _draw_waiting(onto, view, shown)
    elif mode == "paused":
        _draw_paused(onto, view, shown)
    elif mode == "over":
        _draw_score(onto, view, shown)


def _draw_lines(onto: Surface, view: View3, lines: list[Line], top: float, wide: float) -> None:
    """Lines under each other on a panel, in the middle; `top` in heights, `wide` in units."""
    u = view.unit
    height = sum(size for _, size, _ in lines) * 1.35 * u
    ground = panel(round(min(view.width * 0.96, wide * u)), round(height + 0.09 * u), 232)
    put(onto, ground, view.width / 2, view.height * top + ground.get_height() / 2)
    y = view.height * top + 0.045 * u
    for words, size, colour in lines:
        y += size * 1.35 * u / 2
        if words:
            line = _fitting(words, round(size * u), colour, ground.get_width() - round(0.06 * u))
            put(onto, line, view.width / 2, y)
        y += size * 1.35 * u / 2


def _fitting(words: str, height_px: int, colour: Colour, width_px: int) -> Surface:
    line = text(words, height_px, colour)
    if line.get_width() <= width_px:
        return line
    return text(words, int(height_px * width_px / line.get_width()), colour)


def _draw_title(onto: Surface, view: View3, shown: Shown) -> None:
    who = shown.hello.paradigm if shown.hello is not None else ""
    how = (
        "Your brain today: the left and right arrow keys"
        if shown.keyboard
        else "Imagine how it feels to open and close that fist; look at the middle, and do not move"
    )
    lines: list[Line] = [
        ("Fjord Lanterns", 0.12, INK),
        ("", 0.015, INK),
        ("When the arrow comes, sail to that side and catch the lantern.", 0.04, INK),
        (how, 0.036, MUTED),
        ("", 0.015, INK),
        (f"{LINK_WORDS[shown.link]} - decoder: {who}", 0.034, GOOD if shown.link == "running" else RIGHT),
        ("Press space", 0.05, INK),
        (KEYS, 0.028, MUTED),
    ]
    _draw_lines(onto, view, lines, 0.16, 1.3)


def _draw_waiting(onto: Surface, view: View3, shown: Shown) -> None:
    amp = f"rtbci amp --follow {shown.cue_stream}" if shown.cue_stream else "rtbci amp --keys"
    if shown.link not in ("nobody", "silent"):
        lines: list[Line] = [
            (LINK_WORDS[shown.link], 0.07, INK),
            (f"at {shown.address}; the game begins when it decodes", 0.036, MUTED),
        ]
        if shown.link == "waiting":
            lines.append((f"{amp}    is one without hardware", 0.036, LEFT))
        _draw_lines(onto, view, lines, 0.3, 1.2)
        return
    lines = [
        ("Nothing is publishing", 0.08, INK),
        (f"at {shown.address}", 0.036, MUTED),
        ("", 0.02, INK),
        ("An amplifier's stream, or a synthetic user's: in another terminal", 0.034, MUTED),
        (amp, 0.042, LEFT),
        ("and the decoder, in a third one", 0.034, MUTED),
        ("rtbci run --paradigm motor_imagery", 0.042, LEFT),
        ("No EEG at all: close this and start the game with", 0.034, MUTED),
        ("--brain keyboard", 0.042, RIGHT),
    ]
    _draw_lines(onto, view, lines, 0.13, 1.15)


def _draw_paused(onto: Surface, view: View3, shown: Shown) -> None:
    if shown.play.by_player:
        lines: list[Line] = [("Paused", 0.1, INK), ("P goes on", 0.042, MUTED)]
    else:
        lines = [
            (LINK_WORDS[shown.link], 0.075, INK),
            ("The game waits, and goes on by itself", 0.042, MUTED),
        ]
    lines.append(("The lantern in sight is neither won nor lost; its cue comes again first.", 0.032, MUTED))
    _draw_lines(onto, view, lines, 0.3, 1.1)


@lru_cache(maxsize=8)
def _random_points(n_chosen: int) -> tuple[float, int]:
    return random_points(n_chosen)


def _draw_score(onto: Surface, view: View3, shown: Shown) -> None:
    world, u = shown.play.world, view.unit
    against = against_chance(world.gates)
    mean, most = _random_points(against.n_chosen)
    statement = score_lines(against, mean, most)
    lines: list[Line] = [(f"{world.points} points", 0.1, INK), ("", 0.05, INK)]
    lines += [(words, 0.034, INK if i == 1 else MUTED) for i, words in enumerate(statement)]
    if len(shown.play.all_gates) > len(world.gates):
        total = against_chance(shown.play.all_gates)
        lines.append((f"All games: {total.n_hits} of {total.n_chosen}. {total.words}", 0.03, MUTED))
    lines += [("", CHART + 0.03, INK), ("Space plays again, Esc ends", 0.034, MUTED)]
    _draw_lines(onto, view, lines, 0.1, 1.45)
    top = view.height * 0.1
    draw_gates(onto, view.width / 2, top + u * 0.22, u * 0.034, world.gates, world.n_gates)
    bottom = top + u * (0.045 + 1.35 * sum(size for _, size, _ in lines[:-1]))
    _draw_binomial(onto, view, against, bottom)


def _draw_binomial(onto: Surface, view: View3, against: Against, bottom: float) -> None:
    """How many lanterns a coin gets in games of so many, and where this one is."""
    n, k = against.n_chosen, against.n_hits
    if not n:
        return
    u, chances = view.unit, binomial(n)
    step, tallest = min(u * 0.05, u * 1.1 / (n + 1)), u * CHART * 0.82
    left, ground = view.width / 2 - step * (n + 1) / 2, bottom - u * 0.085
    every = 1 + n // 12
    for i, chance in enumerate(chances):
        height = max(2, round(tallest * chance / max(chances)))
        x = left + (i + 0.5) * step
        bar = pygame.Rect(round(x - step * 0.39), round(ground - height), max(2, round(step * 0.78)), height)
        pygame.draw.rect(onto, GOOD if i == k else (70, 84, 124), bar, border_radius=min(4, height // 2))
        if i == k:
            top = bar.top - u * 0.012
            shape = [(x, top), (x - u * 0.01, top - u * 0.018), (x + u * 0.01, top - u * 0.018)]
            pygame.draw.polygon(onto, GOOD, shape)
            put(onto, text("you", round(u * 0.028), GOOD), x, top - u * 0.034)
        if i % every == 0 or i == k:
            put(onto, text(str(i), round(u * 0.026), GOOD if i == k else MUTED), x, ground + u * 0.022)
    caption = f"Lanterns that a coin gets of {n}, in many games"
    put(onto, text(caption, round(u * 0.027), MUTED), view.width / 2, ground + u * 0.056)
