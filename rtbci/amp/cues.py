"""The cues of a synthetic session: left hand, right hand, rest."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

__all__ = ["STATES", "Cue", "GrazCues"]

STATES = ("rest", "left_hand", "right_hand")
N_PER_CLASS_IN_BLOCK = 5
FIRST_S, IMAGERY_S, REST_S = 3.0, 4.0, (3.0, 4.5)
"""Time of the first cue, from a cue to the rest that follows, shortest and longest rest."""


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
    states : sequence of str
        What the user may be asked to do, beside rest.

    """

    def __init__(self, rate_hz: float, rng: np.random.Generator, states: Sequence[str] = STATES[1:]) -> None:
        self._rate_hz, self._rng = rate_hz, rng
        self._t_s, self._states = FIRST_S, tuple(states)
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
            self._t_s += float(self._rng.uniform(*REST_S))
            return Cue(self._i_sample(), self._draw())
        self._t_s += IMAGERY_S
        return Cue(self._i_sample(), "rest")

    def _draw(self) -> str:
        if not self._block:
            self._block = list(self._states) * N_PER_CLASS_IN_BLOCK
            self._rng.shuffle(self._block)
        return self._block.pop()

    def _i_sample(self) -> int:
        return round(self._t_s * self._rate_hz)
