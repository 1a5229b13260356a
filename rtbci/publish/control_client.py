"""Ask a running decoder to do something."""

import itertools
import math
import uuid
from typing import Any, Self

import msgspec
import zmq

from rtbci import errors
from rtbci.clock import Clock, now
from rtbci.errors import MessageError, RtbciError, StreamNotFoundError
from rtbci.keys.curve import KeyPair
from rtbci.publish.addresses import CONTROL_ADDRESS
from rtbci.publish.control_messages import Failure, Reply
from rtbci.publish.messages import VERSION
from rtbci.publish.secured import secure

__all__ = ["ControlClient"]

MAX_REPLY_BYTES = 1 << 20


class ControlClient:
    """Sends control requests and waits for the replies; a context manager.

    Parameters
    ----------
    address : str
        Of the decoder's control socket.
    timeout_s : float
        How long to wait for a reply; the decoder itself gives up after 5 s.
    server_key : str or None
        Public key of a decoder that takes requests of trusted keys only, or its name among the trusted servers.
    key : str, KeyPair or None
        This user's own, by name, which the decoder trusts as a controller; None: the one called default.
    clock : Clock
        Time in seconds.

    Attributes
    ----------
    client_id : str
        Goes with every request, so that one that is repeated with its id is carried out once.

    Notes
    -----
    Threads: one at a time.
    """

    def __init__(
        self,
        address: str = CONTROL_ADDRESS,
        *,
        timeout_s: float = 6.0,
        server_key: str | None = None,
        key: str | KeyPair | None = None,
        clock: Clock = now,
    ) -> None:
        self.address = address
        self.client_id = uuid.uuid4().hex
        self._is_encrypted = server_key is not None
        self._timeout_s = timeout_s
        self._clock = clock
        self._ids = itertools.count(1)
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.MAXMSGSIZE, MAX_REPLY_BYTES)
        self._socket.setsockopt(zmq.IPV6, 1)
        try:
            secure(self._socket, server_key, key)
            self._socket.connect(address)
        except zmq.ZMQError as error:
            self.close()
            raise errors.ConfigError(
                f"ControlClient: cannot connect to {address!r} ({error.strerror}), need tcp://HOST:PORT"
            ) from error
        except RtbciError:
            self.close()
            raise

    def request(self, cmd: str, *, request_id: int | str | None = None, **fields: object) -> dict[str, Any]:
        """Send a request and return its result.

        Parameters
        ----------
        cmd : str
            ``status``, ``swap_profile``, ``pause``, ``resume``, ``mark`` or ``stop``.
        request_id : int, str or None
            Of a request that is sent again because no reply came: it is carried out once, and replied to as before. None
            takes a new one.
        **fields
            Fields of the request: ``profile=`` of ``swap_profile``, ``value=`` and ``t_lsl=`` of ``mark``.

        Raises
        ------
        RtbciError
            When the decoder refuses; of the class that the decoder raised.
        StreamNotFoundError
            When no reply comes in time.
        MessageError
            When a number is not finite.
        """
        for name, value in fields.items():
            if isinstance(value, float) and not math.isfinite(value):  # JSON would say null: not given
                raise MessageError(f"ControlClient: {name} is {value}, need a finite number, or none")
        request_id = f"auto-{next(self._ids)}" if request_id is None else request_id
        about = {"v": VERSION, "id": request_id, "client": self.client_id, "cmd": cmd}
        self._socket.send(msgspec.json.encode({**about, **fields}), zmq.NOBLOCK)
        reply = self._await_reply(request_id)
        if reply.error is not None:
            raise _as_error(reply.error)
        return reply.result or {}

    def _await_reply(self, request_id: int | str) -> Reply:
        t_due = self._clock() + self._timeout_s
        while (left_s := t_due - self._clock()) > 0:
            if not self._socket.poll(int(left_s * 1e3) + 1):
                continue
            reply = _read_reply(self._socket.recv())
            if reply.id in (request_id, None):  # else: late answer to a request that was given up
                return reply
        more = ", and does it trust this key as a controller?" if self._is_encrypted else "?"
        raise StreamNotFoundError(
            f"ControlClient: no reply from {self.address} in {self._timeout_s:g} s; is `rtbci run` running, "
            f"with this control address{more}"
        )

    def close(self) -> None:
        """Close the socket; may be called more than once."""
        if not self._socket.closed:
            self._socket.close()
            self._context.term()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _read_reply(payload: bytes) -> Reply:
    try:
        return msgspec.json.decode(payload, type=Reply)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise MessageError(f"ControlClient: reply is malformed: {error}") from error


def _as_error(failure: Failure) -> RtbciError:
    kind = getattr(errors, failure.kind, RtbciError)
    if not (isinstance(kind, type) and issubclass(kind, RtbciError)):
        kind = RtbciError
    return kind(failure.message)
