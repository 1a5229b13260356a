"""`rtbci.Client` in a coroutine, and callbacks in a thread."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from rtbci import Client, Listener
from rtbci.errors import ConfigError, StreamLostError, StreamNotFoundError
from rtbci.publish.messages import Prediction
from rtbci.publish.outbox import Outbox
from tests.integration.live_runs import wait_for
from tests.integration.publish_fixtures import poll_until_hello, published, window

pytestmark = pytest.mark.sockets


@contextmanager
def connected(*topics: str) -> Iterator[tuple[Outbox, Client]]:
    with published() as (outbox, publisher), Client(publisher.address, topics or ("prediction",)) as client:
        poll_until_hello(outbox, client)
        yield outbox, client


def test_async_for_gives_every_message_and_lets_others_run() -> None:
    async def listen(outbox: Outbox, client: Client) -> list[float]:
        heard: list[float] = []
        turns = 0

        async def others() -> None:
            nonlocal turns
            while len(heard) < 20:
                turns += 1
                await asyncio.sleep(0)

        async def publish() -> None:
            for i in range(20):
                outbox.prediction(window(t_end=100.0 + i))
                await asyncio.sleep(0.001 * (i % 2))

        running = asyncio.gather(others(), publish())
        async for message in client:
            assert isinstance(message, Prediction)
            heard.append(message.t_window[1])
            if len(heard) == 20:
                break
        await running
        assert turns >= 20
        return heard

    with connected() as (outbox, client):
        assert asyncio.run(listen(outbox, client)) == [100.0 + i for i in range(20)]
        assert client.n_lost["prediction"] == 0


def test_cancelling_loses_nothing_and_silence_is_told() -> None:
    async def listen(outbox: Outbox, client: Client) -> None:
        for i in range(5):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.receive_async(), 0.01)
            outbox.prediction(window(t_end=float(i + 10)))
            message = await client.receive_async()
            assert isinstance(message, Prediction)
            assert message.t_window[1] == i + 10
        with pytest.raises(StreamLostError, match=r"nothing more received .* in 0\.01 s"):
            await client.receive_async(0.01)

    with connected() as (outbox, client):
        asyncio.run(listen(outbox, client))
        assert client.n_lost["prediction"] == 0

    async def alone() -> None:
        with (
            Client("tcp://127.0.0.1:9") as client,
            pytest.raises(StreamNotFoundError, match="is `rtbci run`"),
        ):
            await client.receive_async(0.01)

    asyncio.run(alone())


def test_callbacks_are_called_in_order_in_one_thread() -> None:
    seen: list[tuple[str, int, str]] = []

    def note(message: object) -> None:
        seen.append((message.topic, message.seq, threading.current_thread().name))  # type: ignore[attr-defined]

    with connected("prediction", "event") as (outbox, client):
        with Listener(client, prediction=note, event=note) as listener:
            assert listener.silent_s is None
            for i in range(5):
                outbox.prediction(window())
                outbox.event("marker", float(i))
            wait_for(lambda: len(seen) == 10, "ten messages")
            assert listener.n_lost["prediction"] == 0
            assert (listener.silent_s or 99.0) < 30.0
        listener.close()
    assert [one[:2] for one in seen] == [(topic, i) for i in range(5) for topic in ("prediction", "event")]
    assert {name for _, _, name in seen} == {"rtbci-listen"}


def test_what_a_callback_raises_is_raised_outside() -> None:
    def fail(message: object) -> None:
        raise ZeroDivisionError("in the callback")

    def listen(outbox: Outbox, client: Client) -> None:
        with Listener(client, prediction=fail) as listener:
            outbox.prediction(window())
            wait_for(lambda: listener.check(), "the error")

    with connected() as (outbox, client), pytest.raises(ZeroDivisionError, match="in the callback"):
        listen(outbox, client)


def test_a_topic_that_the_client_does_not_have_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"callbacks for status, need some of prediction; give the client"):
        Listener(Client("tcp://127.0.0.1:9"), status=print)
    with pytest.raises(ConfigError, match="callbacks for nothing"):
        Listener(Client("tcp://127.0.0.1:9"))
