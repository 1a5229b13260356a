"""Play a file of messages as a decoder would send them: a new session, times of today, a hello for whoever comes."""

import threading
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from msgspec.structs import replace

from rtbci.clock import Clock, now
from rtbci.errors import ConfigError
from rtbci.publish.message_file import FileSummary, Received, read_messages, summary_of
from rtbci.publish.messages import Event, Hello, Message, Prediction
from rtbci.publish.outbox import new_session_id
from rtbci.publish.sink import Rehearses, Sink

__all__ = ["MessagePlayer"]

_Any = TypeVar("_Any", bound=Message)

POLL_S = 0.05
"""How often new listeners are looked after, at least."""

LEAD_S = 1.5e-3
"""From the rehearsal of a prediction to when it is due, about as in a run (`rtbci.runtime.rehearsal`)."""


class MessagePlayer:
    """Sends the messages of a file to a sink.

    Every session of the file gets an id that was never there before, so for clients each pass is a new run. ``seq``
    starts at 0 in each topic; messages that are missing in the file are missing here, too, and clients count them as lost.
    ``t_sent`` is read when a message is sent. Windows and events keep their distance to when they
    should be sent, and being late is told as a decoder tells it: in ``age_ms`` and ``trace_ms.send``.

    Parameters
    ----------
    path : Path
        From `rtbci listen --record`; read whole once, before anything is sent.
    sink : Sink
        A `Publisher`; stays open.
    speed : float
        Recorded seconds per second; infinity sends without waiting.
    clock : Clock
        Time in seconds.

    Attributes
    ----------
    summary : FileSummary
        What is in the file.
    n_sent : int
        Messages of the file that have been sent.

    Raises
    ------
    FileFormatError
        See `summary_of`.
    ConfigError
        When `speed` is not above 0.

    Notes
    -----
    Threads: all calls from one thread.
    """

    def __init__(self, path: Path, sink: Sink, *, speed: float = 1.0, clock: Clock = now) -> None:
        if not speed > 0:
            raise ConfigError(f"MessagePlayer: speed is {speed}, need a number above 0; 1 is real time")
        self.summary: FileSummary = summary_of(path)
        self.n_sent = 0
        self._path, self._sink, self._speed, self._clock = path, sink, speed, clock
        self._session = ""
        self._seq_first: dict[str, int] = {}
        self._n_hellos = 0
        self._hello = next(iter(self.summary.hellos.values()))
        self._t_due, self._t_sent, self._t_received = 0.0, 0.0, 0.0

    def wait_for_listener(self, stop: threading.Event) -> bool:
        """Wait until somebody subscribes to ``hello`` or to everything; False when `stop` was set first."""
        while not self._sink.poll():
            if stop.wait(POLL_S):
                return False
        return True

    def play(self, stop: threading.Event) -> bool:
        """Send the file once; False when `stop` was set first."""
        recorded = ""
        # What a recorder has appended since is left alone: its hello may not be there yet.
        for received in islice(read_messages(self._path), self.summary.n_messages):
            message = received.message
            if message.session != recorded:
                if not self._begin(received, is_first=not recorded, stop=stop):
                    return False
                recorded = message.session
            elif not self._wait_for(message, self._due(received), stop):
                return False
            if isinstance(message, Hello):
                self._greet(message)
            else:
                self._sink.send(self._today(message))
            self.n_sent += 1
        return True

    def _begin(self, received: Received, *, is_first: bool, stop: threading.Event) -> bool:
        """Start a session, with its hello even where the file has it later."""
        pause_s = 0.0 if is_first else max(0.0, received.t_received - self._t_received)
        t_start = self._clock() if is_first else self._t_due + pause_s / self._speed
        if not self._wait(t_start, stop):
            return False
        self._t_due, self._t_sent, self._t_received = t_start, received.message.t_sent, received.t_received
        self._session = new_session_id()
        self._seq_first.clear()
        self._n_hellos = 0
        self._hello = self.summary.hellos[received.message.session]
        if not isinstance(received.message, Hello):
            self._greet(self._hello)
        return True

    def _due(self, received: Received) -> float:
        """When a message is due; steps from one to the next, so that a clock that was set back costs nothing."""
        self._t_due += max(0.0, received.message.t_sent - self._t_sent) / self._speed
        self._t_sent, self._t_received = received.message.t_sent, received.t_received
        return self._t_due

    def _wait_for(self, message: Message, t_due: float, stop: threading.Event) -> bool:
        """Wait until a message is due, and rehearse before a prediction as a run does."""
        t_ready = t_due - LEAD_S
        if isinstance(message, Prediction) and isinstance(self._sink, Rehearses) and t_ready > self._clock():
            if not self._wait(t_ready, stop):
                return False
            self._sink.rehearse(self._today(message))
        return self._wait(t_due, stop)

    def _wait(self, t_due: float, stop: threading.Event) -> bool:
        while not stop.is_set():
            if self._sink.poll() and self._session:
                self._greet(self._hello)
            if (left_s := t_due - self._clock()) <= 0:
                return True
            stop.wait(min(left_s, POLL_S))
        return False

    def _greet(self, hello: Hello) -> None:
        self._hello = hello
        self._sink.send(replace(hello, session=self._session, seq=self._n_hellos, t_sent=self._clock()))
        self._n_hellos += 1

    def _today(self, message: _Any) -> _Any:
        first = self._seq_first.setdefault(message.topic, message.seq)
        shift_s, t_sent = self._t_due - message.t_sent, self._clock()
        changes: dict[str, Any] = {
            "session": self._session,
            "seq": max(0, message.seq - first),
            "t_sent": t_sent,
        }
        if isinstance(message, Event):
            changes["t_lsl"] = message.t_lsl + shift_s
        elif isinstance(message, Prediction):
            t_start, t_end = message.t_window
            late_ms = (t_sent - self._t_due) * 1e3
            changes["t_window"] = (t_start + shift_s, t_end + shift_s)
            changes["age_ms"] = (t_sent - t_end - shift_s) * 1e3
            changes["trace_ms"] = replace(message.trace_ms, send=message.trace_ms.send + late_ms)
        return replace(message, **changes)
