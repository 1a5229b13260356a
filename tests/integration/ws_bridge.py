"""The live page's WebSocket for the client of clients/browser, whose files another server has, as a user's would."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from starlette.staticfiles import StaticFiles

from rtbci.monitor.page import LivePage, place_of
from rtbci.web.server import PageServer, listen

__all__ = ["Bridge", "bridge"]

NOBODY = "tcp://127.0.0.1:9"


class Bridge(NamedTuple):
    """Addresses of the files and of the messages."""

    files: str
    messages: str


@contextmanager
def bridge(address: str, folder: Path, *, host: str = "127.0.0.1", port: int = 0) -> Iterator[Bridge]:
    """Serve the messages of a publisher, and the files of a folder on another port; hosts off loopback ask for a token."""
    with ExitStack() as stack:
        page = stack.enter_context(
            LivePage(address, NOBODY, place_of(f"{host}:{port}"), insecure=host != "127.0.0.1")
        )
        listening = listen("127.0.0.1", 0, "files")
        files = PageServer(StaticFiles(directory=folder), listening, "files", "start it again")
        stack.callback(files.close)
        port = int(page.url.rstrip("/").rpartition(":")[2])
        yield Bridge(f"http://127.0.0.1:{listening.getsockname()[1]}/", f"ws://127.0.0.1:{port}/messages")
