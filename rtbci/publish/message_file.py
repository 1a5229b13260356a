"""Messages in a file, as they were received: lines of JSON with the time of receipt, the topic and the message."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from rtbci.clock import Clock, now
from rtbci.errors import FileFormatError, MessageError
from rtbci.files import LineFile
from rtbci.publish.codec import MAX_PAYLOAD_BYTES, decode
from rtbci.publish.messages import Hello, Message

__all__ = ["FileSummary", "MessageRecorder", "Received", "read_messages", "summary_of"]

MAX_LINE_BYTES = 4 * MAX_PAYLOAD_BYTES
"""Longest line that is read; MessagePack may take more room as JSON."""


class _Line(msgspec.Struct):
    t_received: float
    topic: str
    message: msgspec.Raw


_LINES = msgspec.json.Decoder(_Line)
_BROKEN = (msgspec.MsgspecError, ValueError, RecursionError)


class Received(NamedTuple):
    """One message of a file.

    Parameters
    ----------
    t_received : float
        When it came to whoever recorded it [s, local LSL clock there].
    message : Message
        As it was sent.
    """

    t_received: float
    message: Message


class MessageRecorder:
    """Writes what a `Client` receives to a new file; give its `take` to the client as ``tap``.

    Parameters
    ----------
    path : Path
        A new file.
    clock : Clock
        Time of receipt.

    Attributes
    ----------
    n_messages : int
        Lines written.

    Raises
    ------
    FileFormatError
        When the file is there already or cannot be made.
    """

    def __init__(self, path: Path, clock: Clock = now) -> None:
        self._path, self._clock = path, clock
        self.n_messages = 0
        try:
            self._file = LineFile(path)
        except FileExistsError as error:
            raise FileFormatError(
                f"record: {path} is there already, need a new file; choose another name or remove it"
            ) from error
        except OSError as error:
            raise FileFormatError(
                f"record: {path} cannot be made ({error.strerror}), need a file that can be written; "
                f"choose another one"
            ) from error

    def take(self, topic: bytes, payload: bytes) -> None:
        """Write a message of the schema, JSON as it came, fields that this version does not know included.

        Raises
        ------
        FileFormatError
            When it cannot be written, for instance to a full disk; the lines before it stay.
        """
        line = b'{"t_received":%s,"topic":%s,"message":%s}' % (
            msgspec.json.encode(self._clock()),
            msgspec.json.encode(topic.decode("ascii")),
            _as_json(payload),
        )
        try:
            self._file.append(line)
        except OSError as error:
            raise FileFormatError(
                f"record: {self._path} cannot be written ({error.strerror}), need room for {len(line)} bytes; "
                f"{self.n_messages} messages are in it"
            ) from error
        self.n_messages += 1

    def close(self) -> None:
        """Close the file; may be called more than once."""
        self._file.close()


def _as_json(payload: bytes) -> bytes:
    if payload.lstrip()[:1] != b"{":
        return msgspec.json.encode(msgspec.msgpack.decode(payload))
    # Between the parts of a JSON text ends of lines are spaces, and within texts there are none.
    return payload.translate(bytes.maketrans(b"\r\n", b"  "))


def read_messages(path: Path) -> Iterator[Received]:
    """Yield the messages of a file, oldest first; a torn last line, which a kill leaves, is left out.

    Raises
    ------
    FileFormatError
        When the file cannot be read, or a whole line is no message of the schema; says which line.
    """
    for received in _messages(path):
        if received is not None:
            yield received


class FileSummary(NamedTuple):
    """What a file of messages holds.

    Parameters
    ----------
    n_messages : int
    duration_s : float
        From the first to the last receipt.
    hellos : dict of str to Hello
        First hello of each session, in the order of the sessions.
    is_torn : bool
        The last line is not whole and was left out.
    """

    n_messages: int
    duration_s: float
    hellos: dict[str, Hello]
    is_torn: bool


def summary_of(path: Path) -> FileSummary:
    """Read a whole file and say what is in it.

    Raises
    ------
    FileFormatError
        See `read_messages`; also when there is no message, or no hello of a session.
    """
    n_messages, is_torn = 0, False
    t_first = t_last = 0.0
    sessions: dict[str, Hello | None] = {}
    for received in _messages(path):
        if received is None:
            is_torn = True
            continue
        t_last, message = received
        t_first = t_first if n_messages else t_last
        n_messages += 1
        known = sessions.setdefault(message.session, None)
        if known is None and isinstance(message, Hello):
            sessions[message.session] = message
    hellos = {session: hello for session, hello in sessions.items() if hello is not None}
    if not n_messages or len(hellos) < len(sessions):
        missing = ", ".join(session for session in sessions if session not in hellos)
        raise FileFormatError(
            f"{path}: {f'no hello of session {missing}' if n_messages else 'no message'}, need one, since "
            f"clients ask for it; record longer with `rtbci listen --record FILE`"
        )
    return FileSummary(n_messages, t_last - t_first, hellos, is_torn)


def _messages(path: Path) -> Iterator[Received | None]:
    """Messages, and None for a torn last line."""
    try:
        with path.open("rb") as file:
            for number in itertools.count(1):
                if not (line := file.readline(MAX_LINE_BYTES)):
                    return
                try:
                    yield _parsed(line)
                except (MessageError, *_BROKEN) as error:
                    if not line.endswith(b"\n") and not file.read(1):
                        yield None
                        return
                    raise FileFormatError(
                        f"{path}: line {number} is no message ({error}), need "
                        f'{{"t_received": ..., "topic": ..., "message": {{...}}}} as in docs/messages.md'
                    ) from error
    except OSError as error:
        raise FileFormatError(
            f"{path}: cannot be read ({error.strerror}), need a file of `rtbci listen --record FILE`"
        ) from error


def _parsed(line: bytes) -> Received:
    fields = _LINES.decode(line)
    return Received(fields.t_received, decode(fields.topic, bytes(fields.message)))
