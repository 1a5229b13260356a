"""What waits for one browser: bounded, and when that browser is slow it skips to the newest."""

import asyncio
from collections import deque

__all__ = ["Mailbox"]

Item = str | bytes


class Mailbox:
    """Frames for one socket.

    Parameters
    ----------
    n_most : int
        Frames that may wait; with one more all of those are dropped.

    Attributes
    ----------
    n_dropped : int
        Frames dropped so far.

    Notes
    -----
    One event loop; `put` never waits.
    """

    def __init__(self, n_most: int = 64) -> None:
        self._n_most = n_most
        self._items: deque[Item] = deque()
        self._ready = asyncio.Event()
        self.n_dropped = 0

    def put(self, item: Item) -> None:
        """Add a frame; forget all that wait when they are too many."""
        if len(self._items) >= self._n_most:
            self.n_dropped += len(self._items)
            self._items.clear()
        self._items.append(item)
        self._ready.set()

    async def take(self) -> Item:
        """The oldest frame, once there is one."""
        while not self._items:
            self._ready.clear()
            await self._ready.wait()
        return self._items.popleft()
