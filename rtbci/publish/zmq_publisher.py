"""Messages out over ZeroMQ: two frames, topic and payload, to whoever subscribes."""

import threading
from typing import Self

import zmq

from rtbci.publish.addresses import PUBLISH_ADDRESS
from rtbci.publish.binding import bind
from rtbci.publish.codec import Format, encode
from rtbci.publish.messages import MESSAGE_TYPES, Hello, Message
from rtbci.publish.signal_message import SIGNAL_TOPIC

__all__ = ["Publisher"]

MAX_SUBSCRIPTIONS_PER_POLL = 64
"""Subscriptions read in one `poll`; the rest wait, so that a flood of them cannot hold up the decoder."""

MAX_SUBSCRIPTION_BYTES = 1024
HEARTBEAT_MS = 5_000
LINGER_MS = 200
_TOPICS = {topic: topic.encode("ascii") for topic in MESSAGE_TYPES}
_SIGNAL = SIGNAL_TOPIC.encode("ascii")
_FIRST_PART = zmq.NOBLOCK | zmq.SNDMORE


class Publisher:
    """A ZeroMQ publisher; a `Sink`.

    Sending never waits. Every subscriber has a queue of its own; when that is full (a subscriber that has
    stopped reading), messages to that subscriber are dropped and nobody else loses any.

    Parameters
    ----------
    address : str
        ``tcp://127.0.0.1:PORT``; port 0 picks a free one. ``ipc://PATH`` works too.
    format : {"json", "msgpack"}
        How payloads are encoded.
    insecure : bool
        Allow an address that the network can reach, unencrypted.
    queue_length : int
        Messages kept for each subscriber beyond what the operating system's buffers hold.

    Attributes
    ----------
    address : str
        As bound, with the real port.
    n_unsent : int
        Messages that ZeroMQ did not take for anybody; 0 in normal operation.
    signal_is_wanted : bool
        Whether somebody has subscribed to the topic `signal` by its name. Subscribing to everything is not enough, since
        the signal is many times what all else is.

    Raises
    ------
    PortInUseError, ConfigError
        See `rtbci.publish.binding.bind`.

    Notes
    -----
    Threads: any, one after the other; a lock, 0.1 us, sees to that. The decoder sends messages and the one that pulls
    samples sends the signal, between two of the decoder's turns.
    """

    def __init__(
        self,
        address: str = PUBLISH_ADDRESS,
        *,
        format: Format = "json",
        insecure: bool = False,
        queue_length: int = 256,
    ) -> None:
        self._format: Format = format
        self.n_unsent = 0
        self.signal_is_wanted = False
        self._lock = threading.Lock()
        self._context = zmq.Context()
        self._socket = _new_socket(self._context, queue_length)
        try:
            self.address = bind(self._socket, "Publisher", address, "--pub", insecure)
        except BaseException:
            self._context.term()
            raise

    def send(self, message: Message) -> None:
        """Send a message to its topic; see `Sink.send`.

        Raises
        ------
        MessageError
            See `rtbci.publish.codec.encode`.
        """
        payload = encode(message, self._format)
        with self._lock:
            self._put(_TOPICS[message.topic], payload)

    def send_signal(self, payload: bytes) -> None:
        """Send a message of the topic `signal`; see `rtbci.publish.signal_message.encode_signal`.

        May be called after `close`: a run that ends waits only so long for whoever pulls samples.
        """
        with self._lock:
            if not self._socket.closed:
                self._put(_SIGNAL, payload)

    def _put(self, topic: bytes, payload: bytes) -> None:
        try:
            # Two sends, 1.3 us; pyzmq's loop over the parts checks each of them again and takes 1.9.
            self._socket.send(topic, _FIRST_PART)
            self._socket.send(payload, zmq.NOBLOCK)
        except zmq.Again:
            self.n_unsent += 1

    def poll(self) -> bool:
        """Read new subscriptions; True when one of them takes in the topic `hello`. Never waits."""
        hello_is_due = False
        with self._lock:
            for _ in range(MAX_SUBSCRIPTIONS_PER_POLL):
                # Asking first takes 1 us; an exception for "nothing there" takes five.
                if not int(self._socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
                    break
                frames = self._socket.recv_multipart(flags=zmq.NOBLOCK)
                hello_is_due |= _takes_in_hello(frames[0])
                if frames[0][1:] == _SIGNAL:
                    # That the last one has gone ZeroMQ says once; that another one has come it says every time.
                    self.signal_is_wanted = frames[0][:1] == b"\x01"
        return hello_is_due

    def close(self) -> None:
        """Close the socket; what is queued has `LINGER_MS` to leave. May be called more than once."""
        with self._lock:
            if not self._socket.closed:
                self._socket.close()
                self._context.term()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _new_socket(context: "zmq.Context[zmq.Socket[bytes]]", queue_length: int) -> "zmq.Socket[bytes]":
    socket = context.socket(zmq.XPUB)
    socket.setsockopt(zmq.SNDHWM, queue_length)
    socket.setsockopt(zmq.LINGER, LINGER_MS)
    # Without it only the first subscriber to a topic is seen, and later ones would get no hello.
    socket.setsockopt(zmq.XPUB_VERBOSE, 1)
    # Peers that send more than subscriptions are cut off; peers that answer no heartbeat are forgotten.
    socket.setsockopt(zmq.MAXMSGSIZE, MAX_SUBSCRIPTION_BYTES)
    socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
    return socket


def _takes_in_hello(frame: bytes) -> bool:
    # First byte 1: subscribe; the rest: prefix of the topics wanted, empty for all.
    return frame[:1] == b"\x01" and Hello.topic.encode("ascii").startswith(frame[1:])
