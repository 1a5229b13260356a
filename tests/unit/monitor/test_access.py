import asyncio
from pathlib import Path
from typing import Any

import pytest

from rtbci.keys.roles import Role
from rtbci.keys.tokens import new_token, revoke_token
from rtbci.monitor.access import ROLE, Access, Gate, OpenAccess, TokenAccess

HERE = "127.0.0.1:5580"


def ask(
    path: str,
    access: Access,
    kind: str = "websocket",
    *,
    local: bool = True,
    origins: tuple[str, ...] = (),
    protocols: tuple[str, ...] = (),
    scheme: str = "ws",
    **headers: str,
) -> tuple[Any, list[Any]]:
    """What the gate does with a request: the scope that got through, or None, and what was sent."""
    passed: list[Any] = []
    sent: list[Any] = []

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        passed.append(scope)
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> dict[str, Any]:
        return {}

    async def send(message: Any) -> None:
        sent.append(message)

    path, _, query = path.partition("?")
    given = {"host": HERE, **headers}
    scope = {
        "type": kind,
        "path": path,
        "scheme": scheme,
        "query_string": query.encode(),
        "subprotocols": list(protocols),
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
    }
    asyncio.run(Gate(app, access, local, origins)(scope, receive, send))
    return (passed[0] if passed else None), sent


def gets_in(*args: Any, **kwargs: Any) -> Role | None:
    scope, sent = ask(*args, **kwargs)
    assert (scope is None) == (sent == [{"type": "websocket.close", "code": 1008}])
    role: Role | None = None if scope is None else scope[ROLE]
    return role


@pytest.mark.parametrize("origin", [f"http://{HERE}", None])
def test_the_page_itself_and_programs_get_in_on_this_machine(origin: str | None) -> None:
    headers = {} if origin is None else {"origin": origin}
    for path in ("/page", "/messages"):
        assert gets_in(path, OpenAccess(), **headers) == "controller"


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "", "https://127.0.0.1.evil.example", "http://["]
)
def test_other_sites_do_not(origin: str) -> None:
    for path in ("/page", "/messages"):
        assert gets_in(path, OpenAccess(), origin=origin) is None


def test_pages_of_other_servers_of_this_machine_may_read_and_no_more() -> None:
    for origin in ("http://localhost:3000", "http://127.0.0.1:8000", "http://[::1]:1"):
        assert gets_in("/messages?topics=status", OpenAccess(), origin=origin) == "controller"
        assert gets_in("/page", OpenAccess(), origin=origin) is None


def test_pages_that_are_named_may_read() -> None:
    named = {"origins": ("https://lab.example/",)}
    assert gets_in("/messages", OpenAccess(), origin="https://lab.example", **named) == "controller"
    assert gets_in("/page", OpenAccess(), origin="https://lab.example", **named) is None


@pytest.mark.parametrize("host", ["evil.example:5580", "", "127.0.0.1.evil.example", "["])
def test_other_names_of_this_machine_are_refused(host: str) -> None:
    assert gets_in("/page", OpenAccess(), host=host) is None
    scope, sent = ask("/", OpenAccess(), "http", host=host)
    assert scope is None
    assert sent[0]["status"] == 404


def test_answers_carry_the_headers_and_let_nobody_else_read_them() -> None:
    _, sent = ask("/", OpenAccess(), "http")
    headers = dict(sent[0]["headers"])
    assert b"script-src 'self'" in headers[b"content-security-policy"]
    assert not [name for name in headers if name.startswith(b"access-control")]


@pytest.fixture
def tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return {"look": new_token("look", "listener"), "order": new_token("order", "controller")}


def test_on_the_network_a_token_says_what_one_may(tokens: dict[str, str]) -> None:
    said: list[str] = []
    access = TokenAccess(said.append)
    own = {"local": False, "host": "lab-pc:5580", "origin": "https://lab-pc:5580", "scheme": "wss"}
    assert gets_in(f"/page?token={tokens['look']}", access, **own) == "listener"
    assert gets_in("/page", access, protocols=("rtbci", f"token.{tokens['order']}"), **own) == "controller"
    for wrong in ("", "?token=", "?token=rtbci_wrong", "?token=" + "x" * 10_000):
        assert gets_in(f"/page{wrong}", access, **own) is None
    revoke_token("look")
    assert gets_in(f"/page?token={tokens['look']}", access, **own) is None
    assert said == []


def test_whoever_has_a_token_may_read_from_any_page(tokens: dict[str, str]) -> None:
    access = TokenAccess(print)
    far = {"local": False, "host": "lab-pc:5580", "origin": "https://game.example"}
    assert gets_in(f"/messages?token={tokens['look']}", access, **far) == "listener"
    assert gets_in(f"/page?token={tokens['look']}", access, **far) is None
    assert gets_in("/messages", access, **far) is None


def test_when_tokens_cannot_be_read_nobody_gets_in(tokens: dict[str, str], tmp_path: Path) -> None:
    (path,) = tmp_path.rglob("tokens.json")
    path.write_text("{")
    said: list[str] = []
    assert gets_in(f"/messages?token={tokens['order']}", TokenAccess(said.append), local=False) is None
    assert "tokens.json" in said[0]
