"""The page's web application: static files and one WebSocket, behind a token."""

import secrets
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.routing import Mount, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

__all__ = ["Guard", "page_app"]

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
HEADERS = {
    # Everything comes from here and nothing goes elsewhere; the socket has the same origin.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",  # the address has the token in it
    "x-content-type-options": "nosniff",
    # An isolated page has a clock of 5 µs instead of 100 µs.
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
}


class Guard:
    """Lets through what knows the token and comes from this page; everything else is "not found".

    Parameters
    ----------
    app : ASGI application
    token : str
        First part of every path.
    loopback_only : bool
        Refuse other names of the host, which a foreign page may have had resolved to this machine.
    """

    def __init__(self, app: ASGIApp, token: str, loopback_only: bool) -> None:
        self._app, self._token, self._loopback_only = app, token.encode(), loopback_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request or a WebSocket; see the ASGI specification."""
        if self._allows(scope):
            await self._app(scope, receive, _with_headers(send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await send({"type": "http.response.start", "status": 404, "headers": []})
            await send({"type": "http.response.body", "body": b"not found\n"})

    def _allows(self, scope: Scope) -> bool:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        first = scope["path"].split("/", 2)[1] if scope["path"].startswith("/") else ""
        if not secrets.compare_digest(first.encode(), self._token):
            return False
        host = headers.get("host", "")
        if self._loopback_only and urlsplit(f"http://{host}").hostname not in LOOPBACK:
            return False
        # Browsers always say where a socket is opened from; the page's own address is the only one allowed.
        return scope["type"] != "websocket" or headers.get("origin") == f"http://{host}"


def page_app(token: str, on_page: Callable[[WebSocket], Awaitable[Any]], loopback_only: bool) -> ASGIApp:
    """Build the application.

    Parameters
    ----------
    token : str
        The page is at ``/TOKEN/``.
    on_page : coroutine function
        Called with each WebSocket; it is closed when that returns.
    loopback_only : bool
        See `Guard`.
    """
    static = StaticFiles(directory=str(files("rtbci.calibrate.page") / "static"), html=True)
    routes = [WebSocketRoute(f"/{token}/ws", on_page), Mount(f"/{token}", static)]
    return Guard(Starlette(routes=routes), token, loopback_only)


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            ours = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
            message["headers"] = [*message.get("headers", []), *ours]
        await send(message)

    return send_with_headers
