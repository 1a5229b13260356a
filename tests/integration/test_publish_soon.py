"""The topic `soon`: who asks for it is woken before a prediction, and nobody else notices."""

import runpy
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from socket import create_connection, socket
from typing import Any

import pytest
import zmq

from rtbci.client import Client
from rtbci.errors import StreamError
from rtbci.publish.door import Door
from rtbci.publish.messages import Prediction
from rtbci.publish.outbox import Outbox
from rtbci.publish.subscriber_socket import MAX_SOON
from rtbci.publish.zmq_publisher import Publisher
from tests.integration.client_programs import CLIENTS
from tests.integration.live_runs import wait_for
from tests.integration.publish_fixtures import ANY_PORT, published, window
from tools.write_schema import samples

pytestmark = pytest.mark.clock

MESSAGE = samples()["prediction"]
GREETING = b"\xff\0\0\0\0\0\0\0\1\x7f\3\0NULL" + bytes(48) + b"\4\x19\5READY\x0bSocket-Type\0\0\0\3SUB"
"""What a subscriber says first, by ZMTP 3.0 without encryption."""
ONCE = """
#include <iostream>
#include <thread>
#include "rtbci.hpp"

int main(int, char** arguments) {
    rtbci::Listener listener(arguments[1]);
    std::string line;
    std::getline(std::cin, line);
    std::this_thread::sleep_for(std::chrono::seconds(1));  // what was sent is there
    const auto received = listener.receive(std::chrono::milliseconds(0));
    std::cout << (received ? received->topic : "nothing") << std::endl;
}
"""


def is_asked_for(outbox: Outbox, publisher: Publisher) -> bool:
    outbox.poll()
    return is_asked_for_by(publisher, 1)


def is_asked_for_by(publisher: Publisher, n: int) -> bool:
    publisher.poll()
    return publisher._socket.n_asking(b"soon") == n


@contextmanager
def raw_peer(publisher: Publisher) -> Iterator[socket]:
    """A subscriber that says what we have it say."""
    port = int(publisher.address.rpartition(":")[2])
    with create_connection(("127.0.0.1", port)) as peer:
        peer.sendall(GREETING)
        said = b""
        while b"READY" not in said:
            said += peer.recv(100) or pytest.fail("the peer was cut off")
        yield peer


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
            return publisher._socket.n_asking(b"soon") > MAX_SOON

        wait_for(has_counted, "one too many")
        for socket in sockets:
            while socket.poll(50):
                socket.recv_multipart()
        assert not any(rehearsed(publisher, socket)() for socket in sockets)
        sockets[-1].unsubscribe("soon")  # one of them leaves, and then all but one
        wait_for(rehearsed(publisher, sockets[0]), "the topic again")
        while len(sockets) > 1:
            sockets.pop().close(linger=0)
        wait_for(lambda: is_asked_for_by(publisher, 1), "the others to be gone")
        wait_for(rehearsed(publisher, sockets[0]), "the topic once more")
        sockets[0].close(linger=0)
        wait_for(lambda: is_asked_for_by(publisher, 0), "the last one to be gone")


@pytest.mark.parametrize("has_door", [True, False])
def test_who_came_and_went_is_not_counted(has_door: bool) -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    with ExitStack() as stack:
        door = stack.enter_context(Door()) if has_door else None
        publisher = stack.enter_context(Publisher(ANY_PORT, door=door))
        stack.enter_context(context)
        with context.socket(zmq.SUB) as staying:
            staying.connect(publisher.address)
            staying.subscribe("soon")
            wait_for(rehearsed(publisher, staying), "the topic")
            for n_came in range(2, MAX_SOON + 3):
                with context.socket(zmq.SUB) as passing:
                    passing.connect(publisher.address)
                    passing.subscribe("soon")
                    wait_for(rehearsed(publisher, passing), f"the topic, by number {n_came}")
            wait_for(lambda: is_asked_for_by(publisher, 1), "the others to be gone")
            while staying.poll(50):
                staying.recv_multipart()
            wait_for(rehearsed(publisher, staying), "the topic again")
        wait_for(lambda: is_asked_for_by(publisher, 0), "the last one to be gone")


def test_what_one_peer_says_goes_for_itself_alone() -> None:
    """libzmq passes a peer's second subscription on, and an unsubscription of what it never subscribed to; none of our clients sends them."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    with Publisher(ANY_PORT) as publisher, context, context.socket(zmq.SUB) as asking:
        asking.connect(publisher.address)
        for topic in ("soon", "signal"):
            asking.subscribe(topic)
        wait_for(rehearsed(publisher, asking), "the topic")
        wait_for(lambda: publisher.poll() or publisher.signal_is_wanted, "the signal to be asked for")
        with raw_peer(publisher) as peer:
            peer.sendall(b"\x00\x05\x00soon" + b"\x00\x07\x00signal" + b"\x00\x06\x01hello")
            wait_for(publisher.poll, "the end of what it says")
            assert is_asked_for_by(publisher, 1)
            assert publisher.signal_is_wanted
            peer.sendall(100 * b"\x00\x05\x01soon" + b"\x00\x06\x01hello")
            wait_for(publisher.poll, "the end of what it says then")
            assert is_asked_for_by(publisher, 2)
            peer.sendall(b"\x00\x05\x00soon")
            wait_for(lambda: is_asked_for_by(publisher, 1), "it to ask no more")
            peer.sendall(b"\x00\x05\x01soon")
            wait_for(lambda: is_asked_for_by(publisher, 2), "it to ask again")
        wait_for(lambda: is_asked_for_by(publisher, 1), "the peer to be gone")
        assert publisher.signal_is_wanted
        assert publisher.n_malformed == 0


def test_who_subscribes_to_everything_gets_it_too_while_it_is_sent() -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    with Publisher(ANY_PORT) as publisher, context:
        everything, asking = (context.socket(zmq.SUB) for _ in range(2))
        everything.connect(publisher.address)
        everything.subscribe("")
        wait_for(publisher.poll, "the first subscription")
        assert not rehearsed(publisher, everything)()
        asking.connect(publisher.address)
        asking.subscribe("soon")
        wait_for(rehearsed(publisher, everything), "the topic")
        assert everything.recv_multipart() == [b"soon", b"{}"]
        everything.close(linger=0)
        asking.close(linger=0)


def test_a_client_is_woken_and_returns_predictions_alone() -> None:
    with published() as (outbox, publisher), Client(publisher.address, timeout_s=10.0) as client:
        wait_for(lambda: is_asked_for(outbox, publisher), "the client")
        received = None
        for i in range(20):
            outbox.rehearse()
            outbox.prediction(window(100.0 + i))
            received = client.receive()
            assert isinstance(received, Prediction)
            assert received.seq == i
        outbox.rehearse()
        assert client.latest() is received
        assert (client.n_malformed, client.n_lost["prediction"]) == (0, 0)


def test_who_wants_no_predictions_is_not_woken() -> None:
    listener = runpy.run_path(str(CLIENTS / "python" / "rtbci_listen.py"))["Listener"]
    with published() as (outbox, publisher):
        for make in (Client, listener):
            with make(publisher.address, ("status",)) as client:

                def has_its_hello(client: Any = client) -> bool:
                    outbox.poll()
                    client.latest("hello")
                    return client.hello is not None

                wait_for(has_its_hello, "the hello")
                assert is_asked_for_by(publisher, 0)


def test_who_does_not_wait_gets_the_prediction_behind_it() -> None:
    """As a game does once per frame: the message that wakes must not take the turn of the one it announces."""
    with published() as (outbox, publisher), Client(publisher.address) as client:
        wait_for(lambda: is_asked_for(outbox, publisher), "the client")
        outbox.prediction(window())
        assert client.receive(10.0).seq == 0

        def comes_at_once() -> bool:
            client.latest()
            outbox.rehearse()
            outbox.rehearse()
            outbox.prediction(window())
            time.sleep(0.2)  # both are there
            with suppress(StreamError):
                return bool(client.receive(0.0))
            return False

        wait_for(comes_at_once, "the prediction", 3.0)


@pytest.mark.slow
def test_a_program_in_cpp_that_does_not_wait_gets_it_too(tmp_path: Path) -> None:
    headers = [Path("/usr/include") / name for name in ("zmq.hpp", "nlohmann/json.hpp")]
    if shutil.which("g++") is None or not all(one.is_file() for one in headers):
        pytest.skip("no C++: apt-get install g++ libzmq3-dev cppzmq-dev nlohmann-json3-dev")
    (tmp_path / "once.cpp").write_text(ONCE)
    command = ["g++", "-std=c++17", "-O0", f"-I{CLIENTS / 'cpp'}", "once.cpp", "-o", "once", "-lzmq"]
    subprocess.run(command, cwd=tmp_path, check=True)
    with (
        published() as (outbox, publisher),
        subprocess.Popen(
            [tmp_path / "once", publisher.address], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process,
    ):
        wait_for(lambda: is_asked_for(outbox, publisher), "the program")
        outbox.rehearse()
        outbox.prediction(window())
        said, _ = process.communicate("go\n", timeout=30.0)
        assert said == "prediction\n"
