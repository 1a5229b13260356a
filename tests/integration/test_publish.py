"""Publisher and client over real sockets on loopback."""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
import zmq

from rtbci.client import Client
from rtbci.errors import ConfigError, PortInUseError, StreamLostError, StreamNotFoundError
from rtbci.publish.codec import Format, encode
from rtbci.publish.messages import Event, Prediction
from rtbci.publish.outbox import Outbox
from rtbci.publish.zmq_publisher import Publisher
from tests.integration.publish_fixtures import ANY_PORT, HELLO, poll_until_hello, published, window
from tools.write_schema import PAGE, samples

pytestmark = pytest.mark.sockets


RawSocket: TypeAlias = "Callable[[int], zmq.Socket[bytes]]"


@pytest.fixture
def raw_socket() -> Iterator[RawSocket]:
    """Makes sockets that are closed at the end, whatever happens."""
    context = zmq.Context()
    sockets: list[zmq.Socket[bytes]] = []

    def make(kind: int) -> "zmq.Socket[bytes]":
        sockets.append(context.socket(kind))
        return sockets[-1]

    yield make
    for socket in sockets:
        socket.close(linger=0)
    context.term()


def seqs(client: Client, n_messages: int) -> list[int]:
    return [client.receive().seq for _ in range(n_messages)]


@pytest.mark.parametrize("format", ["json", "msgpack"])
def test_a_client_gets_what_was_published(format: Format) -> None:
    with published(format=format) as (outbox, publisher), Client(publisher.address) as client:
        poll_until_hello(outbox, client)
        sent = [outbox.prediction(window(p_left=i / 10)) for i in range(10)]
        assert [client.receive() for _ in sent] == sent
        assert client.n_lost == dict.fromkeys(client.n_lost, 0)
        assert (client.n_malformed, client.session) == (0, outbox.session)


@pytest.mark.parametrize("topics", [("prediction",), ("prediction", "hello", "status", "event")])
def test_a_late_joiner_gets_the_hello(topics: tuple[str, ...]) -> None:
    with published() as (outbox, publisher):
        for _ in range(20):
            outbox.prediction(window())
            outbox.poll()
        for _ in range(2):  # the second one subscribes to what is already subscribed to
            with Client(publisher.address, topics) as client:
                poll_until_hello(outbox, client)
                assert client.hello is not None
                assert client.hello.classes == HELLO.classes


def test_hello_repeated_for_newcomers_has_no_gaps_in_its_numbers() -> None:
    with published() as (outbox, publisher), Client(publisher.address, ("hello",)) as first:
        poll_until_hello(outbox, first)
        for _ in range(3):
            with Client(publisher.address) as late:
                poll_until_hello(outbox, late)
        first.latest("hello")
        assert first.n_lost["hello"] == 0
        assert outbox.n_sent["hello"] >= 4


def test_without_newcomers_no_hello_is_sent(raw_socket: RawSocket) -> None:
    with published() as (outbox, publisher), Client(publisher.address, ("prediction",)) as client:
        poll_until_hello(outbox, client)
        n_hello = outbox.n_sent["hello"]
        socket = raw_socket(zmq.SUB)
        socket.connect(publisher.address)
        socket.subscribe("status")  # takes in no hello
        for _ in range(20):
            outbox.poll()
            time.sleep(0.005)
        assert outbox.n_sent["hello"] == n_hello


def test_a_subscriber_that_never_reads_costs_the_others_nothing(raw_socket: RawSocket) -> None:
    # About 40 MB: far more than the stopped one's queue and the kernel's buffers hold. The queue is the usual one: libzmq
    # looks once a millisecond what has left it, and 64 messages may come and go in less.
    n_messages, padding = 4000, "x" * 10_000
    with published() as (outbox, publisher), Client(publisher.address, ("event",)) as client:
        stopped = raw_socket(zmq.SUB)
        stopped.setsockopt(zmq.RCVHWM, 2)
        stopped.connect(publisher.address)
        stopped.subscribe("event")
        poll_until_hello(outbox, client)
        _poll_for(outbox, 0.2)
        for i in range(n_messages):
            outbox.event("marker", float(i), padding)
            assert client.receive().seq == i
        assert publisher.n_unsent == 0
        assert client.n_lost["event"] == 0
        n_kept = sum(1 for _ in iter(lambda: stopped.poll(200) and stopped.recv_multipart(), 0))
        assert 0 < n_kept < n_messages  # it was connected, and its queue was indeed full


def test_a_stopped_process_does_not_stop_the_publisher() -> None:
    code = """
import os, signal, sys, zmq
socket = zmq.Context().socket(zmq.SUB)
socket.connect(sys.argv[1])
socket.subscribe("")
socket.recv()
print("up", flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
"""
    with published() as (outbox, publisher), Client(publisher.address, ("event",)) as client:
        poll_until_hello(outbox, client)
        with subprocess.Popen(
            [sys.executable, "-c", code, publisher.address], stdout=subprocess.PIPE
        ) as process:
            try:
                while not zmq.select([process.stdout.fileno()], [], [], 0.02)[0]:  # type: ignore[union-attr]
                    outbox.poll()
                for i in range(2000):
                    outbox.event("marker", float(i), "x" * 10_000)
                    assert client.receive().seq == i
            finally:
                process.kill()
        assert client.n_lost["event"] == 0


def test_lost_messages_are_counted_exactly() -> None:
    with published(queue_length=2) as (outbox, publisher), Client(publisher.address, ("event",)) as client:
        client._socket.setsockopt(zmq.RCVHWM, 2)
        poll_until_hello(outbox, client)
        n_sent = 3000
        for i in range(n_sent):
            outbox.event("marker", float(i), "x" * 10_000)
        n_received = 0
        while True:
            try:
                client.receive(0.3)
            except StreamLostError:
                break
            n_received += 1
        last = outbox.event("marker", -1.0)
        message = client.receive()
        assert message == last
        assert n_received < n_sent
        assert client.n_lost["event"] == n_sent - n_received
        assert client.n_lost["prediction"] == 0


def test_a_restarted_decoder_is_found_again_and_counts_start_anew() -> None:
    with published() as (outbox, publisher):
        address = publisher.address
        client = Client(address)
        poll_until_hello(outbox, client)
        for _ in range(5):
            outbox.prediction(window())
        assert seqs(client, 5) == [0, 1, 2, 3, 4]
        outbox.n_sent["prediction"] = 8  # three that never arrived
        outbox.prediction(window())
        assert client.receive().seq == 8
        assert client.n_lost["prediction"] == 3
        old_session = client.session
    with client, published(address) as (outbox, _):
        while client.session == old_session:
            outbox.poll()
            client.latest("hello")
            time.sleep(0.01)
        assert client.hello is not None
        assert client.latest() is None
        outbox.prediction(window())
        assert client.receive().seq == 0
        assert client.n_lost["prediction"] == 0


def test_latest_never_waits_and_gives_the_newest() -> None:
    with published() as (outbox, publisher), Client(publisher.address) as client:
        assert client.latest() is None
        poll_until_hello(outbox, client)
        outbox.prediction(window(p_left=0.1))
        last = outbox.prediction(window(p_left=0.2))
        _wait_for(client, last.seq)
        assert client.latest() == last
        assert client.latest() == last


def test_malformed_frames_are_counted_and_skipped(raw_socket: RawSocket) -> None:
    good = samples()["prediction"]
    rogue = raw_socket(zmq.XPUB)
    rogue.setsockopt(zmq.SNDHWM, 0)  # drops nothing
    port = rogue.bind_to_random_port("tcp://127.0.0.1")
    frames = [
        [b"prediction"],
        [b"prediction", b""],
        [b"prediction", b"\xff\x00"],
        [b"prediction", b"{}"],
        [b"prediction", encode(good), b"more"],
        [b"prediction!", encode(good)],
        [b"prediction\xff", encode(good)],
        [b"hello", encode(good)],
        [b"prediction", encode(good)],
    ]
    with Client(f"tcp://127.0.0.1:{port}") as client:
        for _ in range(2):
            rogue.recv()  # the client's two subscriptions
        for message in frames:
            rogue.send_multipart(message)
        assert client.receive() == good
        assert client.n_malformed == len(frames) - 1
        for _ in range(10_000):
            rogue.send_multipart([b"prediction", b"{"])
            client.latest()
        with pytest.raises(StreamLostError, match="nothing more received"):
            client.receive(0.3)
        assert client.n_malformed == len(frames) - 1 + 10_000


def test_garbage_sent_to_the_publisher_harms_nobody() -> None:
    # In a process of its own: libzmq 4.3.5 crashes in the sender when a frame that is too long is cut off.
    code = """
import socket, sys, zmq
host, port = sys.argv[1].removeprefix("tcp://").split(":")
rogue = zmq.Context().socket(zmq.XSUB)
rogue.connect(sys.argv[1])
for i in range(2000):
    rogue.send(bytes([1]) + bytes([i % 256]) * (i % 900))  # subscriptions
    rogue.send(bytes([7]) * (i % 900))
rogue.send(bytes([1]) + b"x" * 1_000_000)
for payload in (b"GET / HTTP/1.1\\r\\n\\r\\n", bytes(1000), bytes([255]) * 1000):
    socket.create_connection((host, int(port))).sendall(payload)
print("sent", flush=True)
sys.stdin.read()
"""
    with published() as (outbox, publisher), Client(publisher.address) as client:
        poll_until_hello(outbox, client)
        with subprocess.Popen(
            [sys.executable, "-c", code, publisher.address], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as rogue:
            try:
                assert rogue.stdout is not None
                assert rogue.stdout.readline() == b"sent\n"
                for i in range(200):
                    outbox.poll()
                    outbox.prediction(window())
                    assert client.receive().seq == i
            finally:
                rogue.kill()
        assert client.n_malformed == 0


def test_nothing_received_says_what_to_look_at() -> None:
    with (
        Client("tcp://127.0.0.1:9", timeout_s=0.05) as client,
        pytest.raises(
            StreamNotFoundError,
            match=r"nothing received from tcp://127.0.0.1:9 in 0.05 s; is `rtbci run` running",
        ),
    ):
        next(iter(client))


def test_a_port_in_use_is_named_with_its_owner_and_the_way_out() -> None:
    with (
        Publisher(ANY_PORT) as publisher,
        pytest.raises(
            PortInUseError,
            match=rf"{publisher.address} is in use by process \d+ .* choose another port with --pub",
        ),
    ):
        Publisher(publisher.address)


def test_off_loopback_is_refused_and_allowed_when_insecure() -> None:
    with pytest.raises(ConfigError, match=r"Publisher: tcp://0.0.0.0:0 can be reached from the network"):
        Publisher("tcp://0.0.0.0:0")
    with Publisher("tcp://0.0.0.0:0", insecure=True) as publisher:
        assert publisher.address.startswith("tcp://0.0.0.0:")


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"cannot bind tcp://203.0.113.7:5571 .* choose another with --pub"):
        Publisher("tcp://203.0.113.7:5571", insecure=True)


@pytest.mark.parametrize("address", ["nonsense", "tcp://127.0.0.1", "udp://127.0.0.1:5"])
def test_client_refuses_addresses_and_topics_that_are_none(address: str) -> None:
    with pytest.raises(ConfigError, match="Client: cannot connect"):
        Client(address)
    with pytest.raises(ConfigError, match="topic is 'predictions', need some of prediction"):
        Client(ANY_PORT, ("predictions",))


def test_closing_twice_is_allowed_and_frees_the_port() -> None:
    publisher = Publisher(ANY_PORT)
    publisher.close()
    publisher.close()
    Publisher(publisher.address).close()


def test_the_last_message_before_closing_arrives() -> None:
    with published() as (outbox, publisher):
        client = Client(publisher.address, ("event",))
        poll_until_hello(outbox, client)
        outbox.event("stopped", 1.0)
    with client:
        message = client.receive()
        assert isinstance(message, Event)
        assert message.kind == "stopped"


def test_the_ten_line_client_of_the_page_works(tmp_path: Path) -> None:
    code = re.findall(r"<!-- client -->\n```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(code) == 1
    assert len(code[0].strip().splitlines()) <= 10
    with published() as (outbox, publisher):
        script = tmp_path / "client.py"
        script.write_text(code[0].replace("tcp://127.0.0.1:5571", publisher.address))
        with subprocess.Popen([sys.executable, "-u", script], stdout=subprocess.PIPE, text=True) as process:
            try:
                while not zmq.select([process.stdout.fileno()], [], [], 0.02)[0]:  # type: ignore[union-attr]
                    outbox.prediction(window())
                assert process.stdout is not None
                assert process.stdout.readline() == "below_threshold [0.25, 0.75]\n"
            finally:
                process.kill()


def _poll_for(outbox: Outbox, duration_s: float) -> None:
    for _ in range(int(duration_s / 0.01)):
        outbox.poll()
        time.sleep(0.01)


def _wait_for(client: Client, seq: int) -> None:
    for _ in range(500):
        message = client.latest()
        if isinstance(message, Prediction) and message.seq == seq:
            return
        time.sleep(0.01)
    raise AssertionError(f"prediction {seq} did not come")
