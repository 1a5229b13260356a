import asyncio

import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from starlette.applications import Starlette

from rtbci.web.listening import listen
from rtbci.web.server import PageServer


@pytest.mark.sockets
def test_the_loop_is_one_that_waits_for_zeromq_on_every_system(monkeypatch: pytest.MonkeyPatch) -> None:
    def of_the_system() -> asyncio.AbstractEventLoop:
        raise AssertionError("Windows takes a loop that ZeroMQ cannot use")

    monkeypatch.setattr(asyncio, "new_event_loop", of_the_system)
    server = PageServer(Starlette(), listen("127.0.0.1", 0, "test"), "test", "leave it")
    try:
        assert server.call(asyncio.sleep(0, "answer")) == "answer"
    finally:
        server.close()
