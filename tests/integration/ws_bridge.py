"""A stand-in for the WebSocket bridge: messages of a publisher as frames of text, by the contract of docs/clients/browser.md."""

import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import zmq
import zmq.asyncio
from starlette.applications import Starlette
from starlette.routing import Mount, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket, WebSocketDisconnect

from rtbci.calibrate.page.server import PageServer

__all__ = ["bridge"]


@contextmanager
def bridge(address: str, folder: Path, *, token: str | None = None, port: int = 0) -> Iterator[int]:
    """Serve ``/messages`` and the files of a folder; give the port."""

    async def messages(web: WebSocket) -> None:
        if token is not None and web.query_params.get("token") != token:
            await web.close(1008)
            return
        await web.accept()
        forwarding = asyncio.create_task(_forward(address, web))
        try:
            while True:
                await web.receive_text()
        except WebSocketDisconnect:
            pass
        finally:
            forwarding.cancel()
            await asyncio.gather(forwarding, return_exceptions=True)

    app = Starlette(
        routes=[WebSocketRoute("/messages", messages), Mount("/", StaticFiles(directory=folder, html=True))]
    )
    listening = socket.create_server(("127.0.0.1", port))
    server = PageServer(app, listening)
    try:
        yield int(listening.getsockname()[1])
    finally:
        server.close()


async def _forward(address: str, web: WebSocket) -> None:
    context = zmq.asyncio.Context()
    subscriber = context.socket(zmq.SUB)
    try:
        subscriber.connect(address)
        for topic in {*web.query_params.get("topics", "prediction").split(","), "hello"}:
            subscriber.subscribe(topic)
        greeted = False
        while True:
            frames = await subscriber.recv_multipart()
            topic = frames[0].decode()
            greeted = greeted or topic == "hello"  # subscribing brings one
            if greeted:
                await web.send_text(json.dumps({"topic": topic, "message": json.loads(frames[1])}))
    finally:
        subscriber.close(linger=0)
        context.term()
