import os
import socket
import sys
from collections.abc import Iterator

import pytest

from rtbci.publish.inbound import ALLOWED_BYTES, ALLOWED_PER_S, Inbound
from rtbci.publish.refusals import Refusals

pytestmark = [
    pytest.mark.sockets,
    pytest.mark.skipif(sys.platform != "linux", reason="the kernel does not say how much a peer has sent"),
]


class Clock:
    t = 0.0

    def __call__(self) -> float:
        return self.t


class Pair:
    """A connection: what libzmq has of it, and the peer."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.peer = socket.create_connection(("127.0.0.1", self.port))
        self.accepted, _ = self.listener.accept()

    def send(self, n_bytes: int) -> None:
        self.peer.sendall(bytes(n_bytes))
        left = n_bytes
        while left:
            left -= len(self.accepted.recv(left))

    def is_open(self) -> bool:
        self.peer.settimeout(0.05)
        try:
            return self.peer.recv(1) != b""
        except TimeoutError:
            return True

    def close(self) -> None:
        for one in (self.listener, self.peer, self.accepted):
            one.close()


@pytest.fixture
def pair() -> Iterator[Pair]:
    one = Pair()
    yield one
    one.close()


def watched(pair: Pair) -> tuple[Inbound, Refusals, Clock]:
    clock = Clock()
    refusals = Refusals(clock)
    inbound = Inbound(refusals, clock)
    inbound.port = pair.port
    inbound.accepted(pair.accepted.fileno())
    return inbound, refusals, clock


def test_whoever_sends_too_much_is_cut_off(pair: Pair) -> None:
    inbound, refusals, clock = watched(pair)
    pair.send(ALLOWED_BYTES)
    inbound.look()
    assert pair.is_open()
    clock.t = 100.0  # heartbeats of a long session
    pair.send(100 * ALLOWED_PER_S)
    inbound.look()
    assert pair.is_open()
    pair.send(1)
    inbound.look()
    assert not pair.is_open()
    assert (inbound.n_cut, len(inbound), refusals.counts) == (1, 0, {"flood": 1})
    (told,) = refusals.news()
    assert (told.source, told.data["reason"]) == (
        "127.0.0.1",
        f"has sent {ALLOWED_BYTES + 100 * ALLOWED_PER_S + 1} bytes, as no subscriber does: cut off",
    )


def test_a_file_that_is_another_one_now_is_not_touched(pair: Pair) -> None:
    inbound, _, _ = watched(pair)
    number = pair.accepted.fileno()
    other = Pair()
    try:
        os.dup2(
            other.accepted.fileno(), number
        )  # as when libzmq has closed it and somebody opened the next one
        other.send(10 * ALLOWED_BYTES)
        inbound.look()
        assert other.is_open()
        assert (inbound.n_cut, len(inbound)) == (0, 0)
        inbound.accepted(other.accepted.fileno())  # another port: none of ours
        inbound.look()
        assert other.is_open()
        assert (inbound.n_cut, len(inbound)) == (0, 0)
    finally:
        other.close()


def test_files_that_are_closed_or_no_sockets(pair: Pair) -> None:
    inbound, _, _ = watched(pair)
    pair.accepted.close()
    inbound.look()
    inbound.accepted(1_000_000)
    read, write = os.pipe()
    inbound.accepted(read)
    inbound.look()
    assert len(inbound) == 0
    os.close(read)
    os.close(write)
