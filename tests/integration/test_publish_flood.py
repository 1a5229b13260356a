"""What subscribers send by mistake or in bad faith: counted, and no burden to whoever publishes."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from rtbci.client import Client
from rtbci.publish.door import Door
from rtbci.publish.outbox import Outbox
from rtbci.publish.zmq_publisher import Publisher
from tests.integration.publish_fixtures import ANY_PORT, HELLO, poll_until_hello, published, window

pytestmark = pytest.mark.clock
CODE = """
import sys, zmq
socket = zmq.Context().socket(zmq.XSUB)
socket.setsockopt(zmq.SNDHWM, 0)
socket.connect(sys.argv[1])
for i in range(int(sys.argv[3])):
    socket.send({"garbage": b"\\7" * 8, "foreign": b"\\1%d" % i, "same": b"\\1prediction", "long": b"\\1%0900d" % i}[sys.argv[2]])
print("sent", flush=True)
sys.stdin.read()
"""


@contextmanager
def flood(address: str, kind: str, n_frames: int) -> Iterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-c", CODE, address, kind, str(n_frames)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("kind", ["garbage", "foreign"])
def test_a_flood_moves_the_socket_to_a_thread_and_others_hear_on(kind: str) -> None:
    n_frames = (
        900  # fewer bytes, and fewer frames, than a connection is cut off for, or the socket opened anew
    )
    with Door() as door, Publisher(ANY_PORT, door=door) as publisher, Outbox(HELLO, [publisher]) as outbox:
        with Client(publisher.address) as client, flood(publisher.address, kind, n_frames):
            poll_until_hello(outbox, client)
            t_due = time.monotonic() + 10
            while publisher.n_malformed < n_frames and time.monotonic() < t_due:
                outbox.poll()
                outbox.prediction(window())
                time.sleep(0.005)
            assert (publisher.has_moved, publisher.n_malformed) == (True, n_frames)
            assert door.refusals.counts == {"frame": n_frames}
            assert "a thread of its own from now on" in str(door.refusals.news())
            client.latest()
            last = outbox.prediction(window(p_left=0.125))
            while client.receive().seq != last.seq:
                pass
            assert client.n_lost["prediction"] == 0
            with Client(publisher.address) as late:  # newcomers still get their hello
                poll_until_hello(outbox, late)
        assert publisher.n_unsent == 0


def test_a_socket_that_remembers_too_much_is_opened_anew_and_clients_come_back() -> None:
    with published() as (outbox, publisher), Client(publisher.address) as client:
        poll_until_hello(outbox, client)
        n_hello = outbox.n_sent["hello"]
        with flood(publisher.address, "foreign", 1300):
            t_due = time.monotonic() + 15
            while outbox.n_sent["hello"] == n_hello and time.monotonic() < t_due:
                outbox.poll()
                client.latest()  # libzmq subscribes again when its socket is used
                time.sleep(0.005)
        assert outbox.n_sent["hello"] > n_hello  # the client has subscribed again
        sent = outbox.prediction(window(p_left=0.125))
        while (message := client.receive()).seq != sent.seq:
            pass
        assert message == sent


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel does not say how much a peer has sent")
@pytest.mark.parametrize("kind", ["long", "same"])
def test_whoever_floods_is_cut_off_and_others_lose_nothing(kind: str) -> None:
    with Door() as door, Publisher(ANY_PORT, door=door) as publisher, Outbox(HELLO, [publisher]) as outbox:
        with Client(publisher.address) as client, Client(publisher.address) as idle:
            poll_until_hello(outbox, client)
            poll_until_hello(outbox, idle)
            with flood(publisher.address, kind, 20_000):
                t_due = time.monotonic() + 15
                while door.n_cut < 1 and time.monotonic() < t_due:
                    outbox.poll()
                    outbox.prediction(window())
                    client.latest()
                    time.sleep(0.005)
            assert door.n_cut >= 1
            assert door.refusals.counts["flood"] == door.n_cut
            last = outbox.prediction(window(p_left=0.125))
            while client.receive().seq != last.seq:
                pass
            assert client.n_lost["prediction"] == 0
            while idle.receive().seq != last.seq:
                pass
            assert idle.n_lost["prediction"] == 0
        assert publisher.n_unsent == 0


def test_a_hundred_subscribers_that_come_at_once_are_no_flood() -> None:
    with published() as (outbox, publisher):
        clients = [Client(publisher.address, ("prediction", "event", "status")) for _ in range(100)]
        try:
            for client in clients:
                poll_until_hello(outbox, client)
            assert not publisher.has_moved
            assert publisher.n_malformed == 0
        finally:
            for client in clients:
                client.close()
