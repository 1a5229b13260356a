"""Requests that were seen before: carried out once, answered as often as they come."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import NamedTuple

from rtbci.publish.control_messages import Reply, Request

__all__ = ["RequestMemory", "Seen"]

MAX_REPLIES = 1024
"""Replies remembered; with 100 requests a second, the most that are carried out, those of ten seconds."""


class Seen(NamedTuple):
    """A request that has come before.

    Parameters
    ----------
    request : Request
        What it was: the same client and id may not ask for something else.
    number : int
        Of its command.
    reply : Reply or None
        None while it is being carried out.
    """

    request: Request
    number: int
    reply: Reply | None


class RequestMemory:
    """Remembers requests that name their client and have an id.

    Notes
    -----
    Threads: one at a time.
    """

    def __init__(self) -> None:
        self._seen: OrderedDict[Hashable, Seen] = OrderedDict()
        self._keys: dict[int, Hashable] = {}

    def find(self, user: str, request: Request) -> Seen | None:
        """Return what is known of a request; None when it is new, or does not say whose it is."""
        key = _key(user, request)
        return None if key is None else self._seen.get(key)

    def add(self, user: str, request: Request, number: int) -> None:
        """Remember a request that waits now."""
        key = _key(user, request)
        if key is None:
            return
        self._seen[key] = Seen(request, number, None)
        self._keys[number] = key
        if len(self._seen) > MAX_REPLIES:
            _, oldest = self._seen.popitem(last=False)
            self._keys.pop(oldest.number, None)

    def answered(self, number: int, reply: Reply) -> None:
        """Remember what was replied."""
        key = self._keys.pop(number, None)
        if key is not None and key in self._seen:
            self._seen[key] = self._seen[key]._replace(reply=reply)

    def forget(self, number: int) -> None:
        """Forget a request that was not carried out: it may come again."""
        self._seen.pop(self._keys.pop(number, None), None)


def _key(user: str, request: Request) -> Hashable:
    # A trusted key's own: nobody else reads or spoils its replies by naming the same client.
    return None if request.client is None or request.id is None else (user, request.client, request.id)
