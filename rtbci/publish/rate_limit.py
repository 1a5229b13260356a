"""How many requests a client may send: a bucket of tokens each, refilled steadily."""

from collections import OrderedDict
from collections.abc import Hashable

from rtbci.clock import Clock, now

__all__ = ["RateLimit"]

MAX_CLIENTS = 1024


class RateLimit:
    """Buckets of tokens, one for each client.

    Parameters
    ----------
    per_s : float
        Tokens that come back in a second.
    burst : int
        Tokens that a bucket holds.
    clock : Clock
        Time in seconds.

    Notes
    -----
    Threads: one at a time. The buckets of the 1024 clients that asked last are kept; one that was forgotten is full again.
    """

    def __init__(self, per_s: float, burst: int, clock: Clock = now) -> None:
        self._per_s, self._burst, self._clock = per_s, float(burst), clock
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def take(self, client: Hashable) -> bool:
        """Take a token from a client's bucket; False when there is none."""
        t_now = self._clock()
        left, t_before = self._buckets.pop(client, (self._burst, t_now))
        left = min(self._burst, left + (t_now - t_before) * self._per_s)
        self._buckets[client] = (left - 1.0 if left >= 1.0 else left, t_now)
        if len(self._buckets) > MAX_CLIENTS:
            self._buckets.popitem(last=False)
        return left >= 1.0
