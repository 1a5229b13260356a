"""The web application of the live page: its files, the page's own socket, and `/messages` for other programs."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket, WebSocketDisconnect

from rtbci.errors import MessageError, RtbciError
from rtbci.keys.roles import may
from rtbci.monitor.access import PROTOCOL, ROLE, Access, Gate
from rtbci.monitor.desk import Desk, Order, read_from_page
from rtbci.monitor.frames import said
from rtbci.monitor.hub import Hub, Listener, Viewer
from rtbci.monitor.local import Local
from rtbci.monitor.mailbox import Mailbox
from rtbci.publish.messages import MESSAGE_TYPES, VERSION
from rtbci.web.static_files import static_mounts

__all__ = ["FEEDBACK", "Application"]

FEEDBACK = "feedback"
"""Path of the neurofeedback page, which draws from the same socket."""
SAID_NONSENSE, UNKNOWN_TOPIC = 4002, 4004
MAX_ORDERS = 8
"""Orders of one page that may wait for the run."""


class Application:
    """What the server serves.

    Parameters
    ----------
    hub : Hub
    desk : Desk
    access : Access
    loopback_only : bool
        See `Gate`.
    about : callable
        Returns what a page is told first, besides what it may do.
    local : Local
        What is known of the run's computer; asked in a thread.
    origins : sequence of str
        See `Gate`.

    Attributes
    ----------
    app : ASGI application
    """

    def __init__(
        self,
        hub: Hub,
        desk: Desk,
        access: Access,
        loopback_only: bool,
        about: Callable[[], dict[str, Any]],
        local: Local,
        origins: Sequence[str] = (),
    ) -> None:
        self._hub, self._desk, self._about, self._local = hub, desk, about, local
        routes = [
            WebSocketRoute("/messages", self._serve_messages),
            WebSocketRoute("/page", self._serve_page),
            *static_mounts("rtbci.feedback", f"/{FEEDBACK}"),
            *static_mounts("rtbci.monitor"),
        ]
        self.app: ASGIApp = Gate(Starlette(routes=routes), access, loopback_only, origins)

    async def _serve_messages(self, socket: WebSocket) -> None:
        """JSON text frames of the topics that are asked for; the first is the newest hello."""
        await _accept(socket)
        topics = [name for name in socket.query_params.get("topics", "prediction").split(",") if name]
        if unknown := [name for name in topics if name not in MESSAGE_TYPES]:
            reason = f"topics has {unknown[0][:30]!r}, need some of {', '.join(MESSAGE_TYPES)}"
            await socket.close(UNKNOWN_TOPIC, reason)
            return
        listener = Listener(topics)
        self._hub.listen(listener)
        try:
            await self._both_ways(socket, listener.mailbox, self._ignore)
        finally:
            self._hub.leave(listener)

    async def _serve_page(self, socket: WebSocket) -> None:
        """Everything that the live page draws, and its orders."""
        await _accept(socket)
        viewer, role = Viewer(), socket.scope[ROLE]
        viewer.mailbox.put(said("page", {"role": role, **self._about()}), keep=True)
        self._hub.look(viewer)
        orders: set[asyncio.Task[None]] = set()

        async def take(text: str) -> None:
            message = read_from_page(text)
            if not isinstance(message, Order):
                self._hub.turn(viewer, message)
            elif not may(role, "controller"):
                _answer(viewer.mailbox, message, "your token allows to look, not to give orders")
            elif len(orders) >= MAX_ORDERS:
                _answer(viewer.mailbox, message, "too many orders wait already; wait for their answers")
            else:
                task = asyncio.create_task(self._carry_out(viewer.mailbox, message))
                orders.add(task)
                task.add_done_callback(orders.discard)

        try:
            await self._both_ways(socket, viewer.mailbox, take)
        except MessageError as error:
            with suppress(RuntimeError):
                await socket.close(SAID_NONSENSE, str(error)[:100])
        finally:
            self._hub.leave(viewer)

    async def _carry_out(self, mailbox: Mailbox, order: Order) -> None:
        hello = self._hub.feed.hello
        asked = {
            "profiles": lambda: self._local.profiles(hello.paradigm if hello else ""),
            "computer": self._local.computer,
        }.get(order.cmd)
        if asked is None:
            answer = await self._desk.carry_out(order)
        else:
            answer = await _look(order, asked)
        mailbox.put(said("reply", answer), keep=True)

    async def _both_ways(self, socket: WebSocket, mailbox: Mailbox, take: Callable[[str], Any]) -> None:
        """Send what is in the mailbox and take what comes, until the other side goes away."""
        sending = asyncio.create_task(self._send(socket, mailbox))
        try:
            while True:
                message = await socket.receive()
                if message["type"] == "websocket.disconnect":
                    return
                await take(message.get("text") or "")
        finally:
            sending.cancel()
            with suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError):
                await sending

    async def _send(self, socket: WebSocket, mailbox: Mailbox) -> None:
        """Waits while the browser's connection is full; then the mailbox skips to the newest, and that is told."""
        n_told = seq = 0
        while True:
            item = await mailbox.take()
            if mailbox.n_dropped != n_told:
                n_told = mailbox.n_dropped
                message = {"v": VERSION, "session": self._hub.feed.session, "seq": seq, "n_frames": n_told}
                await socket.send_text(said("dropped", message))
                seq += 1
            await (socket.send_text(item) if isinstance(item, str) else socket.send_bytes(item))

    async def _ignore(self, text: str) -> None:
        """What a listener says is of no interest."""


async def _look(order: Order, asked: Callable[[], Any]) -> dict[str, Any]:
    """Ask this computer in a thread; folders of the user's may be unreadable, or change meanwhile."""
    try:
        result = await asyncio.to_thread(asked)
    except (OSError, RtbciError) as error:
        return {"id": order.id, "cmd": order.cmd, "ok": False, "error": str(error)}
    return {"id": order.id, "cmd": order.cmd, "ok": True, "result": result}


def _answer(mailbox: Mailbox, order: Order, error: str) -> None:
    mailbox.put(said("reply", {"id": order.id, "cmd": order.cmd, "ok": False, "error": error}), keep=True)


async def _accept(socket: WebSocket) -> None:
    """Accept, by the name of the protocol where the browser offered one (it must be told which)."""
    offered = socket.scope.get("subprotocols", [])
    await socket.accept(PROTOCOL if PROTOCOL in offered else None)
