"""The socket that subscribers connect to: what they send is looked at, and it is opened anew when they abuse it."""

import zmq

from rtbci.publish.askers import Askers, file_of
from rtbci.publish.binding import bind
from rtbci.publish.connections import property_of
from rtbci.publish.door import Door
from rtbci.publish.messages import MESSAGE_TYPES, SOON_TOPIC, Hello
from rtbci.publish.signal_message import SIGNAL_TOPIC

__all__ = ["MAX_PER_SHORT_LOOK", "MAX_SOON", "SubscriberSocket"]

MAX_PER_LOOK, MAX_PER_SHORT_LOOK = 64, 8
"""Frames read in one `look`; the rest wait, so that a flood of them cannot hold up the caller, or whoever waits for the GIL."""

MAX_SUBSCRIPTION_BYTES = 1024
"""A peer that sends a longer frame is cut off. A shorter limit would refuse handshakes."""

MAX_UNREAD = 4
"""Frames of one peer that libzmq takes before we have looked: it walks through all of them whenever we send."""

MAX_SUSPICION, LOOK_FULL, CALM = 16.0, 2.0, 0.9
"""A flood is 16 strange frames at once, or 16 looks in a row that found more than they could read."""

MAX_FOREIGN = 1000
"""Strange subscriptions that libzmq is let remember, up to 100 kB each; then, where it was not cut off, the socket is opened anew."""

MAX_SOON = 16
"""Subscribers to `soon` that are served: more would cost more than the time that each of them wins."""

HEARTBEAT_MS = 5_000
LINGER_MS = 200
_FIRST_PART = zmq.NOBLOCK | zmq.SNDMORE
_HELLO = Hello.topic.encode("ascii")
_SIGNAL, _SOON = SIGNAL_TOPIC.encode("ascii"), SOON_TOPIC.encode("ascii")
_TOPICS = (*(topic.encode("ascii") for topic in MESSAGE_TYPES), _SIGNAL, _SOON)


class SubscriberSocket:
    """An XPUB socket that knows what a subscription is.

    Parameters
    ----------
    address : str
        Where to bind it.
    queue_length : int
        Messages kept for each subscriber.
    insecure, encrypted : bool
        See `rtbci.publish.zmq_publisher.Publisher`.
    door : Door or None
        Decides who may connect.

    Attributes
    ----------
    address : str
        As bound, with the real port.
    n_malformed : int
        Frames that were no subscription to a topic, a part of one, or all.
    is_full : bool
        The last `look` found more than it could read.
    is_flooded : bool
        Subscribers send so much that whoever owns the socket is held up by it; stays true.

    Notes
    -----
    Threads: one at a time; `n_asking` may be asked by any.
    """

    def __init__(
        self, address: str, *, queue_length: int, insecure: bool, door: Door | None, encrypted: bool
    ) -> None:
        self.n_malformed = 0
        self.is_full = False
        self.is_flooded = False
        self._askers = {_SIGNAL: Askers(), _SOON: Askers()}
        self._queue_length, self._encrypted = queue_length, encrypted
        self._door = door
        self.context: zmq.Context[zmq.Socket[bytes]] = door.context if door is not None else zmq.Context()
        self._suspicion = 0.0
        self._n_foreign = self._n_cut = 0
        self._strangers: dict[str, int] = {}
        self._socket: zmq.Socket[bytes] | None = None
        try:
            socket = self._new()
            self.address = bind(socket, "Publisher", address, "--pub", insecure, encrypted)
            self._socket = socket
            if door is not None:
                door.watch(self.address)
        except BaseException:
            self.close()
            raise

    @property
    def file(self) -> int:
        """What a poller waits for: readable when `look` may have something to do; -1 while it is closed."""
        return -1 if self._socket is None else int(self._socket.getsockopt(zmq.FD))

    def n_asking(self, topic: bytes) -> int:
        """Count the connections that have subscribed to the topic `signal` or `soon` by its name; as of the last `look`."""
        return len(self._askers[topic])

    def send(self, topic: bytes, payload: bytes) -> bool:
        """Send a message to its subscribers and say whether ZeroMQ took it; never waits."""
        if self._socket is None:
            return False
        try:
            # Two sends, 1.3 us; pyzmq's loop over the parts checks each of them again and takes 1.9.
            self._socket.send(topic, _FIRST_PART)
            self._socket.send(payload, zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def look(self, n_most: int = MAX_PER_LOOK) -> bool:
        """Read what subscribers have sent; True when one of them wants a hello. Never waits."""
        if self._socket is None or self._is_to_be_opened_anew():
            self._open_anew()
        n_read = 0
        is_hello_due = has_one_left = False
        strange: list[zmq.Frame] = []
        # Asking first takes 1 us; an exception for "nothing there" takes five.
        while self._socket is not None and int(self._socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
            frame = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)[0]
            topic, file = frame.bytes[1:], file_of(frame)
            if file is None:
                has_one_left = True
            elif not _is_subscription(frame.bytes):
                strange.append(frame)
            else:
                is_hello_due |= _takes_in_hello(frame.bytes)
                if topic in self._askers:
                    self._askers[topic].note(file, frame.bytes[:1] == b"\x01")
            n_read += 1
            if n_read == n_most or (len(strange) > MAX_SUSPICION and not self.is_flooded):
                break  # of a flood nothing more is read here: a thread will
        if has_one_left:
            for askers in self._askers.values():
                askers.look()
        if strange:
            self._note(strange)
        self.is_full = n_read == n_most
        self._suspicion = CALM * self._suspicion + len(strange) + LOOK_FULL * self.is_full
        self.is_flooded |= self._suspicion > MAX_SUSPICION or self._n_cut > 0
        return is_hello_due

    def close(self) -> None:
        """Close the socket; what is queued has `LINGER_MS` to leave. May be called more than once."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._door is None:
            self.context.term()

    def _new(self) -> "zmq.Socket[bytes]":
        socket = self.context.socket(zmq.XPUB)
        socket.setsockopt(zmq.SNDHWM, self._queue_length)
        socket.setsockopt(zmq.RCVHWM, MAX_UNREAD)
        socket.setsockopt(zmq.LINGER, LINGER_MS)
        # Without it only the first subscriber to a topic is seen, and later ones would get no hello; and only the last one that leaves.
        socket.setsockopt(zmq.XPUB_VERBOSER, 1)
        socket.setsockopt(zmq.MAXMSGSIZE, MAX_SUBSCRIPTION_BYTES)
        # Peers that answer no heartbeat are forgotten.
        socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
        try:
            if self._door is not None:
                self._door.guard(socket, "publish", encrypted=self._encrypted)
        except BaseException:
            socket.close(linger=0)
            raise
        return socket

    def _note(self, frames: list[zmq.Frame]) -> None:
        """Count frames that are no subscriptions, and whose they are where that is known."""
        self.n_malformed += len(frames)
        self._n_foreign += sum(frame.bytes[:1] == b"\x01" for frame in frames)
        if self._door is None:
            return
        newest = frames[-1]
        reason = f"{len(newest.bytes)} bytes that subscribe to nothing there is"
        self._door.refusals.add(
            "frame", property_of(newest, "Peer-Address") or "publish", reason, len(frames)
        )
        for frame in frames if self._encrypted else ():
            user = property_of(frame, "User-Id")
            self._strangers[user] = self._strangers.get(user, 0) + 1

    def _is_to_be_opened_anew(self) -> bool:
        if self._door is not None and self._door.take_revoked("publish"):
            return True
        n_cut = 0 if self._door is None else self._door.n_cut
        is_over = n_cut != self._n_cut  # what they subscribed to has gone with them
        self._n_cut = n_cut
        if self._n_foreign < MAX_FOREIGN and not is_over:
            return False
        if self._door is not None:
            for user, n_frames in self._strangers.items():
                if user and n_frames > MAX_FOREIGN // 10:
                    self._door.ban(bytes.fromhex(user), "it floods the publisher")
        self._n_foreign = 0
        self._strangers.clear()
        return not is_over

    def _open_anew(self) -> None:
        """Let go of everybody and of all that libzmq remembers; subscribers come back by themselves, if they may."""
        for askers in self._askers.values():
            askers.clear()
        if self._socket is not None:
            self._socket.close(linger=0)
            self._socket = None
        socket = self._new()
        try:
            if "[" in self.address:
                socket.setsockopt(zmq.IPV6, 1)
            socket.bind(self.address)
        except zmq.ZMQError:  # libzmq closes the old one in a thread of its own: at the next look
            socket.close(linger=0)
        else:
            self._socket = socket


def _is_subscription(frame: bytes) -> bool:
    # First byte 1: subscribe, 0: no more; the rest: prefix of the topics wanted, empty for all.
    prefix = frame[1:]
    return frame[:1] in (b"\x00", b"\x01") and any(topic.startswith(prefix) for topic in _TOPICS)


def _takes_in_hello(frame: bytes) -> bool:
    return frame[:1] == b"\x01" and _HELLO.startswith(frame[1:])
