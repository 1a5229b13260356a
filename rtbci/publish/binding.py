"""Bind a ZeroMQ socket, with errors that say what to do."""

import zmq

from rtbci.errors import ConfigError, PortInUseError
from rtbci.publish.addresses import check_bind_address, port_owner

__all__ = ["bind"]


def bind(
    socket: "zmq.Socket[bytes]", where: str, address: str, flag: str, insecure: bool, encrypted: bool = False
) -> str:
    """Bind `socket` and return the address it really has (port 0 picks a free one).

    Parameters
    ----------
    socket : zmq.Socket
        Closed when it cannot be bound.
    where : str
        Who binds, for the messages.
    address : str
        ``tcp://HOST:PORT`` or ``ipc://PATH``.
    flag : str
        Setting by which the user chooses the address (``"--pub"``), for the messages.
    insecure : bool
        Whether an address that the network can reach is allowed unencrypted.
    encrypted : bool
        Whether the socket lets only trusted keys in.

    Raises
    ------
    ConfigError
        When the address is malformed, not of this machine, or off loopback without keys or `insecure`.
    PortInUseError
        When another socket has it.
    """
    try:
        check_bind_address(where, address, insecure, encrypted)
        if "[" in address:
            socket.setsockopt(zmq.IPV6, 1)
        socket.bind(address)
    except ConfigError:
        socket.close(linger=0)
        raise
    except zmq.ZMQError as error:
        socket.close(linger=0)
        if error.errno == zmq.EADDRINUSE:
            raise PortInUseError(_in_use(where, address, flag)) from error
        raise ConfigError(
            f"{where}: cannot bind {address} ({error.strerror}), need an address of this machine; choose "
            f"another with {flag}, for instance {flag} tcp://127.0.0.1:0"
        ) from error
    return socket.getsockopt_string(zmq.LAST_ENDPOINT)


def _in_use(where: str, address: str, flag: str) -> str:
    port = address.rsplit(":", 1)[1]
    owner = port_owner(int(port)) if address.startswith("tcp://") and port.isdigit() else "another program"
    return (
        f"{where}: {address} is in use by {owner}, need a free port; stop that program if it is another "
        f"rtbci, or choose another port with {flag} (tcp://127.0.0.1:0 picks a free one)"
    )
