import numpy as np

from rtbci.probe.phase_shift import LEAST_WINDOWS, SHIFTS_S, PhaseShift
from rtbci.stages.stage import FloatArray


def agreements(at_s: float | None, n: int, seed: int = 0) -> FloatArray:
    """Of windows whose flicker is so late; None: nothing is looked at."""
    noise = 0.005 * np.random.default_rng(seed).standard_normal((n, len(SHIFTS_S)))
    return noise if at_s is None else noise + 0.1 * np.cos(2 * np.pi * 7.0 * (SHIFTS_S - at_s))


def told(rows: FloatArray) -> list[float]:
    watch = PhaseShift()
    return [found for row in rows if (found := watch.push(row)) is not None]


def test_a_shift_is_told_of_once() -> None:
    assert told(agreements(-0.02, 200)) == [-0.02]


def test_one_is_not_told_of_before_there_are_enough_windows() -> None:
    assert told(agreements(-0.02, LEAST_WINDOWS - 1)) == []


def test_nothing_is_told_where_the_phase_is_right_or_nothing_is_looked_at() -> None:
    assert not any(told(agreements(0.0, 300, seed)) for seed in range(10))
    assert not any(told(agreements(None, 300, seed)) for seed in range(10))
