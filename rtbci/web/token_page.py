"""A page behind a token: static files and one WebSocket."""

import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from rtbci.web.guarding import headers_of, is_loopback, refuse, with_headers
from rtbci.web.static_files import static_mounts

__all__ = ["Guard", "token_page"]


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
            await self._app(scope, receive, with_headers(send))
        else:
            await refuse(scope, send)

    def _allows(self, scope: Scope) -> bool:
        headers = headers_of(scope)
        first = scope["path"].split("/", 2)[1] if scope["path"].startswith("/") else ""
        if not secrets.compare_digest(first.encode(), self._token):
            return False
        host = headers.get("host", "")
        if self._loopback_only and not is_loopback(f"http://{host}"):
            return False
        # Browsers always say where a socket is opened from; the page's own address is the only one allowed.
        return scope["type"] != "websocket" or headers.get("origin") == f"http://{host}"


def token_page(
    package: str, token: str, on_page: Callable[[WebSocket], Awaitable[Any]], loopback_only: bool
) -> ASGIApp:
    """Build the application.

    Parameters
    ----------
    package : str
        Its folder ``static`` is served; see `static_mounts`.
    token : str
        The page is at ``/TOKEN/``.
    on_page : coroutine function
        Called with each WebSocket; it is closed when that returns.
    loopback_only : bool
        See `Guard`.
    """
    routes = [WebSocketRoute(f"/{token}/ws", on_page), *static_mounts(package, f"/{token}")]
    return Guard(Starlette(routes=routes), token, loopback_only)
