"""What every page's answers carry, and what is asked of whoever opens one."""

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:  # the commands that say which package a page lacks read this module first
    from starlette.types import Message, Scope, Send

__all__ = ["LOOPBACK", "headers_of", "is_loopback", "origin_of", "refuse", "with_headers"]

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
HEADERS = {
    # Everything comes from here and nothing goes elsewhere; the socket has the same origin.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",  # the address may have a token in it
    "x-content-type-options": "nosniff",
    # An isolated page has a clock of 5 µs instead of 100 µs.
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
}


def is_loopback(url: str) -> bool:
    """Whether the host of an address is this machine, by one of the names that nobody else can give it.

    A foreign page may have had a name of its own resolved to this machine; that name is not among them.
    """
    try:
        return urlsplit(url).hostname in LOOPBACK
    except ValueError:  # "http://[" and the like
        return False


def origin_of(host: str, port: int, scheme: str = "http") -> str:
    """The origin of a page on a host, which may be an IPv6 address."""
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def headers_of(scope: "Scope") -> Mapping[str, str]:
    """Headers of a request, names in lower case."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def with_headers(send: "Send") -> "Send":
    """A `send` that adds `HEADERS` to every answer."""

    async def send_with_headers(message: "Message") -> None:
        if message["type"] == "http.response.start":
            ours = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
            message["headers"] = [*message.get("headers", []), *ours]
        await send(message)

    return send_with_headers


async def refuse(scope: "Scope", send: "Send") -> None:
    """Answer that there is nothing."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
    elif scope["type"] == "http":
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b"not found\n"})
