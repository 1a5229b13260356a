"""How long calls take, when those that are compared take turns."""

from collections.abc import Callable, Mapping

import msgspec
import numpy as np
import numpy.typing as npt

from rtbci.clock import Clock, now

__all__ = ["Timing", "round_ms", "take_turns"]

FloatArray = npt.NDArray[np.float64]
Call = Callable[[], object]


class Timing(msgspec.Struct, frozen=True):
    """Milliseconds of one call.

    Parameters
    ----------
    p50_ms, p99_ms : float
        Median over rounds of a round's median and of its 99th percentile.
    best_ms : float
        The smallest median of a round: what others on the same machine disturb least.
    n_calls : int
        In all rounds.
    """

    p50_ms: float
    p99_ms: float
    best_ms: float
    n_calls: int


def take_turns(
    calls: Mapping[str, Call], n_rounds: int, round_s: float, clock: Clock = now
) -> dict[str, Timing]:
    """Time calls in rounds, each round one after the other, so that what slows the machine slows all.

    Parameters
    ----------
    calls : mapping of str to callable
        Each is called once, untimed, before the first round.
    n_rounds : int
        At least 1.
    round_s : float
        How long one call is repeated in a round; it is made at least once.
    clock : Clock
        In seconds.

    Returns
    -------
    dict of str to Timing
        By the names of `calls`.
    """
    for call in calls.values():
        call()
    rounds: dict[str, list[FloatArray]] = {name: [] for name in calls}
    for _ in range(n_rounds):
        for name, call in calls.items():
            rounds[name].append(round_ms(call, round_s, clock))
    return {name: _summary(taken) for name, taken in rounds.items()}


def round_ms(call: Call, round_s: float, clock: Clock = now) -> FloatArray:
    """Milliseconds of each call for `round_s` seconds; of one where that takes longer."""
    taken: list[float] = []
    t_end = clock() + round_s
    t_start = clock()
    while not taken or t_start < t_end:
        call()
        t_now = clock()
        taken.append(1e3 * (t_now - t_start))
        t_start = t_now
    return np.array(taken)


def _summary(rounds: list[FloatArray]) -> Timing:
    p50, p99 = np.array([np.percentile(taken, [50, 99]) for taken in rounds]).T
    return Timing(float(np.median(p50)), float(np.median(p99)), float(p50.min()), sum(map(len, rounds)))
