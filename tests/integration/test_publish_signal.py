"""The topic `signal` over real sockets: wanted while somebody subscribes to it by name."""

from collections.abc import Callable

import pytest
import zmq

from rtbci.publish.zmq_publisher import Publisher
from tests.integration.live_runs import wait_for
from tests.integration.publish_fixtures import ANY_PORT

pytestmark = pytest.mark.sockets


def polled(publisher: Publisher, wanted: bool) -> Callable[[], bool]:
    def as_wanted() -> bool:
        publisher.poll()
        return publisher.signal_is_wanted is wanted

    return as_wanted


def test_it_is_wanted_from_the_first_that_asks_to_the_last_that_leaves() -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    with Publisher(ANY_PORT) as publisher, context:
        everything, first, second = (context.socket(zmq.SUB) for _ in range(3))
        for socket, topic in ((everything, ""), (first, "signal"), (second, "signal")):
            socket.connect(publisher.address)
            socket.subscribe(topic)
            if not topic:
                wait_for(publisher.poll, "the one that wants everything")
                assert not publisher.signal_is_wanted
        wait_for(polled(publisher, True), "a subscription")

        def both_have_it() -> bool:
            publisher.send_signal(b"x")
            return all(socket.poll(10) for socket in (first, second))

        wait_for(both_have_it, "the signal")
        first.close(linger=0)
        assert second.recv_multipart() == [b"signal", b"x"]
        assert polled(publisher, True)()
        third = context.socket(zmq.SUB)
        third.connect(publisher.address)
        third.subscribe("signal")

        def third_has_it() -> bool:
            publisher.poll()
            publisher.send_signal(b"x")
            return bool(third.poll(10))

        wait_for(third_has_it, "the signal again")
        third.unsubscribe("signal")  # not the last one
        second.unsubscribe("signal")
        wait_for(polled(publisher, False), "the end of the last subscription")
        assert publisher.n_malformed == 0
        everything.close(linger=0)
        second.close(linger=0)
        third.close(linger=0)


def test_after_the_end_the_signal_is_dropped() -> None:
    with Publisher(ANY_PORT) as publisher:
        pass
    publisher.send_signal(b"x")
