"""The loop of a speller, closed: the page in a browser, a synthetic user who sees it, the run that decides, and the text."""

import io
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

pytest.importorskip("starlette", reason="the page's packages are not installed: pip install '.[calibrate]'")
pytest.importorskip("pyriemann", reason="pyRiemann is not installed: pip install '.[calibrate]'")

from rtbci.amp.flashes import Attention
from rtbci.amp.outlet import AmpOutlet
from rtbci.amp.source import AmpSource
from rtbci.amp.synthetic import SyntheticAmp
from rtbci.calibrate.markers_out import CueMarkers
from rtbci.commands.calibrate_base import Request
from rtbci.commands.calibrate_flashes import calibrate_flashes
from rtbci.commands.demo_speller import calibrated, record_letters
from rtbci.commands.run import lsl_factory
from rtbci.commands.speller_verbs import open_page
from rtbci.config import RunConfig
from rtbci.probe.profile import Profile, read_profile
from rtbci.publish.zmq_publisher import Publisher
from rtbci.recipes import ParadigmRecipe, read_paradigm
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.live import LiveRun
from rtbci.speller.decisions import HeardDecisions
from rtbci.speller.session import Plan, Session
from rtbci.stream.lsl_markers import MarkerInlet
from tests.integration import live_runs
from tests.integration.browser import Chromium
from tests.integration.lsl_outlets import unique

pytestmark = [pytest.mark.net, pytest.mark.clock, pytest.mark.slow]

GRID = (("A", "B", "C"), ("D", "E", "backspace"))


@pytest.fixture(scope="module")
def recipe() -> ParadigmRecipe:
    """The shipped one, with a grid of six: five groups flash, so that letters take seconds."""
    shipped = read_paradigm("p300")
    assert shipped.flashes is not None
    flashes = shipped.flashes.model_copy(update={"grid": GRID, "max_repetitions": 5, "min_flashes": 10})
    return shipped.model_copy(
        update={"classes": tuple(item for row in GRID for item in row), "flashes": flashes}
    )


@pytest.fixture(scope="module")
def attention(recipe: ParadigmRecipe) -> Attention:
    """Of a user who answers strongly."""
    assert recipe.flashes is not None
    return Attention(recipe.flashes.named_groups(recipe.classes), repetitions=5, p300_uv=25.0)


@pytest.fixture(scope="module")
def profile(recipe: ParadigmRecipe, attention: Attention) -> Profile:
    wanted = (*"ABCDE", "backspace", "A", "C")
    amp = SyntheticAmp(recipe.input.channels, 250.0, seed=3, attention=replace(attention, wanted=wanted))
    contest = calibrated(recipe, record_letters(amp, len(wanted)))
    assert contest.usable
    return contest.profile


@contextmanager
def watching(recipe: ParadigmRecipe, attention: Attention, name: str, markers: str) -> Iterator[SyntheticAmp]:
    """A synthetic user who sees what the markers tell, on LSL."""
    amp = SyntheticAmp(recipe.input.channels, 250.0, seed=3, cues=False, attention=attention, name=name)
    source, stop = AmpSource(amp), threading.Event()
    inlet = MarkerInlet(amp.info, markers)
    inlet.open()

    def see(_n_sent: int) -> None:
        for marker in inlet.pull(0.0):
            amp.tell(marker.value, source.sample_at(marker.t_lsl))

    thread = threading.Thread(target=AmpOutlet(source).run, args=(stop, see), name="synthetic-user")
    thread.start()
    try:
        yield amp
    finally:
        stop.set()
        thread.join()
        inlet.close()


@contextmanager
def deciding(recipe: ParadigmRecipe, profile: Profile, name: str, markers: str) -> Iterator[str]:
    """A run on that stream; its address."""
    config = RunConfig.model_validate({"stream": {"name": name, "markers": markers, "timeout_s": 20.0}})
    stop = threading.Event()
    with Publisher(live_runs.ANY_PORT) as publisher, Decoder(recipe, profile=profile) as decoder:
        run = LiveRun(config, decoder, lsl_factory(config), [publisher])
        thread = threading.Thread(target=run.run, args=(stop,), name="run")
        thread.start()
        try:
            yield publisher.address
        finally:
            stop.set()
            thread.join()


def test_a_synthetic_user_spells_on_the_page(
    recipe: ParadigmRecipe, attention: Attention, profile: Profile, browser: Chromium
) -> None:
    name, markers, said = unique("speller-amp"), unique("speller-markers"), list[str]()
    stop = threading.Event()
    with ExitStack() as stack:
        outlet = stack.enter_context(CueMarkers(markers, markers))
        page = stack.enter_context(open_page(recipe, said.append))
        stack.enter_context(watching(recipe, attention, name, markers))
        address = stack.enter_context(deciding(recipe, profile, name, markers))
        decisions = stack.enter_context(HeardDecisions(address, recipe.classes))
        tab = stack.enter_context(browser.tab(page.url))
        live_runs.wait_for(lambda: decisions.is_there, "the run")
        plan = Plan(("D", "backspace", "C"), 5, 4.0, cue_s=1.0, lead_s=0.5, pause_s=0.5)
        session = Session(page, outlet, decisions, plan, said.append)
        thread = threading.Thread(target=session.run, args=(stop,), name="speller")
        thread.start()
        tab.wait_for(
            "document.body.dataset.step === 'start' && !document.getElementById('go').disabled", 60.0
        )
        live_runs.wait_for(lambda: outlet.has_consumers, "who hears the markers")
        tab.press("Space")
        tab.wait_for("document.body.dataset.step === 'done'", 120.0)
        stop.set()
        thread.join()
        text = tab.evaluate("document.getElementById('text').textContent")
    assert [(one.wanted, one.chosen) for one in session.score.letters] == [
        ("D", "D"),
        ("backspace",) * 2,
        ("C", "C"),
    ]
    assert session.text == text == "C"
    assert all(10 <= one.n_flashes <= 25 for one in session.score.letters)
    assert page.measured()["clock_error_ms"] < 20.0


def test_a_synthetic_user_is_calibrated_on_the_page(
    recipe: ParadigmRecipe,
    attention: Attention,
    browser: Chromium,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    name, markers = unique("speller-amp"), unique("speller-cues")
    stream = {"name": name, "timeout_s": 20.0}
    config = RunConfig.model_validate({"paradigm": recipe.name, "user": "ada", "stream": stream})
    request = Request(cues="page", n_trials=3, browser=False, cue_stream=markers)
    console = Console(file=io.StringIO(), width=200)
    assert isinstance(console.file, io.StringIO)

    def press_start() -> None:
        said = console.file
        assert isinstance(said, io.StringIO)
        live_runs.wait_for(lambda: "letters: http" in said.getvalue(), "the page")
        url = re.findall(r"letters: (http\S+)", said.getvalue())[0]
        with browser.tab(url) as tab:
            tab.wait_for(
                "document.body.dataset.step === 'start' && !document.getElementById('go').disabled", 60.0
            )
            tab.press("Space")
            tab.wait_for("document.body.dataset.step === 'done'", 120.0)

    with watching(recipe, attention, name, markers), ThreadPoolExecutor(1, "browser") as pool:
        pressed = pool.submit(press_start)
        profile = read_profile(calibrate_flashes(config, request, recipe, console))
        pressed.result(10.0)
    assert (profile.user, profile.n_trials, profile.generation) == ("ada", 3, 1)
    assert "item 3 of 3" in console.file.getvalue()
