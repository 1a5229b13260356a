"""Who has subscribed to a topic by its name: connections, counted while they last."""

import socket as sockets

import zmq

__all__ = ["Askers", "file_of"]


class Askers:
    """The connections that ask for one topic.

    What libzmq tells does not count them: a second subscription of one peer is told as a first one is, an unsubscription of a peer
    that never subscribed as that of the last one, and for a connection that ends only that some connection did. So they are known by
    their files, and by who is at the other end, since files are used anew.

    Notes
    -----
    Threads: one at a time; the length may be asked by any. Files belong to libzmq and are only looked at.
    """

    def __init__(self) -> None:
        self._peers: dict[int, object] = {}

    def __len__(self) -> int:
        return len(self._peers)

    def note(self, file: int, asks: bool) -> None:
        """Take note that who is connected by this file asks for the topic, or does so no more."""
        if asks and (peer := _peer(file)) is not None:
            self._peers[file] = peer
        else:
            self._peers.pop(file, None)

    def look(self) -> None:
        """Forget those whose connections have ended; costs about 10 us for each."""
        for file, peer in list(self._peers.items()):
            if _peer(file) != peer:
                del self._peers[file]

    def clear(self) -> None:
        """Forget all."""
        self._peers.clear()


def file_of(frame: zmq.Frame) -> int | None:
    """By which connection of libzmq a frame came, as its file; None: libzmq's own word that a connection has ended."""
    try:
        return int(frame.get(zmq.SRCFD))
    except zmq.ZMQError:
        return None


def _peer(file: int) -> object:
    """Who is at the other end; None when nobody is. Nameless with ``ipc://``, where one file used anew is taken for the same."""
    try:
        one = sockets.socket(fileno=file)
    except OSError:
        return None
    try:
        return one.getpeername()
    except OSError:
        return None
    finally:
        one.detach()
