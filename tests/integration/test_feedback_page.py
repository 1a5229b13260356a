"""The neurofeedback page in a browser, fed by a run's messages."""

from collections.abc import Iterator
from typing import NamedTuple

import pytest
from msgspec.structs import replace

pytest.importorskip("starlette", reason="the page's packages are not installed: pip install '.[monitor]'")
pytest.importorskip("uvicorn", reason="the page's packages are not installed: pip install '.[monitor]'")
pytest.importorskip("websockets", reason="the page's packages are not installed: pip install '.[monitor]'")

from rtbci.clock import now
from rtbci.monitor.app import FEEDBACK
from rtbci.monitor.page import LivePage
from rtbci.monitor.place import place_of
from rtbci.publish.messages import BaselineRef, Message, Prediction, Status, ValueRef
from rtbci.publish.zmq_publisher import Publisher
from tests.integration.browser import Chromium
from tests.integration.live_runs import wait_for
from tools.write_schema import samples

pytestmark = [pytest.mark.net, pytest.mark.clock]

SAMPLES = samples()
NOBODY = "tcp://127.0.0.1:9"
WORDS, SHOWN = "document.getElementById('words').textContent", "document.body.dataset.show"


class Told(NamedTuple):
    """A run that says what a test wants, and the page that listens to it."""

    publisher: Publisher
    url: str

    def say(self, topic: str, **changes: object) -> None:
        self.publisher.send(made(topic, **changes))

    def value(self, value: float | None, **changes: object) -> None:
        t = now()
        nothing: dict[str, object] = {"probs": None, "label": None, "why": "warming_up"}
        more = changes if value is not None else nothing | changes
        self.say("prediction with a value", value=value, t_window=(t - 8.0, t), **more)


def made(topic: str, **changes: object) -> Message:
    return replace(SAMPLES[topic], **changes)


@pytest.fixture
def told() -> Iterator[Told]:
    with (
        Publisher("tcp://127.0.0.1:0") as publisher,
        LivePage(publisher.address, NOBODY, place_of("127.0.0.1:0"), say=lambda _line: None) as page,
    ):
        wait_for(publisher.poll, "the page's subscription")
        yield Told(publisher, f"{page.url}{FEEDBACK}/")


def test_it_shows_the_value_and_says_so_where_there_is_none(told: Told, browser: Chromium) -> None:
    usual = BaselineRef(learnt_s=20.0, length_s=60.0, source="stream")
    hello = {
        "paradigm": "thinking",
        "classes": ("low", "high"),
        "hop_s": 0.5,
        "value": ValueRef(of="high", smoothing_s=4.0, baseline_s=60.0),
    }
    with browser.tab(told.url) as tab:
        tab.wait_for(f"{WORDS}.includes('No run is heard yet')")
        told.say("hello", **hello)
        told.say("status", state="warming_up", baseline=usual, bad_channels={})
        told.value(None)
        tab.wait_for(f"{SHOWN} === 'learning' && {WORDS}.includes('20 of 60 s')")
        assert tab.evaluate("document.getElementById('learning').value") == 20
        told.say("status", state="running", baseline=replace(usual, learnt_s=60.0), bad_channels={})
        told.value(0.3)
        tab.wait_for(f"{SHOWN} === 'value' && document.getElementById('number').textContent === '0.30'")
        assert tab.evaluate("document.body.dataset.good") == "no"
        told.value(0.9)
        tab.wait_for("document.body.dataset.good === 'yes'")
        assert tab.evaluate("document.getElementById('meter').getAttribute('aria-valuenow')") == "0.90"
        assert "more than usual" in str(tab.evaluate(WORDS))
        tab.wait_for("document.getElementById('time').textContent.includes('above the line')")
        tab.press("g")
        tab.wait_for("document.body.dataset.good === 'no'")
        tab.press("ArrowUp")
        assert tab.evaluate("document.getElementById('at').textContent") == "0.65"
        told.say(
            "status", state="running", bad_channels={"Pz": "flat"}, baseline=replace(usual, learnt_s=60.0)
        )
        told.value(None, why="poor_signal")
        tab.wait_for(f"{SHOWN} === 'nothing' && {WORDS}.includes('The signal is poor. Look after Pz.')")
        told.say("status", state="lost")
        tab.wait_for(f"{WORDS}.includes('The stream is lost')")
        assert tab.evaluate("document.getElementById('number').textContent") == ""


def test_a_page_that_is_opened_later_draws_what_was_and_does_not_count_it(
    told: Told, browser: Chromium
) -> None:
    told.say("hello", hop_s=0.5, value=ValueRef(of="high", smoothing_s=4.0))
    told.say("status", state="running")
    t = now()
    for i in range(20):
        told.say("prediction with a value", value=0.8, t_window=(t - 20 + i, t - 10 + 0.5 * i))
    with browser.tab(told.url, 390, 780) as tab:
        tab.wait_for("document.getElementById('number').textContent === '0.80'")
        assert tab.evaluate("document.getElementById('time').textContent") == ""
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
        # Nothing comes any more: that is said, and not the last value.
        tab.wait_for(f"{WORDS}.includes('Nothing comes')")


def test_another_paradigm_has_no_value(told: Told, browser: Chromium) -> None:
    with browser.tab(told.url) as tab:
        told.say("hello")
        prediction, status = SAMPLES["prediction"], SAMPLES["status"]
        assert isinstance(prediction, Prediction)
        assert isinstance(status, Status)
        told.publisher.send(prediction)
        tab.wait_for(f"{WORDS}.includes('has no continuous output')")
