"""The page's end of the ZMQ messages: what the run sends, to whoever looks."""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec
import zmq
import zmq.asyncio

from rtbci.clock import Clock, now
from rtbci.errors import ConfigError, MessageError, RtbciError
from rtbci.monitor.frames import row_of
from rtbci.publish.codec import decode
from rtbci.publish.messages import MESSAGE_TYPES, Event, Hello, Message, Prediction, Status
from rtbci.publish.secured import prepare_listener, secure
from rtbci.publish.signal_message import MAX_SIGNAL_BYTES, SIGNAL_TOPIC, Signal, decode_signal

__all__ = ["NO_KEYS", "ClientKeys", "Feed"]

N_PREDICTIONS, N_EVENTS = 600, 200
"""Newest messages that a page gets when it opens."""
SLOW_HOP_S, NIGHT_S = 1.0, 12 * 3600.0
"""Where predictions come this slowly, those of a whole night are kept (4.7 MB, measured)."""
N_AT_ONCE = 8


class ClientKeys(NamedTuple):
    """What a run that is encrypted is spoken to with; see `rtbci.publish.secured.secure`."""

    server_key: str | None = None
    key: str | None = None


NO_KEYS = ClientKeys()


class Feed:
    """Subscribes to a run, and remembers the newest of what it says.

    Parameters
    ----------
    address : str
        Where the run publishes; it need not be there yet.
    on_message : callable
        Called with every message.
    on_signal : callable
        Called with every message of the topic `signal`; none of them come before `want_signal`. One that comes behind
        others that were lost does not follow, whatever it says.
    keys : ClientKeys
        Of a run that is encrypted.
    clock : callable
        Time in seconds of the local LSL clock.

    Attributes
    ----------
    hello, status : Hello, Status or None
        The newest ones.
    rows : deque of tuple
        What a page draws of the newest predictions, oldest first; see `rtbci.monitor.frames.row_of`.
    events : deque of Event
        The newest ones, oldest first; without flashes, which would leave no other.
    n_lost : int
        Messages of this session that did not arrive here, of all topics.
    n_malformed : int
        Messages that are not of the schema.
    t_heard : float or None
        When the newest message came, in seconds.

    Raises
    ------
    ConfigError
        When the address is none.
    """

    def __init__(
        self,
        address: str,
        on_message: Callable[[Message], None],
        on_signal: Callable[[Signal], None],
        keys: ClientKeys = NO_KEYS,
        clock: Clock = now,
    ) -> None:
        self._on_message, self._on_signal, self._clock = on_message, on_signal, clock
        self.hello: Hello | None = None
        self.status: Status | None = None
        self.rows: deque[tuple[Any, ...]] = deque(maxlen=N_PREDICTIONS)
        self.events: deque[Event] = deque(maxlen=N_EVENTS)
        self.n_lost = self.n_malformed = 0
        self.t_heard: float | None = None
        self._session: str | None = None
        self._next: dict[str, int] = {}
        self._context = zmq.asyncio.Context()
        self._socket = self._context.socket(zmq.SUB)
        try:
            prepare_listener(self._socket, MAX_SIGNAL_BYTES)  # type: ignore[arg-type]  # only sets options
            secure(self._socket, keys.server_key, keys.key)  # type: ignore[arg-type]  # only sets options
            self._socket.connect(address)
        except RtbciError:
            self.close()
            raise
        except zmq.ZMQError as error:
            self.close()
            raise ConfigError(
                f"monitor: cannot connect to {address!r} ({error.strerror}), need tcp://HOST:PORT or ipc://PATH"
            ) from error
        for topic in MESSAGE_TYPES:
            self._socket.subscribe(topic)

    @property
    def session(self) -> str:
        """Session of the newest message; empty before the first."""
        return self._session or ""

    def want_signal(self, wanted: bool) -> None:
        """Subscribe to the signal, or no longer; the run sends it only while somebody does."""
        if wanted:
            self._socket.subscribe(SIGNAL_TOPIC)
        else:
            self._next.pop(SIGNAL_TOPIC, None)  # what is not sent is not lost
            self._socket.unsubscribe(SIGNAL_TOPIC)

    async def run(self) -> None:
        """Take messages until it is cancelled."""
        with suppress(asyncio.CancelledError):
            while True:
                # What is there already comes without a pause: browsers must have their turn, too.
                for _ in range(N_AT_ONCE):
                    frames = await self._socket.recv_multipart()
                    try:
                        self._take(frames)
                    except MessageError:
                        self.n_malformed += 1
                await asyncio.sleep(0)

    def close(self) -> None:
        """Close the socket; may be called more than once."""
        if not self._socket.closed:
            self._socket.close(linger=0)
            self._context.term()

    def _take(self, frames: list[bytes]) -> None:
        if len(frames) != 2:
            raise MessageError(f"monitor: message has {len(frames)} frames, need topic and payload")
        self.t_heard = self._clock()
        if frames[0] == SIGNAL_TOPIC.encode():
            signal = decode_signal(frames[1])
            if self._count(SIGNAL_TOPIC, signal.session, signal.seq):
                signal = msgspec.structs.replace(signal, follows=False)
            self._on_signal(signal)
            return
        message = decode(frames[0], frames[1])
        self._count(message.topic, message.session, message.seq)
        match message:
            case Hello():
                self.hello = message
                if (n := _n_kept(message.hop_s)) != self.rows.maxlen:
                    self.rows = deque(self.rows, maxlen=n)
            case Status():
                self.status = message
            case Event():
                if message.data.get("part") != "flash":
                    self.events.append(message)
            case Prediction():
                self.rows.append(row_of(message))
        self._on_message(message)

    def _count(self, topic: str, session: str, seq: int) -> int:
        """Messages of the topic that were lost right before this one."""
        if session != self._session and session:
            self._session = session
            self._next.clear()
            self.rows.clear()
            self.events.clear()
            self.hello = self.status = None
            self.n_lost = 0
        expected = self._next.get(topic, seq)
        n_lost = max(0, seq - expected)
        self.n_lost += n_lost
        self._next[topic] = max(expected, seq + 1)
        return n_lost


def _n_kept(hop_s: float) -> int:
    """Predictions that are kept for pages that open later."""
    return max(N_PREDICTIONS, math.ceil(NIGHT_S / hop_s)) if hop_s >= SLOW_HOP_S else N_PREDICTIONS
