"""Where the live page is served."""

from typing import NamedTuple
from urllib.parse import urlsplit

from rtbci.errors import ConfigError

__all__ = ["WHAT", "Place", "place_of"]

WHAT = "live page"
PAGE_ADDRESS = "127.0.0.1:5580"
"""Where the page is served unless said otherwise."""


class Place(NamedTuple):
    """Where a page is served."""

    host: str
    port: int


def place_of(text: str) -> Place:
    """Read ``HOST:PORT``; an IPv6 address stands in brackets.

    Raises
    ------
    ConfigError
        When it is neither.
    """
    try:
        parts = urlsplit(f"//{text}")
        if parts.hostname and parts.port is not None and parts.netloc == text and "@" not in text:
            return Place(parts.hostname, parts.port)
    except ValueError:
        pass
    raise ConfigError(
        f"{WHAT}: address is {text!r}, need HOST:PORT; {PAGE_ADDRESS} is for browsers on this machine"
    )
