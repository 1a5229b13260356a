"""The score moves with the decoder: minutes of play in simulated time."""

import pytest

from examples.game.brain import Brain
from examples.game.chance import against_chance
from tests.unit.game.simulated import Game, games


def test_accurate_decoder_beats_chance_in_every_minute() -> None:
    for seed in range(4):
        game = Game(Brain(0.97, seed=seed), n_gates=7, seed=seed)
        against = against_chance(game.to_the_end())
        assert game.t - 1000.0 == pytest.approx(60.0, abs=1.0)
        assert against.n_hits >= 6
        assert against.p_chance < 0.07


def test_score_rises_with_the_accuracy() -> None:
    hits = [against_chance(games(accuracy, "cue")).n_hits for accuracy in (0.55, 0.7, 0.95)]
    assert hits[0] < hits[1] < hits[2]


def test_seventy_percent_is_enough_to_play() -> None:
    gates = games(0.7, "cue", n_games=10)
    against = against_chance(gates)
    assert 0.6 < against.n_hits / len(gates) < 0.85
    assert against.p_chance < 1e-4
    assert against.n_open < 0.2 * len(gates)


@pytest.mark.parametrize("rule", ["coin", "left"])
def test_without_the_cue_it_is_chance(rule: str) -> None:
    against = against_chance(games(0.9, "coin" if rule == "coin" else "left", n_games=10))
    # 3 standard deviations of a fair coin
    assert abs(against.n_hits - against.n_chosen / 2) < 1.5 * against.n_chosen**0.5


def test_decoder_that_knows_nothing_moves_nothing() -> None:
    game = Game(Brain(0.5, seed=1), n_gates=7, seed=1)
    assert {gate.outcome for gate in game.to_the_end()} == {"open"}
    assert game.play.world.points == 0


@pytest.mark.parametrize("mishap", ["poor_signal", "gap"])
def test_abstaining_throughout_gives_nothing(mishap: str) -> None:
    game = Game(Brain(0.97, seed=1), n_gates=7, seed=1)
    while game.play.mode != "over":
        game.brain.mishap = "poor_signal" if mishap == "poor_signal" else "gap"
        game.frame()
    assert [gate.x for gate in game.play.world.gates] == [0.0] * 7
    assert game.play.world.points == 0
    assert {one.why for one in game.sink.predictions} <= {mishap, "warming_up"}


def test_points_are_those_of_the_lanterns() -> None:
    game = Game(Brain(0.8, seed=3), n_gates=20, seed=3)
    gates = game.to_the_end()
    assert game.play.world.points == sum(gate.points for gate in gates)
    kinds = [one.kind for one in game.happenings if one.kind in ("hit", "miss", "open")]
    assert kinds == [gate.outcome for gate in gates]
