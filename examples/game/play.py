"""The course of the game: waiting, ready, playing, paused, over. No screen, no clock."""

import random
from collections.abc import Sequence
from typing import Literal

from .messages import Link
from .steering import Wind
from .world import Gate, Happening, Pace, World, draw_sides

__all__ = ["Mode", "Play"]

Mode = Literal["waiting", "ready", "playing", "paused", "over"]

PLAYABLE: Sequence[Link] = ("running", "filling", "stale")


class Play:
    """Which screen is on, and the world behind it.

    Parameters
    ----------
    n_gates : int
        Lanterns in a game.
    pace : Pace
    rng : Random
        Draws the sides.

    Attributes
    ----------
    mode : Mode
    world : World
        Of the game that is on, or was.
    by_player : bool
        Whether it was the player who paused, and not the line.
    all_gates : list of Gate
        Lanterns of all games that came to their end.
    """

    def __init__(self, n_gates: int, pace: Pace, rng: random.Random) -> None:
        self.mode: Mode = "waiting"
        self.by_player = False
        self.all_gates: list[Gate] = []
        self._n_gates, self._pace, self._rng = n_gates, pace, rng
        self.world = self._new_world()

    def step(self, dt_s: float, link: Link, wind: Wind) -> list[Happening]:
        """Let time pass, with the line and the wind as they are."""
        if self.mode == "waiting" and link == "running":
            self.mode = "ready"
        elif self.mode == "ready" and link not in PLAYABLE:
            self.mode = "waiting"
        elif self.mode == "paused" and not self.by_player and link == "running":
            return self._go_on()
        elif self.mode == "playing":
            if link not in PLAYABLE:
                return self._pause(by_player=False)
            happenings = self.world.step(dt_s, wind.thrust, wind.gust)
            if self.world.phase == "over":
                self.mode = "over"
                self.all_gates += self.world.gates
            return happenings
        return []

    def start(self) -> list[Happening]:
        """Begin a game, from the title or after another game."""
        if self.mode not in ("ready", "over"):
            return []
        self.mode, self.world = "playing", self._new_world()
        return [Happening("start"), Happening("rest")]

    def turn_pause(self) -> list[Happening]:
        """Pause; or end a pause, then the game goes on as soon as the line allows.

        Nothing of the lantern in sight is lost or won by a pause: the boat stands where it was, and after a while, in
        which the cue is shown again, everything goes on. So no lantern can be dodged, and chance stays chance.
        """
        if self.mode == "playing":
            return self._pause(by_player=True)
        self.by_player = False
        return []

    def _pause(self, by_player: bool) -> list[Happening]:
        self.mode, self.by_player = "paused", by_player
        return [Happening("rest")]

    def _go_on(self) -> list[Happening]:
        self.mode = "playing"
        return self.world.stand(2 * self._pace.aim_s)

    def _new_world(self) -> World:
        return World(draw_sides(self._n_gates, self._rng), self._pace)
