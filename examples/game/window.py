"""The window: opening, resizing, full screen, and what the keys ask for."""

from datetime import datetime
from pathlib import Path
from typing import Literal

import pygame

from rtbci.clock import utc_now

from .brain import Intent

__all__ = ["Window", "Wish"]

TITLE = "Fjord Lanterns"
MIN_SIZE = (480, 270)

Wish = Literal["quit", "start", "pause", "mark", "poor_signal", "gap", "lost"]
_KEYS: dict[int, Wish] = {
    pygame.K_ESCAPE: "quit",
    pygame.K_SPACE: "start",
    pygame.K_RETURN: "start",
    pygame.K_p: "pause",
    pygame.K_m: "mark",
    pygame.K_1: "poor_signal",
    pygame.K_2: "gap",
    pygame.K_3: "lost",
}


class Window:
    """A resizable window.

    Parameters
    ----------
    size : tuple of int
        Pixels.
    fullscreen : bool

    Attributes
    ----------
    screen : Surface
        To draw on; another one after `resized` was True.
    resized : bool
        Whether the last `wishes` changed the size.
    """

    def __init__(self, size: tuple[int, int], fullscreen: bool) -> None:
        self.resized = False
        self._size, self._fullscreen = size, fullscreen
        pygame.display.init()
        pygame.font.init()
        pygame.display.set_caption(TITLE)
        self._open()

    def wishes(self) -> list[Wish]:
        """What was asked for since the last call."""
        wishes: list[Wish] = []
        self.resized = False
        for event in pygame.event.get():
            if event.type == pygame.QUIT:
                wishes.append("quit")
            elif event.type == pygame.VIDEORESIZE and not self._fullscreen:
                self._fit(event.w, event.h)
            elif event.type == pygame.KEYDOWN and event.key in (pygame.K_f, pygame.K_F11):
                self._fullscreen = not self._fullscreen
                self._open()
            elif event.type == pygame.KEYDOWN and event.key == pygame.K_F12:
                self.save_picture(Path.cwd())
            elif event.type == pygame.KEYDOWN and event.key in _KEYS:
                wishes.append(_KEYS[event.key])
        return wishes

    def intent(self) -> Intent:
        """What the arrow keys say now."""
        keys = pygame.key.get_pressed()
        left, right = keys[pygame.K_LEFT], keys[pygame.K_RIGHT]
        return "rest" if left == right else "left" if left else "right"

    def save_picture(self, folder: Path) -> Path:
        """Save what is shown, named by date and time; return the file."""
        stamp: datetime = utc_now()
        path = folder / f"fjord-lanterns-{stamp:%Y%m%dT%H%M%S%f}.png"
        pygame.image.save(self.screen, path)
        return path

    def _fit(self, width: int, height: int) -> None:
        """Draw in the size that the window has now; one that is too small to draw in is made larger."""
        self._size = (max(width, MIN_SIZE[0]), max(height, MIN_SIZE[1]))
        surface = pygame.display.get_surface()
        if surface is None or surface.get_size() != self._size:
            self._open()
        else:
            self.screen, self.resized = surface, True

    def _open(self) -> None:
        flags = pygame.FULLSCREEN if self._fullscreen else pygame.RESIZABLE
        self.screen = pygame.display.set_mode((0, 0) if self._fullscreen else self._size, flags)
        pygame.mouse.set_visible(not self._fullscreen)
        self.resized = True
