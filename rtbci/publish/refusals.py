"""Who and what was refused: everything is counted, and told once per source and second."""

import threading
from collections import Counter
from collections.abc import Mapping
from typing import Literal, NamedTuple

from rtbci.clock import Clock, now
from rtbci.publish.messages import Scalar

__all__ = ["KINDS", "Kind", "Refusal", "Refusals"]

Kind = Literal["key", "handshake", "frame", "flood", "request", "rate"]

KINDS: Mapping[Kind, str] = {
    "key": "connections with a key that is not trusted",
    "handshake": "connections that were no client of ours",
    "frame": "frames that subscribed to nothing there is",
    "flood": "connections cut off because they flooded the publisher",
    "request": "malformed requests",
    "rate": "requests above the limit",
}
"""What is counted, in words."""

TOLD_S = 1.0
MAX_TOLD = 10
"""Told at most so often in a second, whoever it comes from; the counts have all."""
MAX_LETTERS = 200


class Refusal(NamedTuple):
    """What is told.

    Parameters
    ----------
    source : str
        Address, or name of the socket where the address is not known.
    data : mapping
        `what` (a `Kind`), `reason`, and how many of this kind so far: `n`.
    """

    source: str
    data: Mapping[str, Scalar]


class Refusals:
    """Counts refusals.

    Parameters
    ----------
    clock : Clock
        Time in seconds.

    Notes
    -----
    Threads: any. Memory is bounded, however many sources there are.
    """

    def __init__(self, clock: Clock = now) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: Counter[Kind] = Counter()
        self._news: list[Refusal] = []
        self._told: set[tuple[Kind, str]] = set()
        self._t_told = -float("inf")

    def add(self, kind: Kind, source: str, reason: str, n: int = 1) -> None:
        """Count a refusal, and note it to be told unless its source was told within this second."""
        with self._lock:
            self._counts[kind] += n
            t_now = self._clock()
            if t_now - self._t_told >= TOLD_S:
                self._t_told = t_now
                self._told.clear()
            if (kind, source) in self._told or len(self._told) >= MAX_TOLD:
                return
            self._told.add((kind, source))
            data: dict[str, Scalar] = {"what": kind, "reason": reason[:MAX_LETTERS], "n": self._counts[kind]}
            self._news = [*self._news[-MAX_TOLD:], Refusal(source[:MAX_LETTERS], data)]

    def tell(self, source: str, what: str) -> None:
        """Note something to be told at any rate, that is no refusal."""
        with self._lock:
            self._news = [*self._news[-MAX_TOLD:], Refusal(source, {"what": "flood", "reason": what})]

    @property
    def counts(self) -> dict[Kind, int]:
        """How many of each kind so far."""
        with self._lock:
            return dict(self._counts)

    def news(self) -> list[Refusal]:
        """Take what there is to tell since the last call; costs 0.1 us when there is nothing."""
        if not self._news:
            return []
        with self._lock:
            told, self._news = self._news, []
        return told

    def said(self) -> str:
        """All counts in a sentence; empty when nothing was refused."""
        return ", ".join(f"{n} {KINDS[kind]}" for kind, n in self.counts.items())
