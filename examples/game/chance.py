"""What a player gets who steers at random: lanterns by the binomial distribution, points by counting all games."""

from collections import defaultdict
from collections.abc import Iterable
from math import comb
from typing import NamedTuple

from .world import Gate, points_for

__all__ = ["Against", "against_chance", "binomial", "random_points"]

SURPRISING = 0.05


class Against(NamedTuple):
    """A result and what chance says of it.

    Parameters
    ----------
    n_hits, n_chosen, n_open : int
        Lanterns caught; those that passed with the boat on either side; those with the boat in the middle.
    p_chance : float
        How probable so many hits or more are for a boat that takes sides by a coin.
    """

    n_hits: int
    n_chosen: int
    n_open: int
    p_chance: float

    @property
    def words(self) -> str:
        """The statement of the score screen."""
        if not self.n_chosen:
            return "No side was taken, so there is nothing to compare with chance."
        n, half = self.n_chosen, f"{self.n_chosen / 2:g}"
        much = f"A coin gets {half} of {n} on average, and {self.n_hits} or more in {percent(self.p_chance)} of games"
        verdict = "this was steered" if self.p_chance < SURPRISING else "this could be chance"
        return f"{much}: {verdict}."


def percent(share: float) -> str:
    """A share in words that never round to nothing.

    Examples
    --------
    >>> percent(0.5), percent(0.0213), percent(1e-6)
    ('50 %', '2.1 %', 'under 0.1 %')
    """
    if share < 0.001:
        return "under 0.1 %"
    return f"{100 * share:.1f} %" if share < 0.1 else f"{100 * share:.0f} %"


def binomial(n: int) -> list[float]:
    """Probability of 0 to n heads in n tosses of a fair coin."""
    return [comb(n, k) / 2**n for k in range(n + 1)]


def against_chance(gates: Iterable[Gate]) -> Against:
    """Compare lanterns that have passed with a coin.

    Sides are drawn independently of everything, so whatever the boat did when a side meant nothing to it, each side it took
    was right with probability 1/2, also when it often stayed in the middle or always went to the same side.

    Examples
    --------
    >>> gates = [Gate("left", "hit", -0.5, 10)] * 5 + [Gate("left", "open", 0.0, 0)]
    >>> against_chance(gates)
    Against(n_hits=5, n_chosen=5, n_open=1, p_chance=0.03125)
    """
    outcomes = [gate.outcome for gate in gates]
    n_hits, n_open = outcomes.count("hit"), outcomes.count("open")
    n_chosen = len(outcomes) - n_open
    return Against(n_hits, n_chosen, n_open, sum(binomial(n_chosen)[n_hits:]))


def random_points(n_chosen: int, share: float = 0.95) -> tuple[float, int]:
    """Points of a boat that takes a side by a coin `n_chosen` times: the mean, and what `share` of games do not exceed.

    Examples
    --------
    >>> random_points(2)  # nothing, 10, 10 or 10 + 20
    (12.5, 30)
    """
    chances: dict[tuple[int, int], float] = {(0, 0): 1.0}  # by points and streak
    for _ in range(n_chosen):
        after: dict[tuple[int, int], float] = defaultdict(float)
        for (points, streak), chance in chances.items():
            for gained, streak_then in (points_for("hit", streak), points_for("miss", streak)):
                after[points + gained, streak_then] += chance / 2
        chances = after
    by_points: dict[int, float] = defaultdict(float)
    for (points, _streak), chance in chances.items():
        by_points[points] += chance
    mean, below = sum(points * chance for points, chance in by_points.items()), 0.0
    for points in sorted(by_points):
        below += by_points[points]
        if below >= share:
            return mean, points
    return mean, max(by_points)
