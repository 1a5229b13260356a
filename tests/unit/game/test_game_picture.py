"""Every screen is drawn at every size, and shows what it says."""

import random
from collections.abc import Iterator
from dataclasses import replace

import pygame
import pytest

from examples.game.messages import LINK_WORDS, Link
from examples.game.palette import GOOD, LEFT, RIGHT
from examples.game.picture import Picture
from examples.game.play import Play
from examples.game.shapes import forget_fonts
from examples.game.shown import Shown
from examples.game.steering import CALM, Wind
from examples.game.window import MIN_SIZE, Window
from examples.game.world import Pace
from tests.unit.game.simulated import HANDS
from tests.unit.game.test_game_steering import hello, prediction

LEFTWARDS = Wind(-1.0, -1, 0.8, 0.2, "wind", "Wind: left hand")
FRAME_S = 1 / 60


@pytest.fixture
def window(monkeypatch: pytest.MonkeyPatch) -> Iterator[Window]:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    yield Window((640, 360), fullscreen=False)
    forget_fonts()
    pygame.quit()


def shown(play: Play, wind: Wind = CALM, link: Link = "running") -> Shown:
    return Shown(
        play=play,
        wind=wind,
        link=link,
        hello=hello(["left_hand", "right_hand"]),
        status=None,
        prediction=prediction((0.8, 0.2)),
        hands=HANDS,
        n_lost=0,
        to_frame_ms=12.0,
        address="tcp://127.0.0.1:5571",
        note="Marked in the session",
        cues="",
        cue_stream="cues",
        keyboard=False,
    )


def colours(screen: pygame.Surface) -> dict[tuple[int, int, int], int]:
    counts: dict[tuple[int, int, int], int] = {}
    for colour in (LEFT, RIGHT, GOOD):
        counts[colour] = pygame.mask.from_threshold(screen, colour, (2, 2, 2, 255)).count()
    return counts


@pytest.mark.parametrize("size", [MIN_SIZE, (1280, 720), (1700, 500), (500, 1000)])
def test_whole_game_at_any_size(window: Window, size: tuple[int, int]) -> None:
    screen, picture = pygame.Surface(size), Picture(*size)
    play = Play(3, Pace(0.2, 0.2, 1.5), random.Random(0))
    for link in LINK_WORDS:
        picture.draw(screen, shown(play, link=link), FRAME_S)
    play.step(0.0, "running", CALM)
    picture.show(play.start())
    modes = set()
    while play.mode != "over":
        picture.show(play.step(0.1, "running", LEFTWARDS))
        picture.draw(screen, shown(play, LEFTWARDS), 0.1)
        modes.add(play.mode)
    play.step(0.1, "running", CALM)
    picture.draw(screen, shown(play), 0.1)
    assert modes == {"playing", "over"}


def test_bar_is_as_long_as_the_probability(window: Window) -> None:
    screen, picture = pygame.Surface((1280, 720)), Picture(1280, 720)
    play = Play(3, Pace(), random.Random(0))
    play.step(0.0, "running", CALM)
    play.start()
    n_left = []
    for p in (0.2, 0.4, 0.8):
        wind = Wind(-1.0, 0, p, 1 - p, "wind", "")
        picture.draw(screen, replace(shown(play, wind), note=""), FRAME_S)
        n_left.append(colours(screen)[LEFT])
    assert (n_left[2] - n_left[1]) / (n_left[1] - n_left[0]) == pytest.approx(2.0, abs=0.25)


def test_caught_lanterns_stay_in_the_sky_until_the_next_game(window: Window) -> None:
    picture = Picture(640, 360)
    play = Play(2, Pace(0.2, 0.2, 2.5), random.Random(0))
    play.step(0.0, "running", CALM)
    picture.show(play.start())
    while play.mode != "over":
        side = play.world.side
        wind = LEFTWARDS if side == "left" else Wind(1.0, 1, 0.2, 0.8, "wind", "")
        picture.show(play.step(0.1, "running", wind))
        picture.draw(window.screen, shown(play, wind), 0.1)
    assert len(picture._fleet._risen) == 2
    picture.show(play.start())
    assert picture._fleet._risen == []


def test_keys_and_sizes(window: Window) -> None:
    window.wishes()
    for key in (pygame.K_SPACE, pygame.K_p, pygame.K_m, pygame.K_2, pygame.K_ESCAPE, pygame.K_x):
        pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=key))
    assert window.wishes() == ["start", "pause", "mark", "gap", "quit"]
    assert (window.resized, window.intent()) == (False, "rest")
    pygame.event.post(pygame.event.Event(pygame.VIDEORESIZE, w=10, h=10, size=(10, 10)))
    assert window.wishes() == []
    assert window.resized
    assert window.screen.get_size() == MIN_SIZE
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_f))
    window.wishes()
    assert window.resized
