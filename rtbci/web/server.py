"""A thread that serves a page."""

import asyncio
import socket
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any, Self, TypeVar

import uvicorn
from starlette.types import ASGIApp

from rtbci.errors import StreamError

__all__ = ["PageServer"]

T = TypeVar("T")

START_S, STOP_S, CALL_S = 60.0, 5.0, 30.0
"""One that fails says so at once. What these wait for is a server that gives way to others, on a computer that is busy."""
MAX_BYTES = 65_536


class PageServer:
    """Serves an application from a thread of its own, named ``rtbci-`` and the page, until it is closed.

    Parameters
    ----------
    app : ASGI application
    listening : socket
        From `rtbci.web.listening`; closed by `close`.
    what : str
        Which page, for the thread's name and the messages.
    instead : str
        What to do when the server fails, for the messages.
    tls : tuple of (Path, Path), optional
        Certificate chain and private key, PEM; then it is served over HTTPS.

    Raises
    ------
    StreamError
        When the server does not start.
    """

    def __init__(
        self,
        app: ASGIApp,
        listening: socket.socket,
        what: str,
        instead: str,
        tls: tuple[Path, Path] | None = None,
    ) -> None:
        self._socket, self._what, self._instead = listening, what, instead
        config = uvicorn.Config(
            app,
            interface="asgi3",  # it would take a method for something older
            ws="websockets-sansio",
            lifespan="off",
            log_config=None,
            access_log=False,  # addresses have the token in them
            server_header=False,
            ws_max_size=MAX_BYTES,
            ws_per_message_deflate=False,  # signal hardly gets smaller, and every viewer would cost it anew
            timeout_graceful_shutdown=1,
            ssl_certfile=tls[0] if tls else None,
            ssl_keyfile=str(tls[1]) if tls else None,
        )
        self._server = uvicorn.Server(config)
        self._loop = (
            asyncio.SelectorEventLoop()
        )  # the other kind, which Windows takes, cannot wait for ZeroMQ
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=f"rtbci-{what.replace(' ', '-')}", daemon=True)
        self._ready = threading.Event()
        self._thread.start()
        if not self._ready.wait(START_S) or self._error is not None:
            self.close()
            raise StreamError(
                f"{what}: the server did not start ({self._error or 'no answer'}); {instead}"
            ) from self._error

    @property
    def has_ended(self) -> bool:
        """Whether nothing is served any more."""
        return self._error is not None or not self._thread.is_alive()

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the server's loop and return what it returns.

        Raises
        ------
        StreamError
            When the server has ended.
        """
        if self.has_ended:
            coroutine.close()
            raise StreamError(
                f"{self._what}: the server has ended ({self._error or 'it was closed'}); {self._instead}"
            ) from self._error
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result(CALL_S)
        except (TimeoutError, CancelledError) as error:
            future.cancel()
            raise StreamError(
                f"{self._what}: the server does not answer within {CALL_S:g} s; {self._instead}"
            ) from error

    def close(self) -> None:
        """End the server and its thread; may be called more than once."""
        self._server.should_exit = True
        self._thread.join(STOP_S)
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _run(self) -> None:
        try:
            asyncio.set_event_loop(self._loop)
            self._loop.run_until_complete(self._serve())
        except BaseException as error:
            self._error = error  # raised by the next call from outside
        finally:
            self._ready.set()
            self._loop.close()

    async def _serve(self) -> None:
        self._loop.call_soon(self._ready.set)
        await self._server.serve(sockets=[self._socket])
