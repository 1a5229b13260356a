"""The cues of a synthetic session: left hand, right hand, rest."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rtbci.errors import ConfigError

__all__ = ["STATES", "Cue", "GrazCues"]

STATES = ("rest", "left_hand", "right_hand")
N_PER_CLASS_IN_BLOCK = 5


class Cue(NamedTuple):
    """From sample `i_sample` on the user is in `state`."""

    i_sample: int
    state: str


class GrazCues:
    """Cues as in the Graz protocol: rest, a cue for some seconds, rest again, of varying length.

    Classes are balanced in blocks of five trials of each, and shuffled in it (Pfurtscheller, Neuper 2001, Proc. IEEE
    89:1123, doi:10.1109/5.939829).

    Parameters
    ----------
    rate_hz : float
    rng : Generator
        Of its own, so that cues do not depend on how the signal is made.
    first_s : float
        Time of the first cue.
    imagery_s : float
        From a cue to the rest that follows.
    rest_s : tuple of 2 floats
        Shortest and longest rest.
    states : sequence of str
        What the user may be asked to do, beside rest.

    Raises
    ------
    ConfigError
        When a time is not above 0, or the longest rest is shorter than the shortest.
    """

    def __init__(
        self,
        rate_hz: float,
        rng: np.random.Generator,
        first_s: float = 3.0,
        imagery_s: float = 4.0,
        rest_s: tuple[float, float] = (3.0, 4.5),
        states: Sequence[str] = STATES[1:],
    ) -> None:
        if first_s <= 0 or imagery_s <= 0 or not 0 < rest_s[0] <= rest_s[1]:
            raise ConfigError(
                f"GrazCues: first {first_s:g} s, imagery {imagery_s:g} s, "
                f"rest {rest_s[0]:g} to {rest_s[1]:g} s; need times above 0, the shorter rest first"
            )
        self._rate_hz, self._rng = rate_hz, rng
        self._imagery_s, self._rest_s = imagery_s, rest_s
        self._t_s, self._states = first_s, tuple(states)
        self._block: list[str] = []
        self._next = Cue(self._i_sample(), self._draw())

    def until(self, i_stop: int) -> list[Cue]:
        """Take the cues before sample `i_stop` that were not taken yet."""
        due = []
        while self._next.i_sample < i_stop:
            due.append(self._next)
            self._next = self._following(self._next)
        return due

    def _following(self, cue: Cue) -> Cue:
        if cue.state == "rest":
            self._t_s += float(self._rng.uniform(*self._rest_s))
            return Cue(self._i_sample(), self._draw())
        self._t_s += self._imagery_s
        return Cue(self._i_sample(), "rest")

    def _draw(self) -> str:
        if not self._block:
            self._block = list(self._states) * N_PER_CLASS_IN_BLOCK
            self._rng.shuffle(self._block)
        return self._block.pop()

    def _i_sample(self) -> int:
        return round(self._t_s * self._rate_hz)
