"""The server's end of the WebSocket: orders out, frame times back, pings all the time."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress

from starlette.websockets import WebSocket, WebSocketDisconnect

from rtbci.clock import Clock
from rtbci.errors import MessageError
from rtbci.web.page_messages import (
    Clicks,
    Flashed,
    Frames,
    FromPage,
    Pause,
    Pong,
    Shown,
    Start,
    Visible,
    encode,
    read_from_page,
)
from rtbci.web.page_timing import PageTiming

__all__ = ["PageLink"]

N_BURST, BURST_S, PING_S = 12, 0.05, 1.0
SILENCE_S = 3.0
"""A page that has not answered a ping for this long has gone, whatever TCP says."""
REPLACED, SAID_NONSENSE, SILENT = 4001, 4002, 4003
"""Codes that a socket is closed with."""


class PageLink:
    """The page that is connected now; a newer one takes the place of an older.

    Parameters
    ----------
    timing : PageTiming
        Gets everything that is measured.
    greet : callable
        Returns the messages for a page that has just connected.
    clock : callable
        Time in seconds of the local LSL clock.
    heard : callable, optional
        Is given what only some pages say (`Flashed`, `Pause`), in the server's loop. Without it a pause that the user wants is
        as if the page went away: nothing is shown until the start key.

    Attributes
    ----------
    started : threading.Event
        Set by the start key; whoever waits for it clears it first.

    Notes
    -----
    Coroutines run in the server's loop. `generation`, `is_seen` and `started` may be read from any thread.
    """

    def __init__(
        self,
        timing: PageTiming,
        greet: Callable[[], list[str]],
        clock: Clock,
        heard: Callable[[Flashed | Pause], None] | None = None,
    ) -> None:
        self._timing, self._greet, self._clock, self._heard = timing, greet, clock, heard
        self.started = threading.Event()
        self._socket: WebSocket | None = None
        self._generation = 0
        self._visible, self._paused = True, False
        self._i_order = self._i_ping = 0
        self._t_pings: dict[int, float] = {}
        self._t_heard = 0.0
        self._waiting: tuple[int, asyncio.Future[Shown]] | None = None

    @property
    def generation(self) -> int:
        """Counts connections and disappearances: while it stays the same, the same page has been there."""
        return self._generation

    @property
    def is_seen(self) -> bool:
        """Whether a page is connected and not hidden."""
        return self._socket is not None and self._visible

    @property
    def is_connected(self) -> bool:
        """Whether a page is connected."""
        return self._socket is not None

    async def serve(self, socket: WebSocket) -> None:
        """Talk with a page until it goes away, or another one comes."""
        await socket.accept()
        old, self._socket = self._socket, socket
        self._change()
        self._visible, self._t_heard = True, self._clock()
        self._t_pings.clear()
        self._timing.new_page()
        if old is not None:
            await _close(old, REPLACED)
        pings = asyncio.create_task(self._ping(socket))
        try:
            for text in self._greet():
                await socket.send_text(text)
            while True:
                self._take(read_from_page(await _text(socket)))
        except MessageError:
            await _close(socket, SAID_NONSENSE)
        except (WebSocketDisconnect, RuntimeError):
            pass  # it has gone, or was closed from here
        finally:
            pings.cancel()
            if self._socket is socket:
                self._socket = None
                self._change()

    async def send(self, text: str) -> bool:
        """Send a message; False when there is nobody."""
        socket = self._socket
        if socket is None:
            return False
        try:
            await socket.send_text(text)
        except (WebSocketDisconnect, RuntimeError):
            return False
        return True

    async def order(self, step: str, i_class: int | None, timeout_s: float) -> tuple[float, Shown] | None:
        """Have a step shown.

        Returns
        -------
        tuple of float and Shown, or None
            When it was ordered (LSL, seconds) and what the page said of the frame that drew it; None when it was not
            shown within `timeout_s`.
        """
        if not self.is_seen or (self._paused and step != "done"):
            return None
        self._i_order += 1
        shown = asyncio.get_running_loop().create_future()
        self._waiting = (self._i_order, shown)
        t_ordered = self._clock()
        if not await self.send(encode("order", id=self._i_order, step=step, i_class=i_class)):
            return None
        try:
            return t_ordered, await asyncio.wait_for(shown, timeout_s)
        except (TimeoutError, asyncio.CancelledError):
            return None
        finally:
            self._waiting = None

    def _take(self, message: FromPage) -> None:
        if isinstance(message, Pong):
            self._t_heard = self._clock()
            if (t_sent := self._t_pings.pop(message.id, None)) is not None:
                self._timing.add_exchange(t_sent, message.page_ms, self._t_heard)
        elif isinstance(message, Shown):
            if self._waiting is not None and self._waiting[0] == message.id and not self._waiting[1].done():
                self._waiting[1].set_result(message)
        elif isinstance(message, Frames):
            self._timing.add_frames(message.dt_ms)
        elif isinstance(message, Start):
            self._paused = False
            self.started.set()
        elif isinstance(message, Clicks):
            self._timing.add_clicks(message.ms)
        elif isinstance(message, Flashed | Pause):
            if self._heard is not None:
                self._heard(message)
            elif isinstance(message, Pause):
                self._paused = True
                self._change()
        elif isinstance(message, Visible) and message.visible != self._visible:
            self._visible = message.visible
            self._change()

    def _change(self) -> None:
        """What the page shows is not what was shown before: whoever waits for a frame waits in vain."""
        self._generation += 1
        if self._waiting is not None:
            self._waiting[1].cancel()

    async def _ping(self, socket: WebSocket) -> None:
        """Ask for the page's time, at first quickly; close the socket of a page that has fallen silent."""
        i = 0
        with suppress(WebSocketDisconnect, RuntimeError):
            while self._clock() - self._t_heard < SILENCE_S:
                self._i_ping += 1
                self._t_pings[self._i_ping] = self._clock()
                await socket.send_text(encode("ping", id=self._i_ping))
                i += 1
                await asyncio.sleep(BURST_S if i < N_BURST else PING_S)
            await _close(socket, SILENT)


async def _text(socket: WebSocket) -> str:
    """The next frame; empty, and so nonsense, where it is not of text (`receive_text` fails on that)."""
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message["code"])
    return message.get("text") or ""


async def _close(socket: WebSocket, code: int) -> None:
    with suppress(RuntimeError, WebSocketDisconnect):
        await socket.close(code)
