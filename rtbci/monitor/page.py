"""The live page's server: where it listens, who may open it, and what runs in its thread."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from starlette.types import ASGIApp, Receive, Scope, Send

from rtbci.errors import ConfigError, RtbciError
from rtbci.monitor.access import Access, OpenAccess, TokenAccess
from rtbci.monitor.app import Application
from rtbci.monitor.desk import Desk
from rtbci.monitor.feed import NO_KEYS, ClientKeys
from rtbci.monitor.hub import Hub
from rtbci.monitor.local import Local
from rtbci.monitor.place import WHAT, Place
from rtbci.web.guarding import LOOPBACK, origin_of, refuse
from rtbci.web.listening import listen
from rtbci.web.server import PageServer

__all__ = ["LivePage"]


class LivePage:
    """Serves the live page of one run from a thread; a context manager.

    Parameters
    ----------
    publish, control : str
        ZMQ addresses of the run, which need not be there yet.
    place : Place
        On this machine everybody may look and give orders. Elsewhere a token is needed (`rtbci keys token new`), and `tls`.
    keys : ClientKeys
        Of a run that is encrypted.
    control_keys : ClientKeys, optional
        Of its control socket, where they are others.
    tls : tuple of (Path, Path), optional
        Certificate and private key.
    insecure : bool
        Serve to the network without TLS: tokens then travel readable.
    origins : sequence of str
        See `rtbci.monitor.access.Gate`.
    about : callable, optional
        Returns more of what pages are told when they open.
    local : Local, optional
        See `Application`.
    listening : socket, optional
        Of this place, where somebody else has opened it; closed with the page.
    say : callable
        Told what somebody at the terminal should know.

    Attributes
    ----------
    url : str
        Address for a browser on this machine.

    Raises
    ------
    ConfigError, PortInUseError
        When it cannot be served there.
    """

    def __init__(
        self,
        publish: str,
        control: str,
        place: Place,
        *,
        keys: ClientKeys = NO_KEYS,
        control_keys: ClientKeys | None = None,
        tls: tuple[Path, Path] | None = None,
        insecure: bool = False,
        origins: Sequence[str] = (),
        about: Callable[[], dict[str, Any]] = dict,
        local: Local | None = None,
        listening: socket.socket | None = None,
        say: Callable[[str], None] = print,
    ) -> None:
        is_loopback = place.host in LOOPBACK
        if not is_loopback and tls is None and not insecure:
            raise ConfigError(
                f"live page: {place.host} can be reached from the network, need TLS there so that tokens cannot be read on the "
                "way; use 127.0.0.1, give --tls (a certificate of your own: --tls-cert, --tls-key), or say --insecure "
                "when everybody on this network may"
            )
        access: Access = OpenAccess() if is_loopback else TokenAccess(say)
        listening = listening or listen(*place, WHAT)
        self.url = f"{origin_of(place.host, listening.getsockname()[1], 'https' if tls else 'http')}/"
        self._publish, self._control = publish, control
        self._app: ASGIApp | None = None
        self._begun = asyncio.Event()
        self._keys = keys
        self._desk = Desk(control, keys if control_keys is None else control_keys)
        self._task: asyncio.Task[None] | None = None

        def told() -> dict[str, Any]:
            return {"publish": publish, "control": control, **about()}

        def make(hub: Hub) -> ASGIApp:
            return Application(
                hub, self._desk, access, is_loopback, told, local or Local(publish), origins
            ).app

        self._make = make
        with ExitStack() as undone:
            undone.callback(self._desk.close)
            undone.callback(listening.close)
            self._server = PageServer(self._serve, listening, WHAT, "start it again", tls)
            undone.callback(self._server.close)
            self._server.call(self._begin())
            undone.pop_all()

    @property
    def error(self) -> BaseException | None:
        """Why it no longer works; None while it does."""
        if self._task is not None and self._task.done() and not self._task.cancelled():
            return self._task.exception() or RtbciError("live page: it has stopped listening; start it again")
        return (
            RtbciError("live page: the server has ended; start it again") if self._server.has_ended else None
        )

    def close(self) -> None:
        """End the server; may be called more than once."""
        if not self._server.has_ended:
            self._server.call(self._end())
        self._server.close()
        self._desk.close()

    async def _begin(self) -> None:
        hub = Hub(self._publish, self._keys)
        self._app = self._make(hub)
        self._begun.set()
        self._task = asyncio.get_running_loop().create_task(hub.run())

    async def _end(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task], timeout=1.0)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The application, once its loop runs: ZMQ sockets for asyncio belong to the loop they are made in; who comes too early waits."""
        await self._begun.wait()
        await (self._app(scope, receive, send) if self._app is not None else refuse(scope, send))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
