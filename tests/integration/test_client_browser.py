"""The browser's client in headless Chromium, against `rtbci publish` and the live page's `/messages`."""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="starlette is not installed: pip install '.[monitor]'")
pytest.importorskip("uvicorn", reason="uvicorn is not installed: pip install '.[monitor]'")
pytest.importorskip("websockets", reason="websockets is not installed: pip install '.[monitor]'")

from rtbci.keys.tokens import new_token
from rtbci.monitor.page import LivePage
from rtbci.monitor.place import place_of
from tests.integration.browser import Chromium, Tab
from tests.integration.client_programs import CLIENTS, N_MISSING, publishing, short_stream
from tests.integration.live_runs import ANY_PORT

pytestmark = pytest.mark.sockets

NOBODY = "tcp://127.0.0.1:9"


class Quiet(SimpleHTTPRequestHandler):
    """As `python -m http.server` does it, without a line for each request."""

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def example() -> Iterator[str]:
    """Address of the example, served as docs/clients/browser.md says: by another server than the messages."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(CLIENTS / "browser"))) as server:
        thread = threading.Thread(target=server.serve_forever, name="serving-example")
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/example.html"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    path = short_stream(tmp_path_factory.mktemp("stream") / "short.jsonl")
    with publishing(path, ANY_PORT, speed=6.0) as address:
        yield address


@pytest.fixture
def tab(browser: Chromium) -> Iterator[Tab]:
    with browser.tab("about:blank", 640, 400) as tab:
        yield tab


@contextmanager
def bridge(address: str, place: str = "127.0.0.1:0", *, insecure: bool = False) -> Iterator[int]:
    """The live page of a run; gives its port."""
    with LivePage(address, NOBODY, place_of(place), insecure=insecure) as page:
        yield int(page.url.rstrip("/").rsplit(":", 1)[1])


def test_the_example_shows_decisions_and_losses_and_comes_back(address: str, example: str, tab: Tab) -> None:
    with bridge(address) as port:
        tab.load(f"{example}?url=ws://127.0.0.1:{port}/messages")
        tab.wait_for("document.getElementById('decision').textContent === 'right_hand'")
        tab.wait_for(f"document.getElementById('note').textContent.includes('lost {N_MISSING}')")
        assert tab.evaluate("document.querySelectorAll('progress').length") == 2
        assert tab.evaluate("document.querySelector('progress').value") > 0
        if "RTBCI_PICTURES" in os.environ:  # for docs/clients/browser.md
            Path(os.environ["RTBCI_PICTURES"], "client-browser.png").write_bytes(tab.picture())
    tab.wait_for("['waiting', 'connecting'].includes(document.getElementById('note').textContent)")
    with bridge(address, f"127.0.0.1:{port}"):
        tab.wait_for("document.getElementById('note').textContent.includes('age')")


def test_the_module_counts_greets_and_skips_what_is_no_message(address: str, example: str, tab: Tab) -> None:
    with bridge(address) as port:
        tab.load(f"{example}?url=ws://127.0.0.1:1/")
        topics = json.dumps(["prediction", "event"])
        tab.evaluate(
            f"""import('./rtbci.js').then(({{ Listener }}) => {{
              window.seen = []
              window.one = new Listener('ws://127.0.0.1:{port}/messages', {{ topics: {topics} }})
              window.wrong = new Listener('ws://127.0.0.1:{port}/messages', {{ topics: ['signal'] }})
              for (const what of ['hello', 'prediction', 'event', 'state'])
                one.on(what, (value) => seen.push(what === 'state' ? value : what))
              one.on('event', () => {{ throw new Error('a callback that fails') }})
            }}), 0"""
        )
        tab.wait_for("window.seen && seen.includes('event') && one.lost.prediction === 3")
        first = tab.evaluate("seen.slice(0, 2).join()")
        assert first in ("open,hello", "connecting,open")  # `connecting` may be over before `on` is called
        assert tab.evaluate("seen.filter((what) => what !== 'open')[0]") in ("hello", "connecting")
        # The recorded run is played again and again, and each time is another session: nothing is known yet at its start.
        tab.wait_for("one.latest('prediction')?.classes.join() === 'left_hand,right_hand'")
        tab.wait_for("one.hello?.paradigm === 'motor_imagery'")
        tab.evaluate(
            """for (const text of ['', 'null', '[]', '{"topic":1,"message":{}}', '{"topic":"prediction"}',
              '{"topic":"prediction","message":{"v":2,"seq":1,"session":"s"}}',
              '{"topic":"prediction","message":{"v":1,"seq":"many","session":"s"}}']) one._read(text)"""
        )
        assert tab.evaluate("one.malformed") == 7
        tab.evaluate(
            """one.on('dropped', ({ n_frames }) => seen.push(n_frames)); one._read(
              '{"topic":"dropped","message":{"v":1,"session":"another","seq":0,"n_frames":64}}')"""
        )
        assert tab.evaluate("seen.includes(64) && one.session !== 'another'")
        tab.wait_for("one.lost.prediction > 0")
        tab.evaluate("one.close()")
        assert tab.evaluate("one.state") == "closed"
        tab.wait_for("wrong.state === 'closed'")  # an unknown topic is not asked for again and again


def test_off_this_computer_a_token_opens_it_and_a_wrong_one_does_not(
    address: str, example: str, tab: Tab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    token = new_token("page", "listener")
    with bridge(address, "0.0.0.0:0", insecure=True) as port:
        url = f"{example}?url=ws://127.0.0.1:{port}/messages&token="
        tab.load(f"{url}wrong")
        tab.wait_for("document.getElementById('note').textContent === 'waiting'")
        assert tab.evaluate("document.getElementById('bars').children.length") == 0
        tab.load(f"{url}{token}")
        tab.wait_for("document.getElementById('note').textContent.includes('age')")
        tab.load(f"http://127.0.0.1:{port}/")  # the live page itself asks for it
        tab.wait_for("document.getElementById('token-dialog').open")
        tab.evaluate(f"document.getElementById('token-text').value = '{token}'")
        tab.evaluate("document.getElementById('token-dialog').close()")
        tab.wait_for("document.getElementById('why').textContent.length > 1")
        assert tab.evaluate("document.getElementById('stop').hidden")  # a listener gives no orders
