"""The course of a simulated night: which stage each 30 s are, with the proportions that adults' nights have."""

from typing import NamedTuple

import numpy as np

__all__ = ["EPOCH_S", "STAGES", "Course", "draw_night"]

EPOCH_S = 30.0
STAGES: tuple[str, ...] = ("W", "N1", "N2", "N3", "REM")
"""Names of the AASM manual."""

DEEP_MIN = (30.0, 22.0, 10.0, 2.0, 0.0, 0.0)
"""Minutes of N3 in each cycle: most of it early in the night ..."""
REM_MIN = (6.0, 13.0, 19.0, 25.0, 28.0, 28.0)
"""... and of REM, most of it late."""
LIGHT_MIN = (30.0, 40.0, 48.0, 48.0, 48.0, 48.0)


class Course(NamedTuple):
    """Stages in a row.

    Parameters
    ----------
    stages : tuple of str
        One of `STAGES` for each 30 s.
    """

    stages: tuple[str, ...]

    @property
    def duration_s(self) -> float:
        """How long it is."""
        return EPOCH_S * len(self.stages)


def draw_night(rng: np.random.Generator, n_cycles: int = 5) -> Course:
    """Draw a night: falling asleep, cycles of N2, N3, N2 and REM with awakenings in between, waking up.

    Parameters
    ----------
    rng : Generator
    n_cycles : int
        At most 6; five make a night of about 8 h.

    Notes
    -----
    What a textbook says of a young adult's night (Carskadon and Dement, Normal human sleep, in Principles and Practice of
    Sleep Medicine): cycles of 90 minutes or so, N3 mostly in the first third, REM mostly in the last, 2 to 5 % N1, 45 to 55 % N2,
    13 to 23 % N3, 20 to 25 % REM, less than 5 % awake. How it varies is made up.
    """

    def epochs(minutes: float, spread: float = 0.25) -> int:
        return round(minutes * 2.0 * float(np.exp(rng.normal(0.0, spread))))

    stages: list[str] = ["W"] * max(2, epochs(10.0, 0.5)) + ["N1"] * max(1, epochs(2.5, 0.4))
    for cycle in range(n_cycles):
        before = epochs(0.6 * LIGHT_MIN[cycle])
        stages += _broken(rng, ["N2"] * max(1, before), "N1", 0.02)
        stages += _broken(rng, ["N3"] * epochs(DEEP_MIN[cycle]), "N2", 0.08)
        stages += _broken(rng, ["N2"] * epochs(0.4 * LIGHT_MIN[cycle]), "N1", 0.03)
        stages += _broken(rng, ["REM"] * max(1, epochs(REM_MIN[cycle])), "N1", 0.02)
        if rng.random() < 0.7:
            stages += ["W"] * int(rng.integers(1, 4)) + ["N1"] * int(rng.integers(1, 4))
    return Course((*stages, *["W"] * max(2, epochs(5.0, 0.4))))


def _broken(rng: np.random.Generator, stages: list[str], by: str, share: float) -> list[str]:
    """Some epochs of a stage are another one, as people score them."""
    return [by if i > 0 and rng.random() < share else one for i, one in enumerate(stages)]
