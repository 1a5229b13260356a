"""The speller's page over real sockets: a page that a test plays, and a real browser."""

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the page's packages are not installed: pip install '.[calibrate]'")
pytest.importorskip("uvicorn", reason="the page's packages are not installed: pip install '.[calibrate]'")
pytest.importorskip("websockets", reason="the page's packages are not installed: pip install '.[calibrate]'")

from rtbci.clock import now
from rtbci.errors import ConfigError
from rtbci.speller.page.speller_page import SpellerPage
from rtbci.speller.session import Plan, Session
from rtbci.web.counted_page import MIN_FRAMES
from rtbci.web.page_messages import Pause
from tests.integration import live_runs
from tests.integration.browser import Chromium
from tests.integration.played_pages import Markers, Say, playing

pytestmark = pytest.mark.sockets

ITEMS = ("A", "B", "C", "D", "space", "backspace")
GROUPS = {
    "r1": ("A", "B", "C"),
    "r2": ("D", "space", "backspace"),
    "c1": ("A", "D"),
    "c2": ("B", "space"),
    "c3": ("C", "backspace"),
}


@pytest.fixture
def page() -> Iterator[SpellerPage]:
    with SpellerPage("Test", ITEMS, 3, GROUPS, 0.1, 0.05) as one:
        yield one


@contextmanager
def played(page: SpellerPage, frame_ms: float) -> Iterator[list[dict[str, Any]]]:
    """A page whose display has frames of `frame_ms`, whose second flash is late, and the third not certain."""
    told: list[dict[str, Any]] = []

    def answer(message: dict[str, Any], say: Say) -> None:
        told.append(message)
        if message["type"] == "ready":
            say("frames", dt_ms=[frame_ms] * MIN_FRAMES)
            say("start")
        elif message["type"] == "order":
            say("shown", id=message["id"], frame_ms=1e3 * now())
        elif message["type"] == "flash":
            about = {"id": message["id"], "frame_ms": 1e3 * now()}
            say("flashed", **about | {"id": message["id"] + 1}, i_flash=0, n_late=0, sure=True)
            for i in range(len(message["groups"])):
                say("flashed", **about, i_flash=i, n_late=int(i == 1), sure=i != 2)
            say("pause")

    with playing(page.url, answer):
        yield told


def test_the_page_is_told_what_to_flash_in_frames_and_tells_when_it_did(page: SpellerPage) -> None:
    with played(page, 1000 / 75) as told:
        assert page.wait_for_start(threading.Event())
        assert page.frames is not None
        assert page.frames[:2] == (8, 4)
        before = now()
        assert page.flash(["r1", "c3", "r2", "c1"])
        events = [page.next_event(5.0) for _ in range(6)]
        assert page.show("chosen", "D") > before
        page.write("D", "DA")
        live_runs.wait_for(lambda: told[-1]["type"] == "text" and told[-1]["text"], "the text")
    flash = next(one for one in told if one["type"] == "flash")
    assert flash["groups"] == [0, 4, 1, 2]
    assert (flash["soa"], flash["on"]) == (8, 4)
    assert events[0] is None  # of another sequence
    assert isinstance(events[5], Pause)
    shown = [one for one in events[1:5] if one is not None and not isinstance(one, Pause)]
    assert [one.i_flash for one in shown] == [0, 1, 2, 3]
    assert [math.isnan(one.t_lsl) for one in shown] == [False, False, True, False]
    assert before < shown[0].t_lsl < before + 1.0
    measured = page.measured()
    assert (measured["n_flashes"], measured["n_late"], measured["n_unsure"]) == (4, 1, 1)
    grid = told[0]
    assert grid["items"] == ["A", "B", "C", "D", "␣", "⌫"]
    assert grid["groups"][2] == [0, 3]
    order = next(one for one in told if one["type"] == "order")
    assert (order["step"], order["i_class"]) == ("chosen", 3)


def test_a_display_that_cannot_show_such_flashes_is_refused(page: SpellerPage) -> None:
    with (
        played(page, 1000 / 24),
        pytest.raises(
            ConfigError,
            match=r"speller page: flashes of 0.05 s every 0.1 s are 1 of 2 frames on a display of 24 Hz",
        ),
    ):
        page.wait_for_start(threading.Event())


def test_a_browser_flashes_groups_and_tells_its_frames(page: SpellerPage, browser: Chromium) -> None:
    markers, stop, said = Markers(), threading.Event(), list[str]()
    plan = Plan(["B", "D"], repetitions=4, decision_s=0.0, cue_s=0.3, lead_s=0.2, pause_s=0.3)
    session = Session(page, markers, None, plan, said.append)
    with browser.tab(page.url) as tab:
        tab.evaluate(
            "window.lit = new Set(), new MutationObserver(() => { const on = [...document.querySelectorAll('#grid .lit')];"
            "if (on.length) window.lit.add(on.map((one) => one.textContent).join('')); })"
            ".observe(document.getElementById('grid'), { subtree: true, attributes: true }), 0"
        )
        thread = threading.Thread(target=session.run, args=(stop,))
        thread.start()
        tab.wait_for("document.body.dataset.step === 'start' && !document.getElementById('go').disabled")
        tab.press("Space")
        tab.wait_for("document.body.dataset.step === 'flash'")
        tab.press("Space")  # a pause: the letter comes again
        tab.wait_for("document.body.dataset.step === 'start'")
        tab.press("Space")
        tab.wait_for("document.body.dataset.step === 'done'", 30.0)
        stop.set()
        thread.join(10.0)
        lit = tab.evaluate("[...window.lit].join(' ')").split()
        assert tab.evaluate("document.getElementById('text').textContent") == "BD"
        place = "document.getElementById('text').getBoundingClientRect()"
        assert tab.evaluate(
            f"document.elementFromPoint({place}.x + 5, {place}.y + 5).closest('header') !== null"
        )
    assert set(lit) == {"ABC", "D␣⌫", "AD", "B␣", "C⌫"}
    texts = [text for text, _ in markers.sent]
    assert [text for text in texts if text.startswith("cue/")] == ["cue/B", "cue/B", "cue/D"]
    assert texts.count("unseen") == 1
    assert "pause" in said[0]
    times = [t for text, t in markers.sent if text.startswith("flash/")]
    measured = page.measured()
    assert len(times) == measured["n_flashes"] - measured["n_unsure"] > 4  # other work may delay many a frame
    assert measured["n_flashes"] >= 40
    apart = sorted(other - one for one, other in pairwise(times))
    assert page.frames is not None
    assert apart[0] > page.frames.soa_s - 3e-3  # late perhaps, never early


PLAYED = """import('./flashing.js').then(({ Flashing }) => {
  const said = [], light = [], usual = 10;
  const frames = [0, 10, 20, 30, 40, 50, 60, 90, 100, 110, 120, 130, 150, 160, 170, 180];
  let t = 0;
  const one = new Flashing([2, 0, 1], 4, 2, (group, on) => light.push([t, group, on]), (...what) => said.push(what));
  for (t of frames) one.step(t, t === 40 ? t + 12 : t + 1, usual);
  return { said, light };
})"""
"""Frames of 10 ms: those at 70, 80 and 140 were dropped, and the one at 40 was drawn after its time."""


def test_flashes_after_dropped_frames_are_late_and_uncertain_ones_are_told(
    page: SpellerPage, browser: Chromium
) -> None:
    with browser.tab(page.url) as tab:
        played = tab.evaluate(PLAYED)
    assert played["light"] == [
        *([0, 2, True], [20, 2, False]),
        *([40, 0, True], [60, 0, False]),
        *([90, 1, True], [110, 1, False]),  # due at 80
    ]
    # which flash, its frame, frames late, certain
    assert played["said"] == [[0, 0, 0, True], [1, 40, 0, False], [2, 90, 1, True]]
