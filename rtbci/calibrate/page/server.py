"""A thread that serves the page."""

import asyncio
import errno
import socket
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError
from typing import Any, Self, TypeVar

import uvicorn
from starlette.types import ASGIApp

from rtbci.errors import ConfigError, PortInUseError, StreamError
from rtbci.publish.addresses import port_owner

__all__ = ["PageServer", "listen"]

T = TypeVar("T")

START_S, STOP_S, CALL_S = 10.0, 5.0, 5.0
MAX_BYTES = 65_536


def listen(host: str, port: int) -> socket.socket:
    """Open the socket that the page is served on.

    Parameters
    ----------
    host : str
        Address of this machine.
    port : int
        0 picks a free one.

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
                f"cue page: port {port} of {host} is in use by {port_owner(port)}, need a free one; "
                "choose another port, 0 picks one"
            ) from error
        raise ConfigError(
            f"cue page: cannot listen on {host} port {port} ({error}), need an address of this machine and a "
            "port up to 65535; 127.0.0.1 is for browsers on this machine"
        ) from error


class PageServer:
    """Serves an application from a thread of its own, named ``rtbci-cue-page``, until it is closed.

    Parameters
    ----------
    app : ASGI application
    listening : socket
        From `listen`; closed by `close`.

    Raises
    ------
    StreamError
        When the server does not start.
    """

    def __init__(self, app: ASGIApp, listening: socket.socket) -> None:
        self._socket = listening
        config = uvicorn.Config(
            app,
            ws="websockets-sansio",
            lifespan="off",
            log_config=None,
            access_log=False,  # addresses have the token in them
            server_header=False,
            ws_max_size=MAX_BYTES,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._loop = asyncio.new_event_loop()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="rtbci-cue-page", daemon=True)
        self._ready = threading.Event()
        self._thread.start()
        if not self._ready.wait(START_S) or self._error is not None:
            self.close()
            raise StreamError(
                f"cue page: the server did not start ({self._error or 'no answer'}); try again, or use the terminal"
            ) from self._error

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the server's loop and return what it returns.

        Raises
        ------
        StreamError
            When the server has ended.
        """
        if self._error is not None or not self._thread.is_alive():
            coroutine.close()
            raise StreamError(
                f"cue page: the server has ended ({self._error or 'it was closed'}); start the calibration again"
            ) from self._error
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result(CALL_S)
        except (TimeoutError, CancelledError) as error:
            future.cancel()
            raise StreamError(
                f"cue page: the server does not answer within {CALL_S:g} s; start the calibration again"
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
