"""When a fault happens: the same for the same seed, however the stream is cut into chunks."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from rtbci.chaos.scenario import Times
from rtbci.stream.source import FloatArray

__all__ = ["Occurrence", "Part", "Schedule"]

EDGE_S = 1e-6
"""A sample this little before an edge counts as on it: 2.1 + 0.1 is not 2.2 in binary."""


class Occurrence(NamedTuple):
    """One time that a fault happens, in seconds from the first sample; `stop_s` may be infinite."""

    number: int
    start_s: float
    stop_s: float


class Part(NamedTuple):
    """Samples `first` to before `last` of a chunk that an occurrence reaches; `is_new` for its first samples."""

    occurrence: Occurrence
    first: int
    last: int
    is_new: bool


class Schedule:
    """Occurrences of one fault, drawn as time goes on.

    Parameters
    ----------
    times : Times
        Start or rate, and length.
    seed : int
        Of the scenario.
    i_fault : int
        Which fault of it: each has random numbers of its own.

    Notes
    -----
    Random starts are a Poisson process; an occurrence that ends is over before the next begins. One owner.
    """

    def __init__(self, times: Times, seed: int, i_fault: int) -> None:
        self._times, self._key = times, (seed, i_fault)
        self._rng = np.random.default_rng(self._key)
        self._open: list[Occurrence] = []  # begun or next to begin, and not over
        self._begun: set[int] = set()
        self._n_drawn, self._t_free_s = 0, 0.0

    def rng(self, occurrence: Occurrence) -> np.random.Generator:
        """Random numbers for what one occurrence does."""
        return np.random.default_rng((*self._key, occurrence.number + 1))

    def parts(self, t_s: FloatArray) -> Iterator[Part]:
        """Which samples of the next chunk are reached; `t_s` are their times from the first sample, ascending."""
        if not len(t_s):
            return
        self._draw_until(float(t_s[-1]))
        self._open = [one for one in self._open if one.stop_s - EDGE_S > t_s[0]]
        self._begun.intersection_update(one.number for one in self._open)
        for one in list(self._open):
            first, last = np.searchsorted(t_s, [one.start_s - EDGE_S, one.stop_s - EDGE_S]).tolist()
            if last > first:
                is_new = one.number not in self._begun
                self._begun.add(one.number)
                yield Part(one, first, last, is_new)

    def _draw_until(self, t_last_s: float) -> None:
        times = self._times
        while self._t_free_s <= t_last_s and not (times.per_minute is None and self._n_drawn):
            start_s = times.start_s
            if start_s is None:
                start_s = self._t_free_s + self._rng.exponential(60.0 / (times.per_minute or 1.0))
            length_s = np.inf if times.length_s is None else times.length_s
            if times.max_length_s is not None:
                length_s = self._rng.uniform(length_s, times.max_length_s)
            self._open.append(Occurrence(self._n_drawn, float(start_s), float(start_s + length_s)))
            self._n_drawn += 1
            self._t_free_s = float(start_s + length_s if np.isfinite(length_s) else start_s)
