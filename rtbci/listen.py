"""Show what a decoder says: a live table in a terminal, a line a prediction in a pipe, or JSON lines."""

import sys
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Protocol, TextIO

import msgspec
from rich.console import Console

from rtbci.client import Client
from rtbci.clock import Clock, now
from rtbci.commands.output import give_up_on
from rtbci.errors import StreamError
from rtbci.listen_board import Board, prediction_line
from rtbci.publish.addresses import PUBLISH_ADDRESS
from rtbci.publish.message_file import MessageRecorder
from rtbci.publish.messages import Event, Message, Prediction, Status

__all__ = ["listen"]

TOPICS = ("prediction", "status", "event", "hello")
REFRESH_S = 0.2
SILENT_S = 3.0
"""A hello comes within a fraction of this; whoever has heard nothing by then is told what is waited for."""


class View(Protocol):
    """Shows messages."""

    def show(self, message: Message | None) -> None:
        """Take a message, or None when `REFRESH_S` has passed without one."""
        ...

    def close(self) -> None:
        """Leave the terminal as it was found."""
        ...


def listen(
    address: str = PUBLISH_ADDRESS,
    *,
    as_json: bool = False,
    topics: Sequence[str] = TOPICS,
    duration_s: float | None = None,
    n_messages: int | None = None,
    record: Path | None = None,
    output: TextIO | None = None,
    server_key: str | None = None,
    key: str | None = None,
    clock: Clock = now,
) -> int:
    """Show messages until Ctrl-C, until nobody reads the output any more, or until a limit.

    Where nothing comes at first, this is said once: on standard error, or in the live table.

    Parameters
    ----------
    address : str
        Where the decoder publishes; it need not be there yet.
    as_json : bool
        Write each message as one line of JSON with its ``topic``, flushed at once.
    topics : sequence of str
        Which topics to show.
    duration_s : float or None
        Stop after this time [s].
    n_messages : int or None
        Stop after this many messages.
    record : Path or None
        A new file for all messages of the topics, and every hello, as they come; `rtbci publish --from` plays it.
    output : text file or None
        Where to write; None is the standard output. A terminal gets the live table.
    server_key, key : str or None
        See `rtbci.client.Client`.
    clock : Clock
        Time in seconds.

    Returns
    -------
    int
        How many messages came.

    Raises
    ------
    ConfigError
        When the address or a topic is not one.
    FileFormatError
        When `record` is there already, or cannot be written.
    """
    writer = output or sys.stdout
    t_end = None if duration_s is None else clock() + duration_s
    n_shown = 0
    with ExitStack() as opened:
        recorder = None if record is None else opened.enter_context(closing(MessageRecorder(record, clock)))
        tap = None if recorder is None else recorder.take
        client = opened.enter_context(
            Client(address, topics, timeout_s=REFRESH_S, server_key=server_key, key=key, clock=clock, tap=tap)
        )
        view = _view(client, writer, as_json, clock)
        t_silent = None if isinstance(view, Board) else clock() + SILENT_S
        try:
            while (t_end is None or clock() < t_end) and n_shown != n_messages:
                message = _receive(client)
                n_shown += message is not None
                if t_silent is not None and (client.session is not None or clock() >= t_silent):
                    t_silent = None
                    _say_silent(client, server_key is not None)
                view.show(message)
        except KeyboardInterrupt:  # the way to end it
            pass
        except BrokenPipeError:
            give_up_on(writer)
        finally:
            view.close()
    return n_shown


def _view(client: Client, output: TextIO, as_json: bool, clock: Clock) -> View:
    if as_json:
        return JsonLines(output)
    if output.isatty():
        return Board(client, Console(file=output), refresh_s=REFRESH_S, clock=clock)
    return PlainLines(output)


def _say_silent(client: Client, is_encrypted: bool) -> None:
    """Say what is waited for, where nothing has been heard; what comes later is shown all the same."""
    if client.session is None:
        keys = "and trusts this key" if is_encrypted else "one that is encrypted needs --server-key"
        print(
            f"nothing from {client.address} yet: waiting for `rtbci run` to publish there; {keys}",
            file=sys.stderr,
            flush=True,
        )


def _receive(client: Client) -> Message | None:
    try:
        return client.receive()
    except StreamError:  # nothing within REFRESH_S
        return None


class JsonLines:
    """Each message as one line of JSON.

    Parameters
    ----------
    output : text file
        Flushed after every line.
    """

    def __init__(self, output: TextIO) -> None:
        self._output = output

    def show(self, message: Message | None) -> None:
        """Write the message; see `View.show`."""
        if message is not None:
            fields = {"topic": message.topic, **msgspec.to_builtins(message)}
            print(msgspec.json.encode(fields).decode(), file=self._output, flush=True)

    def close(self) -> None:
        """Do nothing; the output is not ours."""


class PlainLines:
    """A short line for each prediction, event and change of state.

    Parameters
    ----------
    output : text file
        Flushed after every line.
    """

    def __init__(self, output: TextIO) -> None:
        self._output = output
        self._state = ""

    def show(self, message: Message | None) -> None:
        """Write the message; see `View.show`."""
        line = self._line(message)
        if line:
            print(line, file=self._output, flush=True)

    def close(self) -> None:
        """Do nothing; the output is not ours."""

    def _line(self, message: Message | None) -> str:
        if isinstance(message, Prediction):
            return prediction_line(message)
        if isinstance(message, Event):
            return f"{message.t_lsl:.3f} event {message.kind} {message.value}".rstrip()
        if isinstance(message, Status) and message.state != self._state:
            self._state = message.state
            return f"{message.t_sent:.3f} state {message.state}"
        return ""
