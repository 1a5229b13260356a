"""A window, and who publishes it, for tests of the sockets."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rtbci.client import Client
from rtbci.publish.codec import Format
from rtbci.publish.messages import Quality
from rtbci.publish.outbox import Decoded, Outbox
from rtbci.publish.zmq_publisher import Publisher
from tests.message_samples import HELLO

__all__ = ["ANY_PORT", "HELLO", "poll_until_hello", "published", "window"]

ANY_PORT = "tcp://127.0.0.1:0"


def window(t_end: float = 100.0, p_left: float = 0.25) -> Decoded:
    """What a decoder says of one window; its probability of "left" marks it."""
    return Decoded(
        probs=(p_left, 1.0 - p_left),
        decision=None,
        why="below_threshold",
        t_window=(t_end - 3.0, t_end),
        quality=Quality(score=1.0),
        wait_ms=1.0,
        filter_ms=1.0,
        encode_ms=1.0,
        probe_ms=1.0,
        t_decided=t_end,
    )


@contextmanager
def published(
    address: str = ANY_PORT, *, format: Format = "json", queue_length: int = 256, session: str | None = None
) -> Iterator[tuple[Outbox, Publisher]]:
    """Give an outbox that publishes at `address`."""
    with (
        Publisher(address, format=format, queue_length=queue_length) as publisher,
        Outbox(HELLO, [publisher], session=session) as outbox,
    ):
        yield outbox, publisher


def poll_until_hello(outbox: Outbox, client: Client, timeout_s: float = 5.0) -> None:
    """Poll as a decoder does until `client` has the hello of its newest subscription."""
    for _ in range(int(timeout_s / 0.01)):
        outbox.poll()
        client.latest("hello")
        if client.hello is not None:
            return
        time.sleep(0.01)
    raise AssertionError(f"no hello in {timeout_s} s")
