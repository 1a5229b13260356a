"""The flicker page over real sockets: a page that a test plays, and a real browser."""

import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the page's packages are not installed: pip install '.[calibrate]'")
pytest.importorskip("uvicorn", reason="the page's packages are not installed: pip install '.[calibrate]'")
pytest.importorskip("websockets", reason="the page's packages are not installed: pip install '.[calibrate]'")

from rtbci.clock import now
from rtbci.errors import ConfigError
from rtbci.flicker.page.flicker_page import FlickerPage
from rtbci.flicker.session import run_session
from rtbci.recipes.branches import StimulusSettings
from rtbci.web.counted_page import MIN_FRAMES
from tests.integration import live_runs
from tests.integration.browser import Chromium
from tests.integration.played_pages import Markers, Say, playing

pytestmark = pytest.mark.sockets

TARGETS = {"slow": 10.0, "fast": 15.0}


@pytest.fixture
def page() -> Iterator[FlickerPage]:
    with FlickerPage("Test", TARGETS, StimulusSettings()) as one:
        yield one


@contextmanager
def played(page: FlickerPage, frame_ms: float) -> Iterator[list[dict[str, Any]]]:
    """A page whose display has frames of `frame_ms`, and whose user presses the start key at once."""
    orders: list[dict[str, Any]] = []

    def answer(message: dict[str, Any], say: Say) -> None:
        if message["type"] == "flickers":
            orders.append(message)
            say("frames", dt_ms=[frame_ms] * MIN_FRAMES)
            say("start")
        elif message["type"] == "ready":  # a key that was pressed before that does not count
            say("start")
        elif message["type"] == "order":
            orders.append(message)
            say("shown", id=message["id"], frame_ms=1e3 * now())

    with playing(page.url, answer):
        yield orders


def test_the_page_is_told_the_targets_and_markers_have_the_time_of_frames(page: FlickerPage) -> None:
    markers, stop = Markers(), threading.Event()
    with played(page, 1000 / 60) as orders:
        before = now()
        args = (page, markers, 0, 0, None, stop, lambda _line: None)
        session = threading.Thread(target=run_session, args=args)
        session.start()
        live_runs.wait_for(lambda: markers.sent, "a marker")
        after = now()
        stop.set()
        session.join(10.0)
    assert orders[0]["targets"] == [{"name": "slow", "hz": 10.0}, {"name": "fast", "hz": 15.0}]
    assert (orders[0]["waveform"], orders[0]["refresh_hz"]) == ("sine", 60.0)
    steps = [order["step"] for order in orders[1:]]  # on a slow computer frames are counted between
    assert [step for step in steps if step != "count"] == ["flicker", "done"]
    ((text, t_on),) = markers.sent
    assert text == "flicker_on"
    assert before < t_on < after + 0.03


def test_a_display_of_another_rate_is_refused(page: FlickerPage) -> None:
    with (
        played(page, 1000 / 75),
        pytest.raises(
            ConfigError,
            match=r"refreshes 75.0 times a second, the recipe says 60 Hz; set \[stimulus\] refresh_hz to 75",
        ),
    ):
        page.wait_for_start(threading.Event())


def test_nothing_is_told_to_who_does_not_know_the_token(page: FlickerPage) -> None:
    root = page.url[: page.url.index("/", 8)]
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{root}/flicker.js", timeout=5.0)
    for name in ("", "flicker.js", "flicker.css", "shared/frames.js", "shared/icon.svg"):
        with urllib.request.urlopen(page.url + name, timeout=5.0) as answer:
            assert answer.status == 200


def test_a_browser_counts_frames(page: FlickerPage, browser: Chromium) -> None:
    markers, stop = Markers(), threading.Event()
    with browser.tab(page.url) as tab:
        args = (page, markers, 0, 0, None, stop, lambda _line: None)
        session = threading.Thread(target=run_session, args=args)
        session.start()
        tab.wait_for("document.body.dataset.step === 'start' && !document.getElementById('go').disabled")
        tab.press("Space")
        tab.wait_for("document.body.dataset.step === 'flicker'")
        colour = "document.querySelector('.target').style.backgroundColor"
        tab.wait_for(f"(window.seen ??= new Set()).add({colour}).size > 2")
        for hidden in ("true", "false"):  # another tab is looked at: the start key is asked for again
            tab.evaluate(
                f"Object.defineProperty(document, 'hidden', {{ value: {hidden}, configurable: true }}), "
                "document.dispatchEvent(new Event('visibilitychange')), 0"
            )
            tab.wait_for("document.body.dataset.step === 'start'")
        tab.press("Space")
        tab.wait_for("document.body.dataset.step === 'flicker'")
        live_runs.wait_for(lambda: len(markers.sent) == 2, "another marker")
        stop.set()
        session.join(10.0)
        tab.wait_for("document.body.dataset.step === 'done'")
        square, odd, sine = tab.evaluate(
            "import('./flicker.js').then(({luminance}) => ["
            "Array.from({length: 12}, (_, i) => luminance(15, i, 60, 'square')),"
            "Array.from({length: 12}, (_, i) => luminance(12, i, 60, 'square')),"
            "Array.from({length: 5}, (_, i) => luminance(15, i, 60, 'sine'))])"
        )
    assert square == [1, 1, 0, 0] * 3
    assert odd == [1, 1, 1, 0, 0] * 2 + [1, 1]
    assert sine == pytest.approx([0.5, 1.0, 0.5, 0.0, 0.5], abs=1e-9)
    assert [text for text, _ in markers.sent] == ["flicker_on"] * 2
    assert 900 / 60 < page.measured()["frame_ms"] < 1100 / 60


def test_escape_makes_it_dark_until_the_start_key(page: FlickerPage, browser: Chromium) -> None:
    markers, stop, said = Markers(), threading.Event(), list[str]()
    with browser.tab(page.url) as tab:
        args = (page, markers, 0, 0, None, stop, said.append)
        session = threading.Thread(target=run_session, args=args, daemon=True)
        session.start()
        for key in ("Escape", "Space"):
            tab.wait_for("document.body.dataset.step === 'start' && !document.getElementById('go').disabled")
            tab.press("Space")
            tab.wait_for("document.body.dataset.step === 'flicker'")
            tab.press(key)
            assert tab.evaluate("getComputedStyle(document.getElementById('targets')).display") == "none"
            live_runs.wait_for(lambda: "hidden or stopped" in said[-1], "word of it")
        stop.set()
        session.join(10.0)
        page.show("done")
        tab.wait_for("document.body.dataset.step === 'done'")
        page.close()
        tab.wait_for("document.getElementById('title').textContent.startsWith('That was all')")
    assert [text for text, _ in markers.sent] == ["flicker_on"] * 2


def test_what_is_looked_at_instead_of_a_target_stays_and_lies_beside_all(
    page: FlickerPage, browser: Chromium
) -> None:
    page.tell("6 to go")
    with browser.tab(page.url) as tab:
        tab.wait_for("document.getElementById('told').checkVisibility()")
        assert tab.evaluate("document.getElementById('told').textContent") == "6 to go"
        assert "at none of them" in tab.evaluate("document.getElementById('instruction').textContent")
        for width, height in ((1280, 900), (390, 844), (844, 390)):
            tab.resize(width, height)
            for step in ("look", "flicker"):
                assert page.show(step) > 0
                assert tab.evaluate(
                    "(() => { const none = document.getElementById('none').getBoundingClientRect();"
                    "return none.height > 0 && [...document.querySelectorAll('.target')]"
                    ".every(one => one.getBoundingClientRect().bottom < none.top); })()"
                ), (width, height, step)
            page.show("dark")
            assert tab.evaluate("document.body.dataset.asked") == ""
        page.show("break")
        assert tab.evaluate("document.getElementById('title').textContent").startswith("Break")
        page.show("flicker")
        assert tab.evaluate("document.body.dataset.asked") == ""  # nothing is asked for: no cross
