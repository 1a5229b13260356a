"""What waits for one browser: bounded, and when that browser is slow it skips to the newest."""

import asyncio
from collections import deque

__all__ = ["Mailbox"]

Item = str | bytes
N_KEPT = 4


class Mailbox:
    """Frames for one socket.

    Parameters
    ----------
    n_most : int
        Frames that may wait; with one more, all of those are dropped that may be.

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
        self._items: deque[tuple[Item, bool]] = deque()
        self._ready = asyncio.Event()
        self.n_dropped = 0

    def put(self, item: Item, *, keep: bool = False) -> None:
        """Add a frame; forget those that wait when they are too many.

        Parameters
        ----------
        item : str or bytes
        keep : bool
            It says what nothing later says again, and stays. Of these four times `n_most` may wait; whoever takes none of
            them does not read at all.
        """
        if len(self._items) >= self._n_most:
            kept = [one for one in self._items if one[1]]
            if len(kept) >= N_KEPT * self._n_most:
                kept = []
            self.n_dropped += len(self._items) - len(kept)
            self._items = deque(kept)
        self._items.append((item, keep))
        self._ready.set()

    async def take(self) -> Item:
        """The oldest frame, once there is one."""
        while not self._items:
            self._ready.clear()
            await self._ready.wait()
        return self._items.popleft()[0]
