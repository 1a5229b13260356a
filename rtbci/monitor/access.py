"""Who may open the page, who may read the messages, and who may give orders."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Receive, Scope, Send

from rtbci.errors import RtbciError
from rtbci.keys.roles import Role
from rtbci.keys.tokens import check_token
from rtbci.web.guarding import headers_of, is_loopback, refuse, with_headers

__all__ = ["PROTOCOL", "ROLE", "Access", "Gate", "OpenAccess", "TokenAccess"]

ROLE = "rtbci.role"
"""Where a socket's scope says what its user may do."""
MESSAGES = "/messages"
PROTOCOL, TOKEN_PREFIX = "rtbci", "token."
"""A page offers both as WebSocket protocols, the second with its token behind it: headers end in no log and no history."""


class Access(Protocol):
    """Says what the bearer of a token may do."""

    def role_of(self, token: str) -> Role | None:
        """Role that a token stands for; None: it is unknown. Empty where none was given."""
        ...


class OpenAccess:
    """Everybody who reaches the page may do everything: for addresses of this machine."""

    def role_of(self, token: str) -> Role | None:  # noqa: ARG002 (whatever it is)
        """Whatever the token."""
        return "controller"


class TokenAccess:
    """Asks the tokens of this computer; see `rtbci keys token`.

    Parameters
    ----------
    say : callable
        Told when they cannot be read; nobody is let in then.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    def role_of(self, token: str) -> Role | None:
        """Role of a token as it is kept just now, so that one that was revoked counts no longer."""
        try:
            return check_token(token) if token else None
        except RtbciError as error:
            self._say(str(error))
            return None


class _Asked(NamedTuple):
    """What a handshake says of itself."""

    path: str
    own: str
    origin: str | None
    token: str


class Gate:
    """Lets sockets through by token and origin, and requests by the name of the host; an ASGI application.

    Parameters
    ----------
    app : ASGI application
    access : Access
    loopback_only : bool
        Refuse other names of the host, which a foreign page may have had resolved to this machine.
    origins : sequence of str
        Further pages that may open `/messages`, as ``https://lab.example``.

    Notes
    -----
    A browser says which page opens a socket. The live page's own socket is for the page served here. `/messages` is also
    for pages of other servers on this machine, where the address is of this machine; for those named in `origins`; and
    for whoever has a token, since only its owner can have given it to them. What says no origin is no browser: a program,
    that could as well use the ZMQ sockets. The files of the page hold no secrets.
    """

    def __init__(
        self, app: ASGIApp, access: Access, loopback_only: bool, origins: Sequence[str] = ()
    ) -> None:
        self._app, self._access, self._loopback_only = app, access, loopback_only
        self._origins = frozenset(origin.rstrip("/") for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request or a WebSocket; see the ASGI specification."""
        headers = headers_of(scope) if scope["type"] in ("http", "websocket") else {}
        if self._loopback_only and not is_loopback(f"http://{headers.get('host', '')}"):
            await refuse(scope, send)
        elif scope["type"] == "websocket":
            asked = _asked(scope, headers)
            role = self._access.role_of(asked.token) if self._is_from_here(asked) else None
            if role is None:
                await refuse(scope, send)
            else:
                scope[ROLE] = role
                await self._app(scope, receive, send)
        else:
            await self._app(scope, receive, with_headers(send))

    def _is_from_here(self, asked: _Asked) -> bool:
        if asked.origin is None or asked.origin == asked.own:
            return True
        if asked.path != MESSAGES:
            return False
        is_neighbour = self._loopback_only and is_loopback(asked.origin)
        has_token = not isinstance(self._access, OpenAccess) and bool(asked.token)
        return is_neighbour or has_token or asked.origin in self._origins


def _asked(scope: Scope, headers: Mapping[str, str]) -> _Asked:
    scheme = "https" if scope.get("scheme") == "wss" else "http"
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
    offered = (
        name.removeprefix(TOKEN_PREFIX)
        for name in scope.get("subprotocols", [])
        if name.startswith(TOKEN_PREFIX)
    )
    return _Asked(
        scope["path"],
        f"{scheme}://{headers.get('host', '')}",
        headers.get("origin"),
        next(offered, query.get("token", [""])[0]),
    )
