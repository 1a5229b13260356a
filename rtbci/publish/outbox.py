"""Compose messages and give them to every sink: the one place where messages get number and time."""

import secrets
import threading
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Self

import msgspec

from rtbci.clock import Clock, now, utc_now
from rtbci.errors import MessageError
from rtbci.publish.messages import (
    MESSAGE_TYPES,
    VERSION,
    Event,
    Hello,
    HelloContent,
    Message,
    Prediction,
    Quality,
    Scalar,
    Status,
    StatusContent,
    Trace,
    Why,
)
from rtbci.publish.sink import Rehearses, Sink

__all__ = ["Decoded", "Numbers", "Outbox", "new_session_id"]


def new_session_id() -> str:
    """Return an id that no other run has: start in UTC and six random hexadecimal digits."""
    return f"{utc_now():%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


class Decoded(NamedTuple):
    """What a decoder says of one window, before it is numbered and stamped.

    Parameters
    ----------
    probs : sequence of float, length n_classes, or None
        Calibrated probabilities in the order of the classes announced; None when the window could not be
        decoded (`why` is then ``warming_up``, ``gap``, ``poor_signal`` or ``stream_lost``).
    decision, why : str or None
        Class decided for, or None and the reason; exactly one is None.
    t_window : tuple of float
        Stamps of the first and newest sample [s].
    quality : Quality
        Of the window's signal.
    wait_ms, filter_ms, encode_ms, probe_ms : float
        Parts of the age, see `Trace`.
    t_decided : float
        When the decision was there [s, clock of the outbox]; the time since is ``trace_ms.send``.
    refractory : bool
        Within the pause after a decision.
    value : float or None
        Continuous output, 0 to 1.
    """

    probs: Sequence[float] | None
    decision: str | None
    why: Why | None
    t_window: tuple[float, float]
    quality: Quality
    wait_ms: float
    filter_ms: float
    encode_ms: float
    probe_ms: float
    t_decided: float
    refractory: bool = False
    value: float | None = None


class Numbers(NamedTuple):
    """Where the messages of a session go on: its id, and the next number of each topic."""

    session: str
    n_sent: Mapping[str, int]


class Outbox:
    """Numbers and stamps messages, and sends them to all sinks.

    Parameters
    ----------
    hello : HelloContent
        What decodes; sent at once. Predictions take their classes, profile and engine from it.
    sinks : sequence of Sink
        In the order in which they are served; put the one that hurries first. Closed with the outbox.
    session : str or None
        Id of this run; None makes one.
    numbers : Numbers, optional
        Where a session that is taken up goes on; without, it is a new one.
    clock : Clock
        Time in seconds of the local LSL clock.

    Attributes
    ----------
    session : str
        Id of this run.
    n_sent : dict of str to int
        Messages sent in each topic; also the next number.

    Notes
    -----
    Threads: `prediction`, `status`, `event` and `announce` from any, one at a time (a lock, 0.1 us): while the decoder takes long,
    somebody else says so. All others are the decoder's.
    """

    def __init__(
        self,
        hello: HelloContent,
        sinks: Sequence[Sink],
        *,
        session: str | None = None,
        numbers: Numbers | None = None,
        clock: Clock = now,
    ) -> None:
        self.session = numbers.session if numbers else session or new_session_id()
        self.n_sent = dict.fromkeys(MESSAGE_TYPES, 0) | dict(numbers.n_sent if numbers else {})
        self._sinks = tuple(sinks)
        self._rehearsing = tuple(sink for sink in sinks if isinstance(sink, Rehearses))
        self._clock = clock
        self._turn = threading.Lock()
        self._newest: Decoded | None  # of predictions that the last hello announces
        self.announce(hello)

    def announce(self, hello: HelloContent) -> Hello:
        """Send a `Hello` and take classes, profile and engine from it from now on."""
        with self._turn:
            self._hello, self._newest = hello, None
            message = Hello(
                v=VERSION,
                session=self.session,
                seq=self.n_sent["hello"],
                t_sent=self._clock(),
                **msgspec.structs.asdict(hello),
            )
            self._send(message)
        return message

    def prediction(self, decoded: Decoded) -> Prediction:
        """Send what one window says.

        Raises
        ------
        MessageError
            When a number is not finite, or parts contradict each other; nothing is sent then and no
            sequence number is used up.
        """
        with self._turn:
            message = self._composed(decoded)
            self._newest = decoded
            self._send(message)
        return message

    def rehearse(self) -> None:
        """Do once what a prediction costs, with the newest one; the sinks that can do so too. Nothing is sent or counted."""
        if self._newest is None or not self._rehearsing:
            return
        message = self._composed(self._newest)
        for sink in self._rehearsing:
            sink.rehearse(message)

    def _composed(self, decoded: Decoded) -> Prediction:
        hello = self._hello
        t_start, t_end = map(float, decoded.t_window)
        probs = None if decoded.probs is None else tuple(map(float, decoded.probs))
        t_sent = self._clock()
        return Prediction(
            v=VERSION,
            session=self.session,
            seq=self.n_sent["prediction"],
            t_sent=t_sent,
            classes=hello.classes,
            probs=probs,
            label=_label(hello.classes, probs),
            decision=decoded.decision,
            why=decoded.why,
            t_window=(t_start, t_end),
            age_ms=(t_sent - t_end) * 1e3,
            trace_ms=Trace(
                wait=decoded.wait_ms,
                filter=decoded.filter_ms,
                encode=decoded.encode_ms,
                probe=decoded.probe_ms,
                send=(t_sent - decoded.t_decided) * 1e3,
            ),
            quality=decoded.quality,
            profile=hello.profile,
            engine=hello.engine,
            refractory=decoded.refractory,
            value=decoded.value,
        )

    def status(self, content: StatusContent) -> Status:
        """Send how the decoder is."""
        with self._turn:
            message = Status(
                v=VERSION,
                session=self.session,
                seq=self.n_sent["status"],
                t_sent=self._clock(),
                **msgspec.structs.asdict(content),
            )
            self._send(message)
        return message

    def event(
        self, kind: str, t_lsl: float, value: str = "", data: Mapping[str, Scalar] | None = None
    ) -> Event:
        """Send that something happened.

        Parameters
        ----------
        kind : str
            ``marker``, ``decision``, ``profile_swapped``, ``stream_lost``, ``stream_recovered``, ...
        t_lsl : float
            When it happened [s, local LSL clock].
        value : str
            Text of a marker, class of a decision.
        data : mapping or None
            Further values, by kind.

        Raises
        ------
        MessageError
            When a number is not finite.
        """
        with self._turn:
            message = Event(
                v=VERSION,
                session=self.session,
                seq=self.n_sent["event"],
                t_sent=self._clock(),
                kind=kind,
                t_lsl=float(t_lsl),
                value=value,
                data=dict(data or {}),
            )
            self._send(message)
        return message

    def poll(self) -> None:
        """Look after new listeners; call once per hop, or ten times a second while there is no signal."""
        # Every sink is polled before one hello serves all who are new: it is published, not sent to one.
        if True in [sink.poll() for sink in self._sinks]:
            self.announce(self._hello)

    def close(self) -> None:
        """Close all sinks; may be called more than once."""
        for sink in self._sinks:
            sink.close()

    def _send(self, message: Message) -> None:
        for sink in self._sinks:
            sink.send(message)
            # Used up as soon as one sink has it, even if the next one fails.
            self.n_sent[message.topic] = message.seq + 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _label(classes: tuple[str, ...], probs: tuple[float, ...] | None) -> str | None:
    if probs is None:
        return None
    if len(probs) != len(classes):
        raise MessageError(f"Outbox: {len(probs)} probs for {len(classes)} classes, need one for each")
    return classes[probs.index(max(probs))]
