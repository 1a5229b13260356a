"""Listen to a decoder from Python.

Five lines in a notebook::

    from rtbci.client import Client
    with Client() as client:
        for prediction in client:
            print(prediction.decision, prediction.probs)

The same in a coroutine: ``async for prediction in client``. With callbacks: `rtbci.listener.Listener`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Self

import zmq

from rtbci.clock import Clock, now
from rtbci.errors import (
    ConfigError,
    MessageError,
    RtbciError,
    StreamError,
    StreamLostError,
    StreamNotFoundError,
)
from rtbci.keys.curve import KeyPair
from rtbci.publish.addresses import PUBLISH_ADDRESS
from rtbci.publish.codec import MAX_PAYLOAD_BYTES, decode
from rtbci.publish.messages import MESSAGE_TYPES, SOON_TOPIC, Hello, Message, Prediction
from rtbci.publish.secured import prepare_listener, secure

__all__ = ["Client"]

MAX_READ_AT_ONCE = 10_000
"""Messages read by one `Client.latest`, so that a flood cannot hold it up."""

_SOON = SOON_TOPIC.encode("ascii")


class Client:
    """Receives the messages of a decoder; a context manager and an iterator.

    Connects at once and again by itself whenever the decoder comes back; the order of starting does not
    matter. Messages that are not of the schema are counted and skipped.

    Parameters
    ----------
    address : str
        Where the decoder publishes.
    topics : sequence of str
        Of ``prediction``, ``status``, ``event``, ``hello``; these are what `receive` and iteration return.
    timeout_s : float or None
        How long to wait for a message before raising; None waits for ever.
    server_key : str or None
        Public key of a decoder that only trusted keys may listen to, or its name among the trusted servers.
    key : str, KeyPair or None
        This user's own, by name, which the decoder trusts; None: the one called default.
    clock : Clock
        Time in seconds.
    tap : callable, optional
        Is given topic and payload of every message of the schema as they came, those of ``hello`` included, before the
        message is returned; see `rtbci.publish.message_file.MessageRecorder`.

    Attributes
    ----------
    topics : frozenset of str
        As given.
    hello : Hello or None
        What the decoder says of itself; None until it has been heard.
    n_lost : dict of str to int
        Messages of each topic that were sent after the first one received, and did not arrive. Starts anew
        with every session of the decoder.
    n_malformed : int
        Messages skipped because they are not of the schema.
    session : str or None
        Session of the newest message.

    Raises
    ------
    ConfigError
        When the address or a topic is not one.

    Notes
    -----
    Threads: one at a time.
    """

    def __init__(
        self,
        address: str = PUBLISH_ADDRESS,
        topics: Sequence[str] = ("prediction",),
        *,
        timeout_s: float | None = 5.0,
        server_key: str | None = None,
        key: str | KeyPair | None = None,
        clock: Clock = now,
        tap: Callable[[bytes, bytes], object] | None = None,
    ) -> None:
        self.address = address
        self._is_encrypted = server_key is not None
        self.hello: Hello | None = None
        self.session: str | None = None
        self.n_malformed = 0
        self.n_lost: dict[str, int] = dict.fromkeys(MESSAGE_TYPES, 0)
        self._next_seq: dict[str, int] = {}
        self._newest: dict[str, Message] = {}
        self._timeout_s = timeout_s
        self._clock = clock
        self._tap = tap
        self.topics = frozenset(_check_topics(topics))
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.SUB)
        prepare_listener(self._socket, MAX_PAYLOAD_BYTES)
        try:
            secure(self._socket, server_key, key)
            self._socket.connect(address)
        except zmq.ZMQError as error:
            self.close()
            raise ConfigError(
                f"Client: cannot connect to {address!r} ({error.strerror}), need tcp://HOST:PORT or ipc://PATH"
            ) from error
        except RtbciError:
            self.close()
            raise
        self._prediction = b""
        for topic in self.topics | {"hello"}:
            self._socket.subscribe(topic)
        if Prediction.topic in self.topics:
            self._socket.subscribe(_SOON)

    def receive(self, timeout_s: float | None = None) -> Message:
        """Wait for the next message of the topics and return it.

        Parameters
        ----------
        timeout_s : float or None
            How long to wait; None takes the client's own timeout.

        Raises
        ------
        StreamNotFoundError
            When nothing came in time and nothing ever came.
        StreamLostError
            When nothing came in time, but something had come before.
        """
        limit_s = self._timeout_s if timeout_s is None else timeout_s
        t_due = None if limit_s is None else self._clock() + limit_s
        while True:
            if not self._socket.poll(self._left_ms(t_due)):
                raise self._nothing_received(limit_s or 0.0)
            message = self._read()
            if message is not None and message.topic in self.topics:
                return message
            if t_due is not None and self._clock() >= t_due:  # noise must not keep us here
                raise self._nothing_received(limit_s or 0.0)

    async def receive_async(self, timeout_s: float | None = None) -> Message:
        """Wait for the next message in a coroutine; parameters and errors are those of `receive`.

        Cancelling it loses no message. On Windows it needs asyncio's selector event loop, or the package tornado.
        """
        from zmq.asyncio import Poller

        limit_s = self._timeout_s if timeout_s is None else timeout_s
        t_due = None if limit_s is None else self._clock() + limit_s
        poller = Poller()
        poller.register(self._socket, zmq.POLLIN)
        while True:
            await asyncio.sleep(0)  # the poller does not give way while messages wait
            left_ms = self._left_ms(t_due)
            if not await poller.poll(-1 if left_ms is None else left_ms):
                raise self._nothing_received(limit_s or 0.0)
            message = self._read()
            if message is not None and message.topic in self.topics:
                return message
            if t_due is not None and self._clock() >= t_due:
                raise self._nothing_received(limit_s or 0.0)

    def latest(self, topic: str = "prediction") -> Message | None:
        """Return the newest message of a topic, without waiting.

        Everything that waits is read, so iteration goes on after it. The same message is returned until
        a newer one comes: compare ``seq`` or ``t_sent`` where it matters.

        Parameters
        ----------
        topic : str
            One of the client's topics, or ``hello``.

        Returns
        -------
        Message or None
            None when nothing of that topic has come in this session of the decoder.
        """
        for _ in range(MAX_READ_AT_ONCE):
            if not int(self._socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
                break
            self._read()
        return self._newest.get(topic)

    def close(self) -> None:
        """Close the socket; may be called more than once."""
        if not self._socket.closed:
            self._socket.close()
            self._context.term()

    def _left_ms(self, t_due: float | None) -> int | None:
        return None if t_due is None else max(0, round((t_due - self._clock()) * 1e3))

    def _read(self) -> Message | None:
        frames = self._socket.recv_multipart()
        for _ in range(MAX_READ_AT_ONCE):
            if frames[0] != _SOON:
                break
            if not int(self._socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
                self._warm()
                return None
            # What it announces is there already: whoever does not wait must not be told that nothing is.
            frames = self._socket.recv_multipart()
        try:
            if len(frames) != 2:
                raise MessageError(f"Client: message has {len(frames)} frames, need topic and payload")
            message = decode(frames[0], frames[1])
        except MessageError:
            self.n_malformed += 1
            return None
        if self._tap is not None:
            self._tap(frames[0], frames[1])
        self._count(message)
        self._newest[message.topic] = message
        if isinstance(message, Hello):
            self.hello = message
        elif isinstance(message, Prediction):
            self._prediction = frames[1]
        return message

    def _warm(self) -> None:
        """Read the newest prediction once more: the next one is then not read from a cold start."""
        if self._prediction:
            decode(Prediction.topic, self._prediction)

    def _count(self, message: Message) -> None:
        if message.session != self.session:
            self.session = message.session
            self.hello = None
            self.n_lost = dict.fromkeys(MESSAGE_TYPES, 0)
            self._next_seq.clear()
            self._newest.clear()
        expected = self._next_seq.get(message.topic, message.seq)
        self.n_lost[message.topic] += max(0, message.seq - expected)
        self._next_seq[message.topic] = max(expected, message.seq + 1)

    def _nothing_received(self, limit_s: float) -> StreamError:
        if self.session is None:
            keys = (
                ", and does it trust this key"
                if self._is_encrypted
                else ", and without encryption (else its server key is needed)"
            )
            return StreamNotFoundError(
                f"Client: nothing received from {self.address} in {limit_s:g} s; is `rtbci run` running, and "
                f"does it publish there{keys}?"
            )
        return StreamLostError(
            f"Client: nothing more received from {self.address} in {limit_s:g} s (topics "
            f"{', '.join(sorted(self.topics))}); has `rtbci run` ended, or is it paused?"
        )

    def __iter__(self) -> Iterator[Message]:
        while True:
            yield self.receive()

    async def __aiter__(self) -> AsyncIterator[Message]:
        while True:
            yield await self.receive_async()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _check_topics(topics: Sequence[str]) -> Sequence[str]:
    names = [topics] if isinstance(topics, str) else topics
    for topic in names:
        if topic not in MESSAGE_TYPES:
            raise ConfigError(f"Client: topic is {topic!r}, need some of {', '.join(MESSAGE_TYPES)}")
    return names
