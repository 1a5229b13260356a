import asyncio
from typing import Any

import pytest
from starlette.websockets import WebSocket

from rtbci.web.token_page import token_page

TOKEN = "secret-token"


async def welcomed(socket: WebSocket) -> None:
    await socket.accept()
    await socket.close(1000)


def ask(path: str, kind: str = "http", loopback_only: bool = True, **headers: str) -> list[dict[str, Any]]:
    """What the application answers to a request or a handshake."""
    sent: list[dict[str, Any]] = []
    given = {"host": "127.0.0.1:8000", **headers}
    scope = {
        "type": kind,
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "scheme": "http",
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        "subprotocols": [],
    }

    received = False

    async def receive() -> dict[str, Any]:
        nonlocal received
        if received:
            await asyncio.Event().wait()  # whoever asked stays
        received = True
        return {"type": "websocket.connect" if kind == "websocket" else "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    async def answer() -> None:
        await token_page("rtbci.calibrate.page", TOKEN, welcomed, loopback_only)(scope, receive, send)

    asyncio.run(answer())
    return sent


@pytest.mark.parametrize(
    "name",
    ["", "main.js", "cue.css", "shared/frames.js", "curve.js", "click.js", "tone.js", "shared/icon.svg"],
)
def test_the_page_and_its_files(name: str) -> None:
    start, body, *_ = ask(f"/{TOKEN}/{name}")
    assert start["status"] == 200
    assert body["body"]
    headers = dict(start["headers"])
    assert b"default-src 'none'" in headers[b"content-security-policy"]
    assert headers[b"referrer-policy"] == b"no-referrer"
    assert headers[b"cross-origin-opener-policy"] == b"same-origin"


@pytest.mark.parametrize(
    "path", ["/", "", f"/{TOKEN}x/", "/main.js", f"//{TOKEN}/", f"/{TOKEN.upper()}/", "/ä/"]
)
def test_without_the_token_there_is_nothing(path: str) -> None:
    assert [one.get("status") for one in ask(path)] == [404, None]


@pytest.mark.parametrize("path", ["/../app.py", "/..%2fapp.py", "/nothing"])
def test_other_files_are_not_served(path: str) -> None:
    assert ask(f"/{TOKEN}{path}")[0]["status"] == 404


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8000", 200),
        ("localhost:8000", 200),
        ("[::1]:8000", 200),
        ("evil.example:8000", 404),
        ("", 404),
    ],
)
def test_other_names_of_the_host_are_refused(host: str, status: int) -> None:
    assert ask(f"/{TOKEN}/", host=host)[0]["status"] == status


def test_on_the_network_any_name_will_do() -> None:
    assert ask(f"/{TOKEN}/", loopback_only=False, host="lab-pc:8000")[0]["status"] == 200


def test_the_socket_opens_for_its_own_page_only() -> None:
    own = "http://127.0.0.1:8000"
    assert [one["type"] for one in ask(f"/{TOKEN}/ws", "websocket", origin=own)] == [
        "websocket.accept",
        "websocket.close",
    ]
    for origin in ("http://evil.example", "http://127.0.0.1:8001", "https://127.0.0.1:8000", "null", ""):
        assert ask(f"/{TOKEN}/ws", "websocket", origin=origin) == [{"type": "websocket.close", "code": 1008}]
    assert ask(f"/{TOKEN}/ws", "websocket") == [{"type": "websocket.close", "code": 1008}]
    assert ask("/other/ws", "websocket", origin=own) == [{"type": "websocket.close", "code": 1008}]
