import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from rtbci.publish.askers import Askers

pytestmark = pytest.mark.sockets


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with closing(socket.create_server(("127.0.0.1", 0))) as one:
        yield one


def connect(listener: socket.socket) -> tuple[socket.socket, socket.socket]:
    peer = socket.create_connection(listener.getsockname())
    return peer, listener.accept()[0]


def test_each_connection_is_one_however_often_it_asks(listener: socket.socket) -> None:
    askers = Askers()
    pairs = [connect(listener) for _ in range(2)]
    for _, accepted in pairs:
        for _ in range(3):
            askers.note(accepted.fileno(), asks=True)
    assert len(askers) == 2
    askers.look()
    assert len(askers) == 2
    askers.note(pairs[0][1].fileno(), asks=False)
    askers.note(pairs[0][1].fileno(), asks=False)
    assert len(askers) == 1
    askers.clear()
    assert len(askers) == 0
    for one in (one for pair in pairs for one in pair):
        one.close()


def test_who_is_gone_is_not_counted_even_where_its_file_is_used_anew(listener: socket.socket) -> None:
    askers = Askers()
    first, accepted = connect(listener)
    file = accepted.fileno()
    askers.note(file, asks=True)
    accepted.close()
    askers.note(file, asks=True)  # heard of when it is over
    assert len(askers) == 0
    second, accepted = connect(listener)
    askers.note(accepted.fileno(), asks=True)
    third, other = connect(listener)
    file = accepted.detach()
    askers.look()
    assert len(askers) == 1
    socket.close(file)
    moved = socket.fromfd(other.fileno(), other.family, other.type)  # the lowest free file
    assert moved.fileno() == file
    askers.look()
    assert len(askers) == 0
    for one in (first, second, third, other, moved):
        one.close()


def test_what_is_looked_at_stays_open(listener: socket.socket) -> None:
    askers = Askers()
    peer, accepted = connect(listener)
    askers.note(accepted.fileno(), asks=True)
    askers.look()
    peer.sendall(b"x")
    assert accepted.recv(1) == b"x"
    peer.close()
    accepted.close()
