"""A page that a test plays: it answers what the server says, with frames of whatever length."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Origin

from rtbci.clock import now

__all__ = ["Markers", "Say", "playing"]

Say = Callable[..., None]


class Markers:
    """A marker stream that remembers what was sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, float]] = []

    def push(self, text: str, t_lsl: float) -> None:
        self.sent.append((text, t_lsl))


@contextmanager
def playing(url: str, answer: Callable[[dict[str, Any], Say], None]) -> Iterator[None]:
    """Connect as a page would, answer pings, and have `answer` do the rest."""
    with connect(
        url.replace("http", "ws") + "ws", origin=Origin(url[: url.index("/", 8)]), proxy=None
    ) as socket:

        def say(type: str, **fields: Any) -> None:
            socket.send(json.dumps({"type": type, **fields}))

        def listen() -> None:
            try:
                for text in socket:
                    message = json.loads(text)
                    if message["type"] == "ping":
                        say("pong", id=message["id"], page_ms=1e3 * now())
                    else:
                        answer(message, say)
            except ConnectionClosed:
                pass

        threading.Thread(target=listen, name="played-page", daemon=True).start()
        yield
