"""Instruments over the picture: points, lanterns so far, the line to the decoder, probabilities, reasons."""

import pygame

from .chance import Against
from .messages import LINK_WORDS
from .palette import BAD, GOOD, INK, LEFT, MUTED, RIGHT, Colour, mixed
from .perspective import View3
from .shapes import Surface, arrow, panel, put, text
from .shown import Shown
from .world import Gate

__all__ = ["draw_cue", "draw_gates", "draw_hud", "score_lines"]

OLD_MS = 250.0
LINK_COLOURS: dict[str, Colour] = {"running": GOOD, "filling": RIGHT, "stale": RIGHT, "paused": MUTED}
AIR_COLOURS: dict[str, Colour] = {"wind": INK, "breeze": INK, "calm": MUTED, "trouble": BAD}


def draw_hud(onto: Surface, view: View3, shown: Shown) -> None:
    """Everything at the edges of the screen."""
    _draw_points(onto, view, shown)
    _draw_line(onto, view, shown)
    _draw_probabilities(onto, view, shown)
    if shown.note:
        line = text(shown.note[:110], round(view.unit * 0.032), INK)
        put(onto, panel(line.get_width() + 40, round(view.unit * 0.06)), view.width / 2, view.height * 0.105)
        put(onto, line, view.width / 2, view.height * 0.105)


def draw_cue(onto: Surface, view: View3, shown: Shown, t_s: float) -> None:
    """What to imagine: always in the middle, because gaze can be read too."""
    world = shown.play.world
    x, y, size = view.width / 2, view.horizon * 0.7, round(view.unit * 0.1)
    if world.side is None:
        if world.phase == "rest":
            put(onto, arrow(size // 2, MUTED, 0), x, y)
            put(onto, text("rest", round(view.unit * 0.035), MUTED), x, y + size * 0.62)
        return
    colour = LEFT if world.side == "left" else RIGHT
    sign = -1 if world.side == "left" else 1
    put(onto, arrow(size, colour, sign), x + sign * size * 0.04 * (1 + (t_s * 2) % 1), y)
    if shown.hands is not None:
        name = shown.hands.left if sign < 0 else shown.hands.right
        put(onto, text(name.replace("_", " "), round(view.unit * 0.042), INK), x, y + size * 0.74)
    if world.hold_s:
        put(onto, text(f"{world.hold_s:.0f}", round(view.unit * 0.09), INK), x, y - size * 0.95)


def draw_gates(onto: Surface, x: float, y: float, size: float, gates: list[Gate], n_gates: int) -> None:
    """Lanterns so far: a disc caught, a cross on the other side, a dash in the middle, a dot still to come."""
    step = size * 1.35
    x -= step * (n_gates - 1) / 2
    width = max(2, round(size * 0.16))
    for i in range(n_gates):
        at, r = (round(x + i * step), round(y)), size * 0.36
        outcome = gates[i].outcome if i < len(gates) else "to come"
        if outcome == "hit":
            pygame.draw.aacircle(onto, GOOD, at, max(3, round(r)))
        elif outcome == "miss":
            for sign in (-1, 1):
                pygame.draw.line(
                    onto, BAD, (at[0] - r, at[1] - sign * r), (at[0] + r, at[1] + sign * r), width
                )
        elif outcome == "open":
            pygame.draw.line(onto, MUTED, (at[0] - r, at[1]), (at[0] + r, at[1]), width)
        else:
            pygame.draw.aacircle(onto, mixed(MUTED, (20, 28, 54), 0.4), at, max(2, round(size * 0.12)))


def _draw_points(onto: Surface, view: View3, shown: Shown) -> None:
    world, u = shown.play.world, view.unit
    margin = u * 0.035
    points = text(str(world.points), round(u * 0.1), INK)
    onto.blit(points, (margin, margin))
    if world.streak:
        factor = text(f"x{min(world.streak + 1, 5)}", round(u * 0.055), RIGHT)
        onto.blit(factor, (margin + points.get_width() + u * 0.02, margin + u * 0.012))
        words = f"{world.streak} in a row"
        onto.blit(text(words, round(u * 0.03), MUTED), (margin, margin + u * 0.075))
    size = min(u * 0.028, view.width * 0.5 / max(1, world.n_gates) / 1.35)
    draw_gates(onto, view.width / 2, margin + u * 0.022, size, world.gates, world.n_gates)


def _draw_line(onto: Surface, view: View3, shown: Shown) -> None:
    u = view.unit
    height, right, y = round(u * 0.03), view.width - u * 0.035, u * 0.035
    colour = LINK_COLOURS.get(shown.link, BAD)
    state = text(LINK_WORDS[shown.link], round(u * 0.034), INK)
    onto.blit(state, (right - state.get_width(), y))
    dot = (round(right - state.get_width() - u * 0.02), round(y + u * 0.012))
    if shown.link == "running":
        pygame.draw.aacircle(onto, colour, dot, max(3, round(u * 0.008)))
    else:
        pygame.draw.rect(onto, colour, (dot[0] - u * 0.008, dot[1] - u * 0.008, u * 0.016, u * 0.016))
    for i, (line, is_bad) in enumerate(_facts(shown), 1):
        words = text(line, height, BAD if is_bad else MUTED)
        onto.blit(words, (right - words.get_width(), y + i * height * 1.15))


def _facts(shown: Shown) -> list[tuple[str, bool]]:
    """Lines, and whether each is bad news."""
    prediction = shown.prediction
    facts: list[tuple[str, bool]] = []
    if prediction is not None and shown.link in ("running", "filling"):
        frame = "" if shown.to_frame_ms is None else f" + {shown.to_frame_ms:.0f} ms to the screen"
        facts.append((f"age {prediction.age_ms:.0f} ms{frame}", prediction.age_ms > OLD_MS))
        facts.append((f"signal {100 * prediction.quality.score:.0f} %", prediction.why == "poor_signal"))
    facts.append((f"{shown.n_lost} messages lost", shown.n_lost > 0))
    if shown.cues:
        facts.append((shown.cues, False))
    return facts


def _draw_probabilities(onto: Surface, view: View3, shown: Shown) -> None:
    u, wind = view.unit, shown.wind
    width, height = round(min(view.width * 0.9, u * 0.95)), round(u * 0.15)
    x, y = (view.width - width) // 2, round(view.height - height - u * 0.03)
    onto.blit(panel(width, height), (x, y))
    words, colour = _reason(shown)
    put(onto, text(words, round(u * 0.036), colour), view.width / 2, y + height * 0.77)
    bar = pygame.Rect(
        x + round(width * 0.19), y + round(height * 0.17), round(width * 0.62), round(height * 0.3)
    )
    pygame.draw.rect(onto, (34, 44, 76), bar, border_radius=bar.height // 3)
    faint = 0.0 if wind.air in ("wind", "breeze") else 0.55
    if wind.p_left is not None and wind.p_right is not None:
        _fill(onto, bar, wind.p_left, mixed(LEFT, (34, 44, 76), faint), is_left=True)
        _fill(onto, bar, wind.p_right, mixed(RIGHT, (34, 44, 76), faint), is_left=False)
    if shown.hello is not None:
        _draw_ticks(onto, bar, shown.hello.decision.threshold)
    for is_left, p, colour in ((True, wind.p_left, LEFT), (False, wind.p_right, RIGHT)):
        middle = (x + bar.left) / 2 if is_left else (bar.right + x + width) / 2
        put(
            onto,
            text("--" if p is None else f"{100 * p:.0f} %", round(u * 0.05), colour),
            middle,
            bar.centery,
        )
        if shown.hands is not None:
            name = (shown.hands.left if is_left else shown.hands.right).replace("_", " ")
            put(onto, text(name, round(u * 0.026), MUTED), middle, bar.centery + u * 0.036)


def _reason(shown: Shown) -> tuple[str, Colour]:
    """Why the boat does what it does."""
    world, wind = shown.play.world, shown.wind
    if wind.air != "trouble" and (world.phase != "steer" or world.hold_s):
        return ("The wind counts soon" if world.side else "At rest: no wind counts"), MUTED
    return wind.words or "The boat glides", AIR_COLOURS[wind.air]


def _fill(onto: Surface, bar: pygame.Rect, p: float, colour: Colour, *, is_left: bool) -> None:
    width = round(bar.width * p)
    if width < 2:
        return
    left = bar.left if is_left else bar.right - width
    radius = min(bar.height // 3, width // 2)
    ends = (radius, 0) if is_left else (0, radius)
    pygame.draw.rect(
        onto,
        colour,
        (left, bar.top, width, bar.height),
        border_top_left_radius=ends[0],
        border_bottom_left_radius=ends[0],
        border_top_right_radius=ends[1],
        border_bottom_right_radius=ends[1],
    )


def _draw_ticks(onto: Surface, bar: pygame.Rect, threshold: float) -> None:
    """The middle, and how far a side must fill the bar for a decision."""
    for share, colour in ((0.5, MUTED), (threshold, INK), (1 - threshold, INK)):
        x = bar.left + round(bar.width * share)
        pygame.draw.line(onto, colour, (x, bar.top - 4), (x, bar.bottom + 3), 2)


def score_lines(against: Against, mean: float, most: int) -> list[str]:
    """The statement of the score screen, line by line."""
    in_middle = f", {against.n_open} passed with the boat in the middle" if against.n_open else ""
    return [
        f"{against.n_hits} of {against.n_chosen} lanterns on the side that you steered to{in_middle}.",
        against.words,
        f"A boat that steers by a coin makes {mean:.0f} points on average, and at most {most} in 95 % of games.",
    ]
