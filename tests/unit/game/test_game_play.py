import random

import pytest

from examples.game.brain import Brain
from examples.game.messages import Link
from examples.game.play import Play
from examples.game.steering import CALM
from examples.game.world import Pace
from tests.unit.game.simulated import Game


def mode_of(play: Play) -> str:
    """The mode, in a way that type checkers do not take for settled."""
    return play.mode


def playing() -> Game:
    game = Game(Brain(0.9, seed=2), n_gates=5, seed=2)
    while game.play.world.phase != "steer" or game.play.world.progress < 0.6:
        game.frame()
    return game


def test_nothing_starts_without_a_decoder() -> None:
    play = Play(3, Pace(), random.Random(0))
    for link in ("nobody", "silent", "waiting", "filling", "lost"):
        play.step(0.1, link, CALM)
        assert (mode_of(play), play.start()) == ("waiting", [])
    play.step(0.1, "running", CALM)
    assert mode_of(play) == "ready"
    play.step(0.1, "silent", CALM)
    assert mode_of(play) == "waiting"


@pytest.mark.parametrize("link", ["lost", "silent", "stopped", "paused", "nobody", "waiting"])
def test_lost_line_pauses_and_goes_on_by_itself(link: Link) -> None:
    game = playing()
    before = (game.play.world.x, game.play.world.progress, len(game.play.world.gates))
    game.link = link
    for _ in range(600):
        game.frame()
    assert (mode_of(game.play), game.play.by_player) == ("paused", False)
    assert (game.play.world.x, game.play.world.progress, len(game.play.world.gates)) == before
    assert [one.kind for one in game.happenings][-1:] == ["rest"]
    game.link = "filling"  # the window is not full yet
    game.frame()
    assert mode_of(game.play) == "paused"
    game.link = "running"
    game.frame()
    assert mode_of(game.play) == "playing"
    assert game.happenings[-1].kind == "cue"
    assert game.play.world.hold_s > 2.0
    assert len(game.to_the_end()) == 5


@pytest.mark.parametrize("link", ["filling", "stale"])
def test_gaps_do_not_pause(link: Link) -> None:
    game = playing()
    game.link = link
    game.frame()
    assert mode_of(game.play) == "playing"


def test_pause_of_the_player_waits_for_the_player() -> None:
    game = playing()
    assert [one.kind for one in game.play.turn_pause()] == ["rest"]
    for link in ("paused", "running"):
        game.link = "paused" if link == "paused" else "running"
        game.frame()
        assert (mode_of(game.play), game.play.by_player) == ("paused", True)
    game.link = "paused"
    assert game.play.turn_pause() == []
    game.frame()
    assert mode_of(game.play) == "paused"  # the decoder is not back yet
    game.link = "running"
    game.frame()
    assert mode_of(game.play) == "playing"


def test_games_add_up() -> None:
    game = Game(Brain(0.9, seed=2), n_gates=3, seed=2)
    game.to_the_end()
    assert [one.kind for one in game.play.start()] == ["start", "rest"]
    assert game.play.world.gates == []
    game.to_the_end()
    assert len(game.play.all_gates) == 6
