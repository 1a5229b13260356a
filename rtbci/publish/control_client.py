"""Ask a running decoder to do something."""

import itertools
from typing import Any, Self

import msgspec
import zmq

from rtbci import errors
from rtbci.clock import Clock, now
from rtbci.errors import MessageError, RtbciError, StreamNotFoundError
from rtbci.publish.addresses import CONTROL_ADDRESS
from rtbci.publish.control_messages import Failure, Reply
from rtbci.publish.messages import VERSION

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
    clock : Clock
        Time in seconds.

    Notes
    -----
    Threads: one at a time.
    """

    def __init__(self, address: str = CONTROL_ADDRESS, *, timeout_s: float = 6.0, clock: Clock = now) -> None:
        self.address = address
        self._timeout_s = timeout_s
        self._clock = clock
        self._ids = itertools.count(1)
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.MAXMSGSIZE, MAX_REPLY_BYTES)
        try:
            self._socket.connect(address)
        except zmq.ZMQError as error:
            self.close()
            raise errors.ConfigError(
                f"ControlClient: cannot connect to {address!r} ({error.strerror}), need tcp://HOST:PORT"
            ) from error

    def request(self, cmd: str, **fields: object) -> dict[str, Any]:
        """Send a request and return its result.

        Parameters
        ----------
        cmd : str
            ``status``, ``swap_profile``, ``pause``, ``resume``, ``mark`` or ``stop``.
        **fields
            Fields of the request: ``profile=`` of ``swap_profile``, ``value=`` of ``mark``.

        Raises
        ------
        RtbciError
            When the decoder refuses; of the class that the decoder raised.
        StreamNotFoundError
            When no reply comes in time.
        """
        request_id = next(self._ids)
        self._socket.send(
            msgspec.json.encode({"v": VERSION, "id": request_id, "cmd": cmd, **fields}), zmq.NOBLOCK
        )
        reply = self._await_reply(request_id)
        if reply.error is not None:
            raise _as_error(reply.error)
        return reply.result or {}

    def _await_reply(self, request_id: int) -> Reply:
        t_due = self._clock() + self._timeout_s
        while (left_s := t_due - self._clock()) > 0:
            if not self._socket.poll(int(left_s * 1e3) + 1):
                continue
            reply = _read_reply(self._socket.recv())
            if reply.id in (request_id, None):  # else: late answer to a request that was given up
                return reply
        raise StreamNotFoundError(
            f"ControlClient: no reply from {self.address} in {self._timeout_s:g} s; is `rtbci run` running, "
            f"with this control address?"
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
