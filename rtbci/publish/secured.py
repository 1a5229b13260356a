"""Sockets of clients: how patient they are, and encrypted to the one runtime whose key they know."""

import zmq

from rtbci.errors import ConfigError
from rtbci.keys.curve import DEFAULT_KEY, KeyPair, read_key
from rtbci.keys.trusted import server_key_of

__all__ = ["prepare_listener", "secure"]

HEARTBEAT_MS = 5_000
RECONNECT_MS, RECONNECT_MAX_MS = 100, 2_000


def prepare_listener(socket: "zmq.Socket[bytes]", max_bytes: int) -> None:
    """Set how a subscriber's socket connects again and notices that nobody is there, before it connects.

    Parameters
    ----------
    socket : zmq.Socket
        SUB; an asynchronous one will do, only options are set.
    max_bytes : int
        A publisher that sends a longer frame is cut off.
    """
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.IPV6, 1)
    socket.setsockopt(zmq.MAXMSGSIZE, max_bytes)
    socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
    socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, RECONNECT_MAX_MS)


def secure(socket: "zmq.Socket[bytes]", server_key: str | None, key: str | KeyPair | None) -> None:
    """Have a socket speak CURVE, before it connects; without a `server_key` and a `key` it stays as it is.

    Parameters
    ----------
    socket : zmq.Socket
        Of a client.
    server_key : str or None
        Public key of the runtime (64 hexadecimal digits or 40 letters of Z85), or its name among the trusted ones.
    key : str, KeyPair or None
        The client's own, by name; None: the one called default.

    Raises
    ------
    ConfigError
        When one of them is missing or is no key.
    """
    if server_key is None and key is None:
        return
    if server_key is None:
        raise ConfigError(
            "client: a key is given and no server key, need both; `rtbci keys show` on the runtime's computer says it"
        )
    own = key if isinstance(key, KeyPair) else read_key(key or DEFAULT_KEY)
    socket.setsockopt(zmq.CURVE_SERVERKEY, server_key_of(server_key))
    socket.setsockopt(zmq.CURVE_PUBLICKEY, own.public)
    socket.setsockopt(zmq.CURVE_SECRETKEY, own.secret)
