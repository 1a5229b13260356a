"""The browser's client in headless Chromium, against recorded messages and the WebSocket of the live page."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="starlette is not installed: pip install 'rtbci[monitor]'")
pytest.importorskip("uvicorn", reason="uvicorn is not installed: pip install 'rtbci[monitor]'")
pytest.importorskip("websockets", reason="websockets is not installed: pip install 'rtbci[monitor]'")

from rtbci.keys.tokens import new_token
from tests.integration.chromium import BROWSER, Chromium
from tests.integration.client_programs import CLIENTS, N_MISSING, publishing, short_stream
from tests.integration.live_runs import ANY_PORT
from tests.integration.ws_bridge import bridge

pytestmark = [
    pytest.mark.net,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium found: apt-get install chromium"),
]

PAGE = CLIENTS / "browser"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    path = short_stream(tmp_path_factory.mktemp("stream") / "short.jsonl")
    with publishing(path, ANY_PORT, speed=6.0) as address:
        yield address


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with Chromium("about:blank", tmp_path_factory.mktemp("browser"), 640, 400) as browser:
        yield browser


def test_the_example_shows_decisions_and_losses_and_comes_back(
    address: str, browser: Chromium, tmp_path: Path
) -> None:
    with bridge(address, PAGE) as served:
        browser.load(f"{served.files}example.html?url={served.messages}")
        browser.wait_for("document.getElementById('decision').textContent === 'right_hand'")
        browser.wait_for(f"document.getElementById('note').textContent.includes('lost {N_MISSING}')")
        assert browser.evaluate("document.querySelectorAll('progress').length") == 2
        assert browser.evaluate("document.querySelector('progress').value") > 0
        if "RTBCI_PICTURES" in os.environ:  # for docs/clients/browser.md
            Path(os.environ["RTBCI_PICTURES"], "client-browser.png").write_bytes(browser.picture())
    browser.wait_for("['waiting', 'connecting'].includes(document.getElementById('note').textContent)")
    with bridge(address, PAGE, port=int(served.messages.split(":")[2].split("/")[0])):
        browser.wait_for("document.getElementById('note').textContent.includes('age')")


def test_the_module_counts_greets_and_skips_what_is_no_message(address: str, browser: Chromium) -> None:
    with bridge(address, PAGE) as served:
        browser.load(f"{served.files}example.html?url=ws://127.0.0.1:1/")
        topics = json.dumps(["prediction", "event"])
        browser.evaluate(
            f"""import('./rtbci.js').then(({{ Listener }}) => {{
              window.seen = []
              window.one = new Listener('{served.messages}', {{ topics: {topics} }})
              for (const what of ['hello', 'prediction', 'event', 'state'])
                one.on(what, (value) => seen.push(what === 'state' ? value : what))
              one.on('event', () => {{ throw new Error('a callback that fails') }})
            }}), 0"""
        )
        browser.wait_for("window.seen && seen.includes('event') && one.lost.prediction === 3")
        first = browser.evaluate("seen.slice(0, 2).join()")
        assert first in ("open,hello", "connecting,open")  # `connecting` may be over before `on` is called
        assert browser.evaluate("seen.filter((what) => what !== 'open')[0]") in ("hello", "connecting")
        assert browser.evaluate("one.latest('prediction').classes.join()") == "left_hand,right_hand"
        assert browser.evaluate("one.hello.paradigm") == "motor_imagery"
        browser.evaluate(
            """for (const text of ['', 'null', '[]', '{"topic":1,"message":{}}', '{"topic":"prediction"}',
              '{"topic":"prediction","message":{"v":2,"seq":1,"session":"s"}}',
              '{"topic":"prediction","message":{"v":1,"seq":"many","session":"s"}}']) one._read(text)"""
        )
        assert browser.evaluate("one.malformed") == 7
        browser.evaluate(
            """one.on('dropped', ({ n_frames }) => seen.push(n_frames)); one._read(
              '{"topic":"dropped","message":{"v":1,"session":"another","seq":0,"n_frames":64}}')"""
        )
        assert browser.evaluate("seen.includes(64) && one.session !== 'another' && one.lost.prediction > 0")
        browser.evaluate("one.close()")
        assert browser.evaluate("one.state") == "closed"


def test_off_this_computer_it_takes_a_token(
    address: str, browser: Chromium, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    token = new_token("page")
    with bridge(address, PAGE, host="0.0.0.0") as served:
        browser.load(f"{served.files}example.html?url={served.messages}&token=wrong")
        browser.wait_for("document.getElementById('note').textContent === 'waiting'")
        assert browser.evaluate("document.getElementById('bars').children.length") == 0
        browser.load(f"{served.files}example.html?url={served.messages}&token={token}")
        browser.wait_for("document.getElementById('note').textContent.includes('age')")
