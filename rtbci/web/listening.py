"""The socket that a page is served on; without what serves it, which takes long to load."""

import errno
import socket

from rtbci.errors import ConfigError, PortInUseError
from rtbci.publish.addresses import port_owner

__all__ = ["listen"]


def listen(host: str, port: int, what: str) -> socket.socket:
    """Open the socket that a page is served on.

    Parameters
    ----------
    host : str
        Address of this machine.
    port : int
        0 picks a free one.
    what : str
        Which page, for the messages.

    Raises
    ------
    PortInUseError
        When another program has the port.
    ConfigError
        When the address is none of this machine.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise PortInUseError(
                f"{what}: port {port} of {host} is in use by {port_owner(port)}, need a free one; "
                "choose another port, 0 picks one"
            ) from error
        raise ConfigError(
            f"{what}: cannot listen on {host} port {port} ({error}), need an address of this machine and a "
            "port up to 65535; 127.0.0.1 is for browsers on this machine"
        ) from error
