"""Messages out over ZeroMQ: two frames, topic and payload, to whoever subscribes."""

import threading
from typing import Self

from rtbci.publish.addresses import PUBLISH_ADDRESS
from rtbci.publish.codec import Format, encode
from rtbci.publish.door import Door
from rtbci.publish.forwarder import Forwarder
from rtbci.publish.messages import MESSAGE_TYPES, SOON_TOPIC, Message, Prediction
from rtbci.publish.signal_message import SIGNAL_TOPIC
from rtbci.publish.subscriber_socket import MAX_SOON, SubscriberSocket

__all__ = ["Publisher"]

_TOPICS = {topic: topic.encode("ascii") for topic in MESSAGE_TYPES}
_SIGNAL = SIGNAL_TOPIC.encode("ascii")
_SOON, _NOTHING = SOON_TOPIC.encode("ascii"), b"{}"


class Publisher:
    """A ZeroMQ publisher; a `Sink` that `Rehearses`.

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
    door : Door or None
        Decides who may connect, and counts what was refused.
    encrypted : bool
        Speak CURVE, and let only those in whom the door trusts.
    queue_length : int
        Messages kept for each subscriber beyond what the operating system's buffers hold.

    Attributes
    ----------
    address : str
        As bound, with the real port.

    Raises
    ------
    PortInUseError, ConfigError
        See `rtbci.publish.binding.bind`.

    Notes
    -----
    Threads: any; a lock, 0.1 us, has one wait for the other. The decoder sends messages, and the one that pulls samples
    sends the signal between two of the decoder's turns. The sockets of libzmq look at
    what peers have sent whenever their owner sends: when subscribers flood it, the socket moves to a thread of its
    own for the rest of the run (docs/adr/0020).
    """

    def __init__(
        self,
        address: str = PUBLISH_ADDRESS,
        *,
        format: Format = "json",
        insecure: bool = False,
        door: Door | None = None,
        encrypted: bool = False,
        queue_length: int = 256,
    ) -> None:
        self._format: Format = format
        self._door = door
        self._n_unsent = 0
        self._lock = threading.Lock()
        self._is_closed = False
        self._socket = SubscriberSocket(
            address, queue_length=queue_length, insecure=insecure, door=door, encrypted=encrypted
        )
        self._forwarder: Forwarder | None = None
        self.address = self._socket.address

    @property
    def n_unsent(self) -> int:
        """Messages that ZeroMQ did not take for anybody; 0 in normal operation."""
        return self._n_unsent + (0 if self._forwarder is None else self._forwarder.n_unsent)

    @property
    def n_malformed(self) -> int:
        """Frames from subscribers that were no subscription to a topic; the door's refusals have them, too."""
        return self._socket.n_malformed

    @property
    def has_moved(self) -> bool:
        """Whether messages are sent by a thread of their own, because subscribers flood the socket."""
        return self._forwarder is not None

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

    def rehearse(self, message: Prediction) -> None:
        """Encode a message, and tell those who subscribe to the topic `soon`; see `Rehearses`.

        Who has slept for a hop, the threads of libzmq at both ends and the subscriber itself, is awake then when the
        prediction comes (docs/adr/0035). Beyond `MAX_SOON` of them it would cost more than it gives, and nobody is told.
        """
        encode(message, self._format)
        if self._forwarder is None and 0 < self._socket.n_asking(_SOON) <= MAX_SOON:
            with self._lock:
                self._put(_SOON, _NOTHING)

    @property
    def signal_is_wanted(self) -> bool:
        """Whether somebody has subscribed to the topic `signal` by its name.

        Subscribing to everything is not enough, since the signal is many times what all else is.
        """
        return self._socket.n_asking(_SIGNAL) > 0

    def send_signal(self, payload: bytes) -> None:
        """Send a message of the topic `signal`; see `rtbci.publish.signal_message.encode_signal`.

        May be called after `close`: a run that ends waits only so long for whoever pulls samples.
        """
        with self._lock:
            if not self._is_closed:
                self._put(_SIGNAL, payload)

    def _put(self, topic: bytes, payload: bytes) -> None:
        if self._forwarder is not None:
            self._forwarder.send(topic, payload)
        elif not self._socket.send(topic, payload):
            self._n_unsent += 1

    def poll(self) -> bool:
        """Read new subscriptions; True when one of them takes in the topic `hello`. Never waits."""
        if self._forwarder is not None:
            return self._forwarder.poll()
        with self._lock:
            is_hello_due = self._socket.look()
            if self._socket.is_flooded:
                self._forwarder = Forwarder(self._socket)
        if self._forwarder is not None and self._door is not None:
            self._door.refusals.tell(
                "publish", "subscribers flood the socket: it has a thread of its own from now on"
            )
        return is_hello_due

    def close(self) -> None:
        """Close the socket; what is queued has 0.2 s to leave. May be called more than once."""
        with self._lock:
            self._is_closed = True
            (self._forwarder or self._socket).close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
