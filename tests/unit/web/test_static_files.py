import http.client
import re
from importlib.resources import files
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="starlette is not installed: pip install '.[monitor]'")

pytest.importorskip("uvicorn", reason="uvicorn is not installed: pip install '.[monitor]'")

from starlette.applications import Starlette

from rtbci.web.listening import listen
from rtbci.web.server import PageServer
from rtbci.web.static_files import static_mounts

PAGES = ("rtbci.calibrate.page", "rtbci.flicker.page", "rtbci.monitor", "rtbci.speller.page")


@pytest.mark.parametrize("package", PAGES)
def test_every_file_that_a_page_names_is_there(package: str) -> None:
    own, shared = Path(str(files(package))) / "static", Path(str(files("rtbci.web"))) / "static"
    page = (own / "index.html").read_text()
    scripts = "".join(path.read_text() for path in own.glob("*.js"))
    named = set(re.findall(r'(?:src|href)="([\w./]+)"', page))
    named |= set(re.findall(r'(?:from "\./|fetch\(")([\w./]+)"', scripts))
    assert "shared/icon.svg" in named
    assert named <= {path.name for path in own.iterdir()} | {
        f"shared/{path.name}" for path in shared.iterdir()
    }


def test_the_shared_files_come_before_those_of_the_page() -> None:
    assert [mount.path for mount in static_mounts("rtbci.monitor")] == ["/shared", ""]
    assert [mount.path for mount in static_mounts("rtbci.monitor", "/token")] == ["/token/shared", "/token"]


@pytest.mark.sockets
def test_files_are_served_as_what_they_are_and_nothing_else_is() -> None:
    listening = listen("127.0.0.1", 0, "test page")
    routes = [*static_mounts("rtbci.monitor", "/token"), *static_mounts("rtbci.monitor")]

    def ask(path: str, method: str = "GET") -> tuple[int, str, bytes]:
        asked = http.client.HTTPConnection("127.0.0.1", listening.getsockname()[1], timeout=10.0)
        asked.request(method, path)
        answer = asked.getresponse()
        kind, body = answer.getheader("content-type") or "", answer.read()
        asked.close()
        return answer.status, kind, body

    script = (Path(str(files("rtbci.monitor"))) / "static" / "main.js").read_bytes()
    with PageServer(Starlette(routes=routes), listening, "test page", "look why"):
        for prefix in ("", "/token"):
            assert ask(f"{prefix}/")[:2] == (200, "text/html; charset=utf-8")
            assert ask(f"{prefix}/main.js") == (200, "text/javascript; charset=utf-8", script)
            assert ask(f"{prefix}/main.js", "HEAD") == (200, "text/javascript; charset=utf-8", b"")
            assert ask(f"{prefix}/shared/icon.svg")[:2] == (200, "image/svg+xml")
            for path in (
                "/../page.py",
                "/%2e%2e/page.py",
                "/static/main.js",
                "/shared/",
                "/none.js",
                "/shared/../page.py",
            ):
                assert ask(f"{prefix}{path}")[0] == 404
            assert ask(f"{prefix}/", "POST")[0] == 405
