"""The topic `soon`: who asks for it is woken before a prediction, and nobody else notices."""

from collections.abc import Callable

import pytest
import zmq

from rtbci.client import Client
from rtbci.publish.messages import Prediction
from rtbci.publish.subscriber_socket import MAX_SOON
from rtbci.publish.zmq_publisher import Publisher
from tests.integration.live_runs import wait_for
from tests.integration.publish_fixtures import ANY_PORT, published, window
from tools.write_schema import samples

pytestmark = pytest.mark.net

MESSAGE = samples()["prediction"]


def rehearsed(publisher: Publisher, socket: "zmq.Socket[bytes]") -> Callable[[], bool]:
    def has_come() -> bool:
        assert isinstance(MESSAGE, Prediction)
        publisher.poll()
        publisher.rehearse(MESSAGE)
        return bool(socket.poll(10))

    return has_come


def test_only_who_asks_for_it_by_name_is_told() -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    with Publisher(ANY_PORT) as publisher, context:
        predictions, asking = (context.socket(zmq.SUB) for _ in range(2))
        for socket, topic in ((predictions, "prediction"), (asking, "soon")):
            socket.connect(publisher.address)
            socket.subscribe(topic)
        wait_for(rehearsed(publisher, asking), "the topic")
        assert asking.recv_multipart() == [b"soon", b"{}"]

        def both_have_it() -> bool:
            publisher.send(MESSAGE)
            return bool(predictions.poll(10))

        wait_for(both_have_it, "a prediction")
        assert predictions.recv_multipart()[0] == b"prediction"
        predictions.close(linger=0)
        asking.close(linger=0)
        assert publisher.n_malformed == 0


def test_nobody_is_told_where_too_many_ask() -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    with Publisher(ANY_PORT) as publisher, context:
        sockets = [context.socket(zmq.SUB) for _ in range(MAX_SOON + 1)]
        for n_asking, socket in enumerate(sockets, 1):
            socket.connect(publisher.address)
            socket.subscribe("soon")
            if n_asking <= MAX_SOON:
                wait_for(rehearsed(publisher, socket), f"the topic, by {n_asking}")

        def has_counted() -> bool:
            publisher.poll()
            return publisher._socket.n_soon > MAX_SOON

        wait_for(has_counted, "one too many")
        for socket in sockets:
            while socket.poll(50):
                socket.recv_multipart()
        assert not any(rehearsed(publisher, socket)() for socket in sockets)
        for socket in sockets[1:]:
            socket.close(linger=0)
        sockets[0].unsubscribe("soon")  # the last one leaves: they are counted anew

        def is_free() -> bool:
            publisher.poll()
            return publisher._socket.n_soon == 0

        wait_for(is_free, "the last one to leave")
        sockets[0].subscribe("soon")
        wait_for(rehearsed(publisher, sockets[0]), "the topic again")
        sockets[0].close(linger=0)


def test_a_client_is_woken_and_returns_predictions_alone() -> None:
    with published() as (outbox, publisher), Client(publisher.address, timeout_s=10.0) as client:

        def is_there() -> bool:
            outbox.poll()
            return publisher._socket.n_soon == 1

        wait_for(is_there, "the client")
        for i in range(20):
            outbox.rehearse()
            outbox.prediction(window(100.0 + i))
            received = client.receive()
            assert isinstance(received, Prediction)
            assert received.seq == i
        outbox.rehearse()
        assert client.latest() is received
        assert (client.n_malformed, client.n_lost["prediction"]) == (0, 0)
