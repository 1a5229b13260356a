"""The world of the game: a boat, lanterns that come on one side or the other, points. No screen, no clock."""

import random
from dataclasses import dataclass
from typing import Literal, NamedTuple

__all__ = ["LANTERN_X", "MIDDLE", "Gate", "Happening", "Pace", "Side", "World", "draw_sides", "points_for"]

Side = Literal["left", "right"]
Outcome = Literal["hit", "miss", "open"]
Phase = Literal["rest", "aim", "steer", "over"]

STEP_S = 1.0 / 120
"""The world moves in steps of this length, so that it is the same at any frame rate."""
LANTERN_X = 0.72
"""Where lanterns pass; the middle of the fjord is 0, its banks are at -1 and 1."""
MIDDLE = 0.22
"""A boat nearer to the middle than this takes neither side."""
SPEED = 0.55
"""Of the boat in full wind, per second: from the middle to a lantern in 1.3 s."""
SLUGGISH_S = 0.3
"""Time constant with which the boat takes up and loses speed."""
GUST = 0.2
"""Speed that a decision adds at once."""
HOMING_S = 1.0
"""Time constant with which the boat returns to the middle until the wind counts again."""
POINTS = 10
MAX_FACTOR = 5


@dataclass(frozen=True)
class Pace:
    """How long everything takes, seconds.

    Parameters
    ----------
    rest_s : float
        Between two lanterns; nothing is imagined.
    aim_s : float
        From the cue until the wind counts: what a window says before is mostly about what was before the cue.
    steer_s : float
        From then until the lantern passes.
    """

    rest_s: float = 2.5
    aim_s: float = 1.5
    steer_s: float = 4.5

    @property
    def flight_s(self) -> float:
        """From the cue until the lantern passes."""
        return self.aim_s + self.steer_s


class Gate(NamedTuple):
    """One lantern that has passed: its side, what came of it, where the boat was, and the points it gave."""

    side: Side
    outcome: Outcome
    x: float
    points: int


class Happening(NamedTuple):
    """Something that others act on: `cue` and `rest` for who imagines, the others for eyes and ears."""

    kind: Literal["start", "cue", "rest", "hit", "miss", "open", "over"]
    side: Side | None = None


def draw_sides(n_gates: int, rng: random.Random) -> list[Side]:
    """Sides of the lanterns: each a fair coin of its own, so that chance is exactly binomial."""
    return [rng.choice(("left", "right")) for _ in range(n_gates)]


def points_for(outcome: Outcome, streak: int) -> tuple[int, int]:
    """Points for a lantern after a streak, and the streak then.

    A lantern counts once more for each before it in the streak, five times at most. The other side halves the streak, and
    does not end it: with a decoder that is right in seven of ten, few streaks would ever be longer than three.

    Examples
    --------
    >>> points_for("hit", 2), points_for("miss", 3), points_for("open", 3)
    ((30, 3), (0, 1), (0, 3))
    """
    if outcome == "hit":
        return POINTS * min(streak + 1, MAX_FACTOR), streak + 1
    return 0, streak // 2 if outcome == "miss" else streak


class World:
    """One game from the first lantern to the last.

    Parameters
    ----------
    sides : list of {"left", "right"}
        Of the lanterns, in their order.
    pace : Pace

    Attributes
    ----------
    x, speed : float
        Of the boat, across the fjord; -1 to 1, and per second.
    thrust : float
        The wind that acts, -1 (to the left) to 1.
    phase : str
        ``rest``, ``aim`` (cue shown, no wind yet), ``steer`` or ``over``.
    hold_s : float
        How long everything still stands after a pause, so that windows fill with what is imagined now.
    points, streak : int
    gates : list of Gate
        Lanterns that have passed.
    """

    def __init__(self, sides: list[Side], pace: Pace) -> None:
        self.pace = pace
        self.x = self.speed = self.thrust = 0.0
        self.phase: Phase = "rest" if sides else "over"
        self.hold_s = 0.0
        self.points = self.streak = 0
        self.gates: list[Gate] = []
        self._sides = sides
        self._t_phase_s = 0.0
        self._left_s = 0.0

    @property
    def n_gates(self) -> int:
        """Lanterns of the whole game."""
        return len(self._sides)

    @property
    def side(self) -> Side | None:
        """Side of the lantern in sight; None when there is none."""
        return self._sides[len(self.gates)] if self.phase in ("aim", "steer") else None

    @property
    def progress(self) -> float:
        """Way of the lantern in sight, 0 (just seen) to 1 (at the boat)."""
        if self.side is None:
            return 0.0
        since_cue_s = self._t_phase_s + (self.pace.aim_s if self.phase == "steer" else 0.0)
        return min(1.0, since_cue_s / self.pace.flight_s)

    def step(self, dt_s: float, thrust: float, gust: int = 0) -> list[Happening]:
        """Let time pass.

        Parameters
        ----------
        dt_s : float
            Seconds since the last call.
        thrust : float
            Wind, -1 (to the left) to 1.
        gust : int
            -1 or 1 when a decision came since the last call; it counts once.
        """
        happenings: list[Happening] = []
        if self.phase == "steer" and not self.hold_s:
            self.speed += GUST * gust
        self._left_s += dt_s
        while self._left_s >= STEP_S and self.phase != "over":
            self._left_s -= STEP_S
            if self.hold_s:
                self.hold_s = max(0.0, self.hold_s - STEP_S)
                self.thrust = 0.0
            else:
                self._move(thrust)
                happenings += self._pass_time()
        return happenings

    def stand(self, hold_s: float) -> list[Happening]:
        """Stand still for a while after a pause; the cue that was on is given again."""
        self.hold_s, self.speed = hold_s, 0.0
        return [Happening("cue", self.side)] if self.side is not None else [Happening("rest")]

    def _move(self, thrust: float) -> None:
        steering = self.phase == "steer"
        self.thrust = max(-1.0, min(1.0, thrust)) if steering else 0.0
        self.speed += (self.thrust * SPEED - self.speed) * STEP_S / SLUGGISH_S
        self.x += self.speed * STEP_S
        if not steering:
            self.x -= self.x * STEP_S / HOMING_S
        if abs(self.x) > 1.0:
            self.x, self.speed = max(-1.0, min(1.0, self.x)), 0.0

    def _pass_time(self) -> list[Happening]:
        self._t_phase_s += STEP_S
        pace = self.pace
        lasts_s = {"rest": pace.rest_s, "aim": pace.aim_s, "steer": pace.steer_s}[self.phase]
        if self._t_phase_s < lasts_s - STEP_S / 2:
            return []
        self._t_phase_s = 0.0
        if self.phase == "rest":
            self.phase = "aim"
            return [Happening("cue", self.side)]
        if self.phase == "aim":
            self.phase = "steer"
            return []
        return self._judge()

    def _judge(self) -> list[Happening]:
        side = self._sides[len(self.gates)]
        where: Side = "left" if self.x < 0 else "right"
        outcome: Outcome = "open" if abs(self.x) < MIDDLE else "hit" if where == side else "miss"
        points, self.streak = points_for(outcome, self.streak)
        self.points += points
        self.gates.append(Gate(side, outcome, self.x, points))
        self.phase = "rest" if len(self.gates) < self.n_gates else "over"
        over = [Happening("over")] if self.phase == "over" else []
        return [Happening(outcome, side), Happening("rest"), *over]
