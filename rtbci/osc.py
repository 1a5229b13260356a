"""Messages by OSC (UDP): what `rtbci osc` sends, and where. docs/clients/osc.md lists the addresses."""

import re
from typing import Any, Self

from rtbci.errors import ConfigError, MissingPackageError
from rtbci.installing import pip_extra
from rtbci.publish.addresses import is_local
from rtbci.publish.messages import Event, Hello, Message, Prediction

__all__ = ["OscSender", "osc_messages", "target_of"]

Values = list[str | int | float]
_NOT_IN_ADDRESSES = re.compile(r"[\s#*,/?\[\]{}]|[^\x21-\x7e]")


def osc_messages(message: Message, prefix: str = "/rtbci") -> list[tuple[str, Values]]:
    """Return a message as OSC addresses with their values: flat, numbers as float32, no null.

    Parameters
    ----------
    message : Prediction, Status, Event or Hello
    prefix : str
        What all addresses begin with.
    """
    if isinstance(message, Prediction):
        return _prediction(message, prefix)
    if isinstance(message, Event):
        return [(f"{prefix}/event", [message.kind, message.value])]
    if isinstance(message, Hello):
        return [(f"{prefix}/hello", [message.paradigm, float(message.hop_s), *message.classes])]
    measured = message.rate_hz.measured if message.rate_hz is not None else None
    return [(f"{prefix}/status", [message.state, int(message.paused), float(measured or 0.0)])]


def _prediction(message: Prediction, prefix: str) -> list[tuple[str, Values]]:
    head: Values = [message.decision or "", message.label or "", message.reason]
    sent: list[tuple[str, Values]] = [
        (f"{prefix}/prediction", [*head, float(message.age_ms), float(message.quality.score)])
    ]
    if message.probs is not None:
        sent.append((f"{prefix}/probs", [float(prob) for prob in message.probs]))
        for name, prob in zip(message.classes, message.probs, strict=True):
            sent.append((f"{prefix}/prob/{_NOT_IN_ADDRESSES.sub('_', name)}", [float(prob)]))
    if message.value is not None:
        sent.append((f"{prefix}/value", [float(message.value)]))
    if message.decision is not None:
        sent.append((f"{prefix}/decision", [message.decision, message.classes.index(message.decision)]))
    return sent


def target_of(text: str, insecure: bool) -> tuple[str, int]:
    """Return host and port of ``HOST:PORT``.

    Raises
    ------
    ConfigError
        When it is no such thing, or another machine's without `insecure`.
    """
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65_536:
        raise ConfigError(f"--to: got '{text}', need HOST:PORT, for instance 127.0.0.1:9000")
    if not insecure and not is_local(f"tcp://{text}"):
        raise ConfigError(
            f"--to: {host} is not this machine and OSC is not encrypted, need 127.0.0.1; say --insecure when "
            f"everybody on this network may read"
        )
    return host.strip("[]"), int(port)


class OscSender:
    """Sends messages to one OSC receiver; a context manager.

    UDP tells nobody whether somebody listens; what this machine itself cannot send is counted.

    Parameters
    ----------
    host : str
    port : int
    prefix : str
        What all addresses begin with; starts with ``/``.

    Attributes
    ----------
    n_sent, n_unsent : int
        OSC messages.

    Raises
    ------
    MissingPackageError
        Without python-osc.
    ConfigError
        When there is no such host, or the prefix is no OSC address.
    """

    def __init__(self, host: str, port: int, prefix: str = "/rtbci") -> None:
        try:
            from pythonosc.udp_client import SimpleUDPClient
        except ImportError as error:
            raise MissingPackageError(
                f"osc: the package python-osc is missing, need it to send OSC; {pip_extra('osc')}"
            ) from error
        if not re.fullmatch(r"(/[\w.-]+)+", prefix, re.ASCII):
            raise ConfigError(f"--prefix: got '{prefix}', need letters and digits after a /, as /rtbci")
        self.n_sent = self.n_unsent = 0
        self._prefix = prefix
        try:
            self._client: Any = SimpleUDPClient(host, port)
        except OSError as error:
            raise ConfigError(
                f"--to: host '{host}' is not known ({error.strerror}), need a name or an address"
            ) from error

    def send(self, message: Message) -> None:
        """Send everything that a message says."""
        for address, values in osc_messages(message, self._prefix):
            self._put(address, values)

    def lost(self, topic: str, n_messages: int) -> None:
        """Tell how many messages of a topic did not arrive here."""
        self._put(f"{self._prefix}/lost", [topic, n_messages])

    def _put(self, address: str, values: Values) -> None:
        try:
            self._client.send_message(address, values)
            self.n_sent += 1
        except OSError:  # no network, or no room in the socket's buffer
            self.n_unsent += 1

    def close(self) -> None:
        """Close the socket; may be called more than once."""
        self._client._sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
