import random
from itertools import pairwise

import pytest

from examples.game.chance import against_chance, binomial, random_points
from examples.game.world import MIDDLE, Gate, Pace, World, draw_sides, points_for

PACE = Pace(rest_s=1.0, aim_s=0.5, steer_s=2.0)


def flown(thrust: float, frame_s: float = 1 / 60) -> World:
    world = World(["left", "right"], PACE)
    while world.phase != "over":
        world.step(frame_s, thrust)
    return world


def test_order_of_a_game() -> None:
    world = World(["left"], PACE)
    happenings, phases = [], []
    while world.phase != "over":
        happenings += world.step(1 / 60, -1.0)
        if world.phase not in phases:
            phases.append(world.phase)
    assert [one.kind for one in happenings] == ["cue", "hit", "rest", "over"]
    assert happenings[0].side == happenings[1].side == "left"
    assert phases == ["rest", "aim", "steer", "over"]


def test_wind_counts_only_while_steering() -> None:
    world = World(["left"], PACE)
    while world.phase != "steer":
        world.step(1 / 60, 1.0, 1)
        assert world.x == world.speed == world.thrust == 0.0
    world.step(0.5, 1.0)
    assert world.x > 0.0


@pytest.mark.parametrize("frame_s", [1 / 30, 1 / 144, 0.1, 7.0])
def test_frame_rate_changes_nothing(frame_s: float) -> None:
    assert flown(0.6, frame_s).gates == flown(0.6).gates


def test_sides_and_middle() -> None:
    assert [gate.outcome for gate in flown(-1.0).gates] == ["hit", "miss"]
    assert [gate.outcome for gate in flown(0.05).gates] == ["open", "open"]
    assert all(abs(gate.x) < MIDDLE for gate in flown(0.05).gates)
    assert max(abs(gate.x) for gate in flown(50.0).gates) <= 1.0


def test_gust_moves_once() -> None:
    calm, gusty = World(["right"], PACE), World(["right"], PACE)
    for world, gust in ((calm, 0), (gusty, 1)):
        while world.phase != "steer":
            world.step(1 / 60, 0.0)
        world.step(1 / 60, 0.0, gust)
        world.step(0.5, 0.0)
    assert gusty.x > calm.x == 0.0


def test_standing_still_after_a_pause() -> None:
    world = World(["right"], PACE)
    while world.phase != "steer":
        world.step(1 / 60, 0.0)
    world.step(1.0, 1.0)
    x, progress = world.x, world.progress
    assert [(one.kind, one.side) for one in world.stand(2.0)] == [("cue", "right")]
    world.step(1.9, 1.0, 1)
    assert (world.x, world.progress) == (x, progress)
    world.step(0.3, 1.0)
    assert world.x > x


def test_streak_multiplies_and_halves() -> None:
    streak, points = 0, []
    for outcome in ("hit", "hit", "hit", "hit", "hit", "hit", "miss", "open", "hit"):
        gained, streak = points_for(outcome, streak)
        points.append(gained)
    assert points == [10, 20, 30, 40, 50, 50, 0, 0, 40]


def test_game_without_lanterns_is_over() -> None:
    assert World([], PACE).phase == "over"


def test_sides_are_fair_and_independent() -> None:
    sides = draw_sides(4000, random.Random(1))
    n_left = sides.count("left")
    n_same = sum(a == b for a, b in pairwise(sides))
    assert abs(n_left - 2000) < 100
    assert abs(n_same - 2000) < 100


def test_chance_of_lanterns_is_binomial() -> None:
    assert binomial(4) == [1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16]
    gates = [Gate("left", "hit", -0.5, 10)] * 12 + [Gate("left", "miss", 0.5, 0)] * 3
    against = against_chance(gates)
    assert against.p_chance == pytest.approx(0.017578125)  # scipy.stats.binomtest(12, 15, 0.5, "greater")
    assert "7.5 of 15" in against.words
    assert "1.8 %" in against.words
    assert "this was steered" in against.words
    assert "could be chance" in against_chance(gates[6:]).words
    assert "nothing to compare" in against_chance([]).words


def test_random_points_are_those_of_random_boats() -> None:
    rng, played = random.Random(2), []
    for _ in range(4000):
        streak = points = 0
        for _ in range(15):
            gained, streak = points_for(rng.choice(("hit", "miss")), streak)
            points += gained
        played.append(points)
    mean, most = random_points(15)
    assert mean == pytest.approx(sum(played) / len(played), rel=0.03)
    assert sum(points <= most for points in played) / len(played) == pytest.approx(0.955, abs=0.02)
