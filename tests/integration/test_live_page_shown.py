"""What the live page shows, in a browser, of runs of every kind: their messages are made up."""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import pytest
from msgspec.structs import replace

pytest.importorskip("starlette", reason="the page's packages are not installed: pip install '.[monitor]'")
pytest.importorskip("uvicorn", reason="the page's packages are not installed: pip install '.[monitor]'")
pytest.importorskip("websockets", reason="the page's packages are not installed: pip install '.[monitor]'")

from rtbci.clock import now
from rtbci.monitor.page import LivePage
from rtbci.monitor.place import place_of
from rtbci.publish.messages import BaselineRef, Hello, ProfileRef, ValueRef
from rtbci.publish.signal_message import encode_signal
from rtbci.publish.zmq_publisher import Publisher
from tests.integration.browser import Chromium
from tests.integration.live_runs import wait_for
from tests.unit.publish.test_signal_message import message as signal_message
from tools.write_schema import samples

pytestmark = [pytest.mark.net, pytest.mark.clock]

SAMPLES = samples()
NOBODY = "tcp://127.0.0.1:9"
STAGES = ("W", "N1", "N2", "N3", "REM")
LONG = (
    "imagined_squeezing_of_the_left_hand_with_force",
    "imagined_squeezing_of_the_right_hand_with_force",
    "both_feet",
    "mental_arithmetic_in_steps_of_seven",
    "rest_with_eyes_open_and_nothing_else",
    "tongue",
)
FOLDER = "/data/sessions/20260131T093000Z-motor_imagery-p07"


class Told(NamedTuple):
    """A run that says what a test wants, and the page that listens to it."""

    publisher: Publisher
    url: str

    def say(self, topic: str, **changes: object) -> None:
        self.publisher.send(replace(SAMPLES[topic], **changes))

    def status(self, **changes: object) -> None:
        usual: dict[str, object] = {"state": "running", "bad_channels": {}, "t_sent": now()}
        self.say("status", **usual | changes)

    def window(self, classes: tuple[str, ...], best: int, t: float, **changes: object) -> None:
        probs = tuple(0.77 if c == best else 0.23 / (len(classes) - 1) for c in range(len(classes)))
        usual: dict[str, object] = {
            "probs": probs,
            "label": classes[best],
            "decision": None,
            "why": "below_threshold",
            "t_window": (t - 2.0, t),
        }
        self.say("prediction", classes=classes, **usual | changes)


@pytest.fixture
def told() -> Iterator[Told]:
    with (
        Publisher("tcp://127.0.0.1:0", queue_length=5000) as publisher,
        LivePage(publisher.address, NOBODY, place_of("127.0.0.1:0"), say=lambda _line: None) as page,
    ):
        wait_for(publisher.poll, "the page's subscription")
        yield Told(publisher, page.url)


def text(name: str) -> str:
    return f"document.getElementById('{name}').textContent"


TIMELINE = "document.getElementById('timeline').getAttribute('aria-label')"
COLOR = """((c, x, y) => { const d = c.getContext('2d').getImageData(Math.round(x * c.width), Math.round(y * c.height), 1, 1).data;
  return [d[0], d[1], d[2]]; })(document.getElementById('timeline'), X, Y)"""


@pytest.mark.slow
def test_a_night_is_shown_whole_to_whoever_opens_the_page_in_the_morning(
    told: Told, browser: Chromium
) -> None:
    """Half of it awake, half of it in N3: a lane for each stage, the fuller the more probable."""
    t_now, n = now(), 912  # 7.6 h
    told.say("hello", classes=STAGES, hop_s=30.0, paradigm="sleep")
    for i in range(n):
        told.window(STAGES, 0 if i < n // 2 else 3, t_now - 30.0 * (n - 1 - i), seq=i)
    told.status(t_sent=t_now)
    with browser.tab(told.url, 1280, 900) as tab:
        tab.wait_for(f"{TIMELINE} === 'probabilities, decisions and markers of the last 8 h'")
        tab.wait_for(f"{text('best')} === 'N3' && {text('prob')} === '77 %'")
        wide, tall = tab.evaluate("[timeline.clientWidth, timeline.clientHeight]")

        def shade(x: float, stage: int) -> int:
            y = 26.0 + (stage + 0.4) * (tall - 20.0 - 12.0 - 6.0 - 26.0) / len(STAGES)  # margins and strip
            return int(sum(tab.evaluate(COLOR.replace("X,", f"{x},").replace("Y)", f"{y / tall})"))))

        wait_for(
            lambda: shade(0.3, 0) != shade(0.3, 3), "lanes that are drawn"
        )  # by the browser's next frame
        for x, full, faint in ((0.3, 0, 3), (0.9, 3, 0)):
            assert shade(x, full) > shade(x, faint) + 150, (x, shade(x, full), shade(x, faint))
        tab.point("#timeline", 0.9 * wide, 60)
        tab.wait_for(f"{text('tip')}.includes('N3 77 %')")
        assert "min\n" in tab.evaluate(text("tip"))
        told.say("hello", session="another", classes=("left", "right"), hop_s=0.0625)
        told.window(("left", "right"), 1, now(), session="another")
        tab.wait_for(f"{TIMELINE}.endsWith('of the last 30 s') && {text('best')} === 'right'")


ROWS = """import('./decisions.js').then(({ Decisions }) => {
  const HEAD, seen = [];
  const shown = () => { const [span_s] = timeline.span(); return timeline.rows.filter(({ t }) => t > timeline.t_now - span_s && t <= timeline.t_now).length; };
  const row = (t) => [t, 20, [1, 1, 1, 1, 1], [0.5, 0.5], null, "below_threshold", 1, null];
  for (let i = 0; i < 80; i++) {
    const t_here = 5000 + i / 4;
    timeline.push([row(STAMP)]);
    if (i % 4 === 0) timeline.tick(t_here + OFFSET);
    seen.push(shown());
  }
  return seen;
})"""


@pytest.mark.parametrize(
    ("stamp", "offset"),
    [
        ("t_here", "0"),
        ("t_here - 940", "(i > 8 ? -940 : 0)"),  # of a device that counts from when it was switched on
        ("t_here + 1.7e9", "(i > 8 ? 1.7e9 : 0)"),
        ("t_here - (i > 40 ? 3600 : 0)", "(i > 48 ? -3600 : 0)"),  # set back
        ("t_here + (i > 40 ? 0 : 1.7e9)", "(i > 48 ? 0 : 1.7e9)"),
    ],
    ids=["local", "uptime", "calendar", "set back", "calendar no longer"],
)
def test_predictions_are_shown_whatever_clock_their_stamps_are_of(
    told: Told, browser: Chromium, stamp: str, offset: str
) -> None:
    """Every row of the last twenty seconds is in the picture once the run has told by how much the stamps are off."""
    head = "timeline = new Decisions(document.createElement('canvas'))"
    script = ROWS.replace("HEAD", head).replace("STAMP", stamp).replace("OFFSET", offset)
    with browser.tab(told.url) as tab:
        seen = tab.evaluate(script)
    assert seen[-1] >= 25
    assert min(seen[60:]) >= 5


@pytest.mark.slow
@pytest.mark.parametrize(("width", "height"), [(1366, 768), (390, 844)])
def test_long_names_and_many_classes_cut_nothing_off(
    told: Told, browser: Chromium, width: int, height: int
) -> None:
    hello = SAMPLES["hello"]
    assert isinstance(hello, Hello)
    profile = replace(hello.profile, user="Maximiliane_von_Hohenstaufen-Wittelsbach")
    with browser.tab(told.url, width, height) as tab:
        told.say("hello", classes=LONG, profile=profile)
        told.status(recording=FOLDER)
        told.window(LONG, 1, now())
        tab.wait_for(f"{text('prob')} === '77 %'")
        box = "getBoundingClientRect()"
        assert tab.evaluate(
            f"document.getElementById('prob').{box}.right <= document.getElementById('label').{box}.right + 0.5"
        )
        tab.wait_for("document.documentElement.scrollWidth <= innerWidth")
        legend = "[...document.querySelectorAll('#classes span')]"
        assert tab.evaluate(f"{legend}.length") == len(LONG)
        assert tab.evaluate(f"{legend}.every((one) => one.{box}.right <= innerWidth)")
        assert tab.evaluate(f"document.getElementById('timeline').{box}.height") >= 100
        swatches = tab.evaluate(f"{legend}.map((one) => one.firstChild.style.background)")
        assert len(set(swatches)) == len(LONG)  # the sixth has the first one's colour, and other dashes
        letters = tuple("ABCDEFGHIJ")
        told.say("hello", session="letters", classes=letters)
        for i in range(20):
            told.window(letters, 2 + i // 10, now(), session="letters")
        told.status(session="letters")
        tab.wait_for(f"{legend}.map((one) => one.textContent).join() === 'C,D'")
        if width > 1000:  # what is decided is seen without scrolling
            tab.wait_for(f"document.getElementById('timeline').{box}.bottom <= innerHeight")


def test_among_flashes_the_cue_is_listed_and_a_probability_just_short_is_not_called_enough(
    told: Told, browser: Chromium
) -> None:
    hello = SAMPLES["hello"]
    assert isinstance(hello, Hello)
    with browser.tab(told.url) as tab:
        told.say("hello", classes=("A", "B"), decision=replace(hello.decision, threshold=0.95))
        told.status()
        for i in range(80):
            part, value = ("flash", "flash/r1") if i != 5 else ("cue", "cue/R")
            told.say("event", kind="marker", value=value, data={"part": part, "class": None}, seq=i)
        told.window(("A", "B"), 0, now(), probs=(0.947, 0.053))
        tab.wait_for(f"{text('prob')} === '95 %' && {text('why')} === 'just below the 95 % that it needs'")
        assert tab.evaluate(
            "[...document.querySelectorAll('#events .what')].map((one) => one.textContent)"
        ) == ["marker: cue/R"]


def test_a_profile_of_no_generation_has_its_users_name(told: Told, browser: Chromium) -> None:
    with browser.tab(told.url) as tab:
        for session, user in (("a", "synthetic"), ("b", "population")):
            profile = ProfileRef(user=user, id="", generation=0)
            told.say("hello", session=session, profile=profile)
            told.status(session=session, profile=profile)
            tab.wait_for(f"{text('what')}.includes('profile {user}')")


def test_the_line_of_the_continuous_output_is_named(told: Told, browser: Chromium) -> None:
    legend = "[...document.querySelectorAll('#classes span')].map((one) => one.textContent).join()"
    with browser.tab(told.url) as tab:
        told.say(
            "hello", classes=("low", "high"), value=ValueRef(of="high", smoothing_s=4.0, baseline_s=60.0)
        )
        told.window(("low", "high"), 1, now(), value=0.6)
        tab.wait_for(f"{legend} === 'low,high,value (of high)'")
        told.say("hello", session="another", classes=("low", "high"))
        tab.wait_for(f"{legend} === 'low,high'")


NAMES = """import('./eeg.js').then(({ Eeg }) => {
  const eeg = new Eeg(document.createElement('canvas'), {}), said = [], labels = Array.from({ length: 64 }, (_, i) => `MEG${1000 + i}-A${i}`);
  eeg.layout({ labels, rate_hz: 100, n_per_bin: 1, is_read: labels.map(() => true) });
  eeg.quality(labels.map((_, i) => ({ state: i > 2 && i < 12 ? 'flat' : 'good' })));
  const context = new Proxy(eeg.plot.context, { get: (on, name) => name === 'fillText' ? (words, x, y) => said.push([words, y, x - on.measureText(words).width])
    : typeof on[name] === 'function' ? on[name].bind(on) : on[name], set: (on, name, value) => Reflect.set(on, name, value) });
  eeg.names(context, 400, 300);
  return said;
})"""


def test_names_of_channels_neither_overlap_nor_are_cut_off(browser: Chromium) -> None:
    with LivePage(NOBODY, NOBODY, place_of("127.0.0.1:0")) as page, browser.tab(page.url) as tab:
        said = tab.evaluate(NAMES)
    rows = sorted(y for _, y, _ in said)
    assert min(other - one for one, other in pairwise(rows)) >= 9
    assert rows[0] >= 14 + 5  # below what is cleared for other words
    assert min(x for _, _, x in said) >= 0
    assert said[0][0].startswith("✕ …")  # faulty ones first, and the end of a name, in which it differs
    assert said[0][0].endswith("A3")


HEAD = """fetch('./positions.json').then((kept) => kept.json()).then((places) => import('./head.js').then(({ Head }) => [230, 700].map((size) => {
  const head = new Head(document.createElement('canvas'), places, () => 0), names = {};
  head.layout({ labels: ['FP1', 'FZ', 'CZ', 'PO3', 'PO4', 'O1', 'O2'], bands: [], bands_hz: [], is_read: [] });
  head.plot.width = head.plot.height = size;
  const context = new Proxy(head.plot.context, { get: (on, name) => name === 'fillText' ? (words, x, y) => { names[words] = y; }
    : typeof on[name] === 'function' ? on[name].bind(on) : on[name], set: (on, name, value) => Reflect.set(on, name, value) });
  head.draw(context, size, size);
  const { cy, radius } = head.geometry();
  return Object.fromEntries(Object.entries(names).map(([name, y]) => [name, y - (cy - places[name][1] * radius)]));
})))"""


def test_the_name_of_an_electrode_does_not_stand_at_another(browser: Chromium) -> None:
    """On a telephone that of O1, above it, was at the dot of PO3."""
    with LivePage(NOBODY, NOBODY, place_of("127.0.0.1:0")) as page, browser.tab(page.url) as tab:
        small, large = tab.evaluate(HEAD)
    assert {name for name, down in small.items() if down > 0} == {"O1", "O2"}
    assert all(down < 0 for down in large.values())


def test_it_says_what_to_do_while_nothing_is_decided(told: Told, browser: Chromium) -> None:
    classes = ("left", "right")
    with browser.tab(told.url) as tab:
        tab.wait_for(f"{text('todo')}.includes('start rtbci run')")
        told.say("hello", classes=classes)
        told.status(state="waiting", stream=None, rate_hz=None)
        tab.wait_for(f"{text('todo')}.includes('start the amplifier')")
        told.status()
        tab.wait_for("document.getElementById('todo').hidden")
        for p, why, words in (
            (0.77, "below_threshold", "sure enough, not yet for long enough"),
            (0.6, "below_threshold", "not sure enough: needs 70 %"),
            (0.77, "gap", "gap"),
        ):
            is_gap = why == "gap"
            probs, label = (None, None) if is_gap else ((p, 1.0 - p), "left")
            told.window(classes, 0, now(), why=why, probs=probs, label=label)
            tab.wait_for(f"{text('why')} === '{words}'")
        told.window(classes, 1, now(), refractory=True)
        tab.wait_for(f"{text('why')} === 'pause after a decision'")
        told.status(bad_channels={f"C{i}": "flat" for i in range(6)})
        told.window(classes, 1, now(), why="poor_signal")
        tab.wait_for(f"{text('why')} === 'poor signal: look after C0, C1, C2, C3 and 2 more'")
        told.status(baseline=BaselineRef(learnt_s=20.5, length_s=60.0, source="stream"))
        told.window(classes, 1, now(), why="warming_up", probs=None, label=None)
        tab.wait_for(f"{text('why')}.endsWith('20 of 60 s')")
        for changes, words in (
            ({"state": "lost"}, "look after the amplifier"),
            ({"paused": True}, "press Resume"),
            ({"state": "stopped"}, "rtbci report last"),
        ):
            told.status(**changes)
            tab.wait_for(f"{text('todo')}.includes('{words}')")
        assert tab.evaluate(text("best")) == "–"  # of a run that is over nothing is the newest


def test_it_says_whether_and_where_is_recorded(told: Told, browser: Chromium) -> None:
    pill = "document.getElementById('recording')"
    with browser.tab(told.url) as tab:
        told.say("hello")
        told.status(recording=None)
        tab.wait_for(f"{text('state')} === 'running' && {pill}.hidden")
        for recording, state, words in (
            (FOLDER, "recording", f"into {FOLDER}"),
            ("", "off", "nothing is recorded"),
            ("", "failed", "cannot be written"),
        ):
            if state == "failed":
                told.say("event", kind="recording_failed", value=FOLDER, data={"reason": "No space left"})
            told.status(recording=recording)
            tab.wait_for(f"{pill}.dataset.state === '{state}' && !{pill}.hidden")
            assert (FOLDER in tab.evaluate(f"{pill}.dataset.tip")) == (recording == FOLDER)
            tab.press("c")
            tab.wait_for(f"{text('findings')}.includes('{words}')")
            tab.press("Escape")
        told.status(recording=FOLDER)
        tab.wait_for(f"!{pill}.hidden")
        tab.wait_for(f"{text('state')} === 'run not heard' && {pill}.hidden")  # nobody knows any more


def test_one_channel_is_called_one(told: Told, browser: Chromium) -> None:
    with browser.tab(told.url) as tab:
        told.say("hello")
        told.status()

        def is_wanted() -> bool:
            told.publisher.poll()
            return told.publisher.signal_is_wanted

        wait_for(is_wanted, "the page's wish for the signal")
        session = SAMPLES["hello"].session
        one = signal_message(session=session, labels=("1",), is_read=(True,), bad={}, n_bins=6)
        told.publisher.send_signal(encode_signal(one))
        tab.wait_for(f"{text('signal-note')}.startsWith('1 channel, 1 read, ')")
        told.say("hello", session="another")  # of a run before it nothing is shown as this one's
        tab.wait_for(f"{text('signal-note')} === '' && {text('map-note')} === ''")
        ticks = "import('./spectrum.js').then(({ power }) => [null, 0.01, 1, 1000, 1e-5].map(power).join())"
        assert tab.evaluate(ticks) == ",10⁻²,1,1000,10⁻⁵"  # of what there is no room for: nothing
