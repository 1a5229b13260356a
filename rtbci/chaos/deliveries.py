"""What is to be sent, in the order of its times; a queue without a clock."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Literal

import numpy as np

from rtbci.chaos.flow import Action, Appear, Disappear, Samples
from rtbci.stream.source import Chunk

__all__ = ["Deliveries"]


class Deliveries:
    """Holds actions back until they are due.

    Samples of a stream that has been destroyed meanwhile are never sent. One owner.
    """

    def __init__(self) -> None:
        self._events: deque[Appear | Disappear] = deque()
        self._samples: dict[int, deque[Samples]] = {}

    def push(self, actions: Iterable[Action]) -> None:
        """Take the actions of one chunk."""
        for action in actions:
            if isinstance(action, Samples):
                self._samples.setdefault(action.life, deque()).append(action)
            else:
                self._events.append(action)
        self._events = deque(sorted(self._events, key=lambda event: event.t_due))

    @property
    def t_next(self) -> float:
        """When the next action is due, in seconds; infinity when there is none."""
        firsts = [float(waiting[0].t_due[0]) for waiting in self._samples.values() if waiting]
        return min([*firsts, *(event.t_due for event in self._events)], default=np.inf)

    def due(self, t_now: float) -> Iterator[Action]:
        """Take out what is due at `t_now`, in order."""
        while self._events and self._events[0].t_due <= t_now:
            event = self._events.popleft()
            yield from self._samples_before(event.t_due, "left")
            yield event
            if isinstance(event, Disappear):
                self._samples.pop(event.life, None)
        yield from self._samples_before(t_now, "right")

    def _samples_before(self, t_lsl: float, side: Literal["left", "right"]) -> Iterator[Samples]:
        for life, waiting in self._samples.items():
            while waiting:
                t_due, (data, stamps) = waiting[0].t_due, waiting[0].chunk
                n = int(np.searchsorted(t_due, t_lsl, side))
                if not n:
                    break
                yield Samples(t_due[:n], life, Chunk(data[:n], stamps[:n]))
                waiting.popleft()
                if n < len(t_due):
                    waiting.appendleft(Samples(t_due[n:], life, Chunk(data[n:], stamps[n:])))
                    break
