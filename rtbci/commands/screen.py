"""The part of a terminal that is drawn anew a few times a second."""

from collections.abc import Callable

from rich.console import Console, RenderableType
from rich.live import Live

from rtbci.clock import Clock

__all__ = ["Screen"]


class Screen:
    """Draws what a function returns, when it is asked to and enough time has passed; no thread.

    Parameters
    ----------
    console : Console
        When it is no terminal nothing is drawn, and `is_live` is False.
    render : callable
        Returns what to draw.
    redraw_s : float
        Least time between two drawings, in seconds.
    clock : callable
        Time in seconds.
    """

    def __init__(
        self, console: Console, render: Callable[[], RenderableType], redraw_s: float, clock: Clock
    ) -> None:
        self._redraw_s, self._clock = redraw_s, clock
        self._t_drawn = -redraw_s
        self._live: Live | None = None
        if console.is_terminal:
            live = Live(console=console, auto_refresh=False, get_renderable=render)
            live.start()
            self._live = live

    @property
    def is_live(self) -> bool:
        """Whether anything is drawn."""
        return self._live is not None

    def draw(self) -> None:
        """Draw when it is time."""
        if self._live is not None and (t_now := self._clock()) - self._t_drawn >= self._redraw_s:
            self._t_drawn = t_now
            self._live.refresh()

    def close(self) -> None:
        """Draw a last time and give the terminal back; may be called more than once."""
        if self._live is not None:
            self._live.refresh()
            self._live.stop()
            self._live = None
