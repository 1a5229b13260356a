"""Requests to the decoder's control socket, from a thread of its own: the picture never waits for a reply."""

import queue
import threading
from typing import Any, NamedTuple, Self

from rtbci.errors import RtbciError
from rtbci.publish.control_client import ControlClient

__all__ = ["Remote"]

ANSWER_WITHIN_S = 2.0
MAX_WAITING = 20


class _Wish(NamedTuple):
    cmd: str
    done: str
    fields: dict[str, Any]


class Remote:
    """Sends requests in order; a context manager with the thread ``game-remote``.

    Parameters
    ----------
    address : str
        Of the control socket.
    server_key, key : str or None
        See `rtbci.ControlClient`.

    Raises
    ------
    ConfigError
        When the address is not one.

    Notes
    -----
    `ask` and `news` never wait. A request that is refused or not answered is news, not an exception: the game goes on.
    """

    def __init__(self, address: str, server_key: str | None = None, key: str | None = None) -> None:
        self._client = ControlClient(address, timeout_s=ANSWER_WITHIN_S, server_key=server_key, key=key)
        self._wishes: queue.Queue[_Wish | None] = queue.Queue()
        self._news: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="game-remote", daemon=True)

    def ask(self, cmd: str, done: str, **fields: Any) -> None:
        """Send a request; `done` is the news when it has been carried out."""
        if self._wishes.qsize() >= MAX_WAITING:
            self._news.put("The decoder does not answer: the request was not sent")
        else:
            self._wishes.put(_Wish(cmd, done, fields))

    def news(self) -> list[str]:
        """What became of requests since the last call, in words."""
        texts = []
        while not self._news.empty():
            texts.append(self._news.get_nowait())
        return texts

    def _run(self) -> None:
        with self._client as client:
            while (wish := self._wishes.get()) is not None:
                try:
                    client.request(wish.cmd, **wish.fields)
                    self._news.put(wish.done)
                except RtbciError as error:
                    self._news.put(f"{wish.cmd}: {error}")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._wishes.put(None)
        self._thread.join(2 * ANSWER_WITHIN_S)
