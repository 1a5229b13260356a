"""Puts the picture together, for any size of window."""

from .boat import Fleet
from .hud import draw_cue, draw_hud
from .perspective import View3
from .screens import draw_screen
from .shapes import Surface
from .shown import Shown
from .sky import Sky
from .world import Happening, Side

__all__ = ["Picture"]

FADING_S = 0.8
DRIFT = 0.35
"""Speed over the water while nothing is on, distances per second."""


class Picture:
    """Draws frames; keeps only what is for the eye: the way travelled, lanterns that fade, sparks.

    Parameters
    ----------
    width, height : int
        Of the window, pixels.
    """

    def __init__(self, width: int, height: int) -> None:
        self._t_s = self._travelled = 0.0
        self._fading: tuple[Side, float] | None = None
        self.resize(width, height)

    def resize(self, width: int, height: int) -> None:
        """Make everything anew for another size."""
        self._view = View3.of(width, height)
        self._sky, self._fleet = Sky(self._view), Fleet(self._view)

    def show(self, happenings: list[Happening]) -> None:
        """Take what happened since the last frame."""
        for happening in happenings:
            if happening.kind == "hit" and happening.side is not None:
                self._fleet.release(happening.side)
            elif happening.kind in ("miss", "open") and happening.side is not None:
                self._fading = (happening.side, 0.0)
            elif happening.kind == "start":
                self._fleet.clear_sky()

    def draw(self, onto: Surface, shown: Shown, dt_s: float) -> None:
        """Draw a frame, so long after the last one."""
        play, fleet = shown.play, self._fleet
        world, is_on = play.world, play.mode == "playing"
        self._t_s += dt_s
        if play.mode != "paused":
            rushing = is_on and world.side is not None and not world.hold_s
            speed = (self._view.far - 1) / world.pace.flight_s if rushing else DRIFT
            self._travelled += speed * dt_s
        x = 0.0 if play.mode in ("waiting", "ready") else world.x
        self._sky.draw(onto, self._t_s, self._travelled, x)
        fleet.draw_risen(onto, self._t_s, dt_s)
        fleet.draw_buoys(onto, self._travelled)
        if world.side is not None and play.mode in ("playing", "paused"):
            fleet.draw_lantern(onto, world.side, world.progress, self._t_s)
        self._draw_fading(onto, dt_s)
        fleet.draw_wind(onto, world.thrust if is_on else 0.0, dt_s)
        fleet.draw_boat(onto, x, world.speed if is_on else 0.0, self._t_s)
        fleet.draw_sparks(onto, dt_s)
        if is_on:
            draw_cue(onto, self._view, shown, self._t_s)
        if play.mode in ("playing", "paused"):
            draw_hud(onto, self._view, shown)
        draw_screen(onto, self._view, shown)

    def _draw_fading(self, onto: Surface, dt_s: float) -> None:
        if self._fading is None:
            return
        side, faded = self._fading
        faded += dt_s / FADING_S
        self._fading = (side, faded) if faded < 1 else None
        self._fleet.draw_lantern(onto, side, 1.0 + 0.06 * faded, self._t_s, min(1.0, faded))
