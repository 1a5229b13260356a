"""The cue page over real sockets: with a page that a test plays, and in a real browser."""

import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the page's packages are not installed: pip install '.[calibrate]'")
pytest.importorskip("uvicorn", reason="the page's packages are not installed: pip install '.[calibrate]'")
pytest.importorskip("websockets", reason="the page's packages are not installed: pip install '.[calibrate]'")

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from rtbci.calibrate.page.cue_page import CuePage
from rtbci.calibrate.presenter import Feedback, guide
from rtbci.calibrate.schedule import Schedule, ScheduledTrial
from rtbci.clock import now
from rtbci.errors import ConfigError, PortInUseError, StreamError
from rtbci.probe.calibration_record import CurvePoint
from tests.calibration_steps import CLASSES, protocol
from tests.integration.browser import Chromium

pytestmark = pytest.mark.clock

TRIAL = ScheduledTrial(0, 1, 2.0)


@pytest.fixture
def page() -> Iterator[CuePage]:
    said: list[str] = []
    cue_page = CuePage(Schedule(protocol(), CLASSES), say=said.append)
    cue_page.said = said  # type: ignore[attr-defined]
    yield cue_page
    cue_page.close()


class PlayedPage:
    """What a browser would do, on a clock that is `BEHIND_S` behind the LSL clock."""

    # A computer that has just started counts few seconds, and a page none below zero.
    BEHIND_S = min(1000.0, now() / 2)
    LATE_MS = 7.0

    def __init__(self, socket: Any, answers: bool) -> None:
        self.socket, self.answers = socket, answers
        self.orders: list[dict[str, Any]] = []
        self.messages: list[str] = []
        self.thread = threading.Thread(target=self._run, name="played-page", daemon=True)
        self.thread.start()

    def say(self, type: str, **fields: Any) -> None:
        self.socket.send(json.dumps({"type": type, **fields}))

    def page_ms(self) -> float:
        return 1e3 * (now() - self.BEHIND_S)

    def _run(self) -> None:
        try:
            for text in self.socket:
                message = json.loads(text)
                self.messages.append(message["type"])
                if message["type"] == "ping":
                    self.say("pong", id=message["id"], page_ms=self.page_ms())
                elif message["type"] == "order":
                    self.orders.append(message)
                    if self.answers:
                        self.say("shown", id=message["id"], frame_ms=self.page_ms() + self.LATE_MS)
        except ConnectionClosed:
            pass


@contextmanager
def played(page: CuePage, answers: bool = True) -> Iterator[PlayedPage]:
    address = page.url.replace("http", "ws") + "ws"
    origin = Origin(page.url[: page.url.index("/", 8)])
    with connect(address, origin=origin, proxy=None) as socket:
        one = PlayedPage(socket, answers)
        wait_for(lambda: "welcome" in one.messages and "round_trip_ms" in page.measured())
        yield one


def wait_for(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_an_onset_is_the_frame_that_the_page_reports(page: CuePage) -> None:
    with played(page) as one:
        before = now()
        t_cross, t_arrow = page.present("cross", TRIAL), page.present("arrow", TRIAL)
        after = now()
    late_s = 1e-3 * (PlayedPage.LATE_MS + 1000 / 60)  # of the frame, and of what it draws
    error_s = 0.005 + 1e-3 * page.measured()["clock_error_ms"]  # of the page's clock, as well as it is known
    for t in (t_cross, t_arrow):
        assert before + late_s - error_s < t < after + late_s + error_s
    assert t_cross < t_arrow
    assert [(order["step"], order["i_class"]) for order in one.orders] == [("cross", 1), ("arrow", 1)]
    assert page.measured()["order_ms"] > 1e3 * (late_s - error_s)


def test_without_a_page_nothing_is_seen(page: CuePage) -> None:
    assert math.isnan(page.present("cross", TRIAL))
    assert page.said == [f"cue page: gone, the cross was not seen; waiting for the page at {page.url}"]  # type: ignore[attr-defined]
    assert page.measured()["n_unseen"] == 1


def test_a_page_that_does_not_answer_has_not_shown_it(page: CuePage) -> None:
    with played(page, answers=False):
        assert math.isnan(page.present("cross", TRIAL))
        assert "no answer" in page.said[-1]  # type: ignore[attr-defined]


def test_a_page_loaded_again_during_a_trial_has_not_shown_it(page: CuePage) -> None:
    with played(page):
        assert not math.isnan(page.present("cross", TRIAL))
    with played(page) as again:
        assert math.isnan(page.present("arrow", TRIAL))
        assert again.orders == []
        assert "loaded again" in page.said[-1]  # type: ignore[attr-defined]
        assert not math.isnan(page.present("cross", TRIAL))


def test_a_hidden_page_is_not_seen(page: CuePage) -> None:
    with played(page) as one:
        page.present("cross", TRIAL)
        one.say("visible", visible=False)
        wait_for(lambda: not page._link.is_seen)
        assert math.isnan(page.present("arrow", TRIAL))
        assert "hidden" in page.said[-1]  # type: ignore[attr-defined]


def test_a_page_that_goes_while_it_is_asked_is_noticed_at_once(page: CuePage) -> None:
    with played(page, answers=False) as one:
        threading.Timer(0.1, one.socket.close).start()
        before = now()
        assert math.isnan(page.present("cross", TRIAL))
        assert now() - before < 0.45


def test_the_newest_page_counts(page: CuePage) -> None:
    with played(page) as old, played(page) as new:
        old.thread.join(5.0)
        assert old.socket.close_code == 4001
        assert not math.isnan(page.present("cross", TRIAL))
        assert (len(old.orders), len(new.orders)) == (0, 1)


def test_start_is_asked_for_and_waited_for(page: CuePage) -> None:
    stop, started = threading.Event(), []
    thread = threading.Thread(target=lambda: started.append(page.wait_for_start(stop)))
    thread.start()
    with played(page) as one:
        wait_for(lambda: "ready" in one.messages)
        one.say("start")
        thread.join(5.0)
    assert started == [True]
    stop.set()
    assert not page.wait_for_start(stop)


@pytest.mark.parametrize("frame", ['{"type":"start","x":1}', b'{"type":"start"}'])
def test_nonsense_ends_the_connection(page: CuePage, frame: str | bytes) -> None:
    with played(page) as one:
        one.socket.send(frame)
        one.thread.join(5.0)
        assert one.socket.close_code == 4002


def test_strangers_are_refused(page: CuePage) -> None:
    address, own = page.url.replace("http", "ws") + "ws", page.url[: page.url.index("/", 8)]
    wrong = address.replace(page.url.split("/")[3], "x" * 22)
    for url, origin in ((address, "http://evil.example"), (address, None), (wrong, own)):
        with pytest.raises(InvalidStatus, match="403"), connect(url, origin=origin, proxy=None):  # type: ignore[arg-type]
            pass


def test_what_is_told_reaches_the_page_also_when_it_comes_later(page: CuePage) -> None:
    page.tell(Feedback(Schedule(protocol(), CLASSES).progress, True))
    with played(page) as one:
        wait_for(lambda: "tell" in one.messages)


def test_addresses_that_do_not_do(page: CuePage) -> None:
    port = int(page.url.split(":")[2].split("/")[0])
    schedule = Schedule(protocol(), CLASSES)
    with pytest.raises(PortInUseError, match=f"port {port} of 127.0.0.1 is in use by process"):
        CuePage(schedule, port=port)
    with pytest.raises(ConfigError, match="can be reached from the network"):
        CuePage(schedule, host="0.0.0.0")
    with pytest.raises(ConfigError, match=r"cannot listen on 192\.0\.2\.1"):
        CuePage(schedule, host="192.0.2.1", insecure=True)


def test_closed_it_says_so() -> None:
    cue_page = CuePage(Schedule(protocol(), CLASSES))
    cue_page.close()
    cue_page.close()
    with pytest.raises(StreamError, match="the server has ended"):
        cue_page.present("cross", TRIAL)
    assert not any(thread.name == "rtbci-cue-page" for thread in threading.enumerate())


@pytest.mark.slow
def test_three_trials_in_a_browser(browser: Chromium) -> None:
    times = {"arrow_s": 0.4, "shown_s": 0.3, "imagery_s": 0.8, "pause_s": [0.5, 0.6]}
    trials = {"per_class": 2, "per_class_in_block": 1}
    settings = protocol(timing=times, trials=trials, breaks={"rest_s": 0.2})
    schedule = Schedule(settings, CLASSES, accepted=(1, 0))  # three trials are left, in two blocks
    cue_page, stop = CuePage(schedule, "Three trials"), threading.Event()
    cues: list[tuple[int, int, float, float]] = []
    finished: list[bool] = []

    def after(trial: ScheduledTrial) -> None:
        schedule.judge(trial.i_trial, True)
        point = CurvePoint(n_trials=trial.i_trial + 1, accuracy=70.0, low=50.0, high=85.0)
        cue_page.tell(Feedback(schedule.progress, True, curve=(point,), advice="Breathe."))

    def lead() -> None:
        on_cue = lambda i_trial, i_class, t: cues.append((i_trial, i_class, t, now()))  # noqa: E731
        finished.append(guide(schedule, cue_page, on_cue, stop, after_trial=after))

    thread = threading.Thread(target=lead, name="test-guide")
    thread.start()
    step = "document.body.dataset.step"
    try:
        with browser.tab(f"{cue_page.url}?patch=1") as tab:
            tab.wait_for(f"{step} === 'ready'")
            assert tab.evaluate("document.querySelectorAll('#legend li').length") == 2
            assert tab.evaluate("crossOriginIsolated") is True
            tab.press("Space")
            tab.wait_for(f"{step} === 'arrow'")
            box = tab.evaluate(
                "(b => [b.x + b.width / 2, b.y + b.height / 2])(shape.getBoundingClientRect())"
            )
            assert box == pytest.approx([640, 400], abs=0.5)
            assert tab.evaluate("patch.classList.contains('on')") is True
            tab.wait_for(f"{step} === 'resume'")
            assert "kept" in tab.evaluate("counts.textContent")
            tab.press("Enter")
            tab.wait_for(f"{step} === 'done'")
            tab.wait_for("curve.classList.contains('drawn')")
            thread.join(10.0)
    finally:
        stop.set()
        thread.join(10.0)
        cue_page.close()
    assert finished == [True]
    assert [i for i, *_ in cues] == [0, 1, 2]
    assert sorted(i_class for _, i_class, *_ in cues) == [0, 1, 1]
    # an onset is known right when its frame has begun: it is at most a frame ahead
    assert all(-0.1 < t - t_known < 0.02 for _, _, t, t_known in cues)
    measured = cue_page.measured()
    assert 2 < measured["frame_ms"] < 40
    assert measured["round_trip_ms"] < 50
    assert measured["n_unseen"] == 0


@pytest.mark.slow
def test_a_browser_that_is_loaded_again_goes_on_with_the_same_trial(browser: Chromium) -> None:
    times = {"arrow_s": 0.3, "shown_s": 0.3, "imagery_s": 1.5, "pause_s": [0.3, 0.3]}
    schedule = Schedule(protocol(timing=times, trials={"per_class": 2}), CLASSES, accepted=(1, 2))
    cue_page, stop = CuePage(schedule), threading.Event()
    unseen: list[int] = []
    cues: list[int] = []

    def lead() -> None:
        guide(
            schedule,
            cue_page,
            lambda i_trial, i_class, t: cues.append(i_trial),
            stop,
            after_trial=lambda trial: schedule.judge(trial.i_trial, True),
            on_unseen=unseen.append,
        )

    thread = threading.Thread(target=lead, name="test-guide")
    thread.start()
    step = "document.body.dataset.step"
    try:
        with browser.tab(cue_page.url) as tab:
            tab.wait_for(f"{step} === 'ready'")
            tab.press("Space")
            tab.wait_for(f"{step} === 'imagery'")
            tab.reload()
            tab.wait_for(f"document.body !== null && {step} === 'resume'")
            tab.press("Space")
            tab.wait_for(f"{step} === 'done'")
    finally:
        stop.set()
        thread.join(10.0)
        cue_page.close()
    assert (cues, unseen, schedule.progress.per_class) == ([0, 1], [0], (2, 2))
