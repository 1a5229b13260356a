"""Calibration on the flicker page over LSL: a synthetic user sees what a played page shows, and the profile decodes a run."""

import io
import re
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

pytest.importorskip("starlette", reason="the page's packages are not installed: pip install '.[calibrate]'")
pytest.importorskip("pyriemann", reason="pyRiemann is not installed: pip install '.[calibrate]'")

from rtbci.calibrate.features import read_trial
from rtbci.calibrate.finish import Result
from rtbci.calibrate.flicker_user import flicker_candidates
from rtbci.calibrate.markers_out import CueMarkers
from rtbci.calibrate.store import newest_folder, read_trials
from rtbci.calibrate.trial import CalibrationTrial
from rtbci.clock import now
from rtbci.commands import calibrate_live, flicker_verbs
from rtbci.commands.calibrate import calibrate
from rtbci.commands.calibrate_base import Request
from rtbci.commands.run import lsl_factory
from rtbci.config import RunConfig
from rtbci.errors import ConfigError
from rtbci.flicker.page.flicker_page import open_page
from rtbci.flicker.session import run_session
from rtbci.loopback.child import RtbciProcess
from rtbci.probe.profile import Profile, read_profile
from rtbci.recipes import ParadigmRecipe, read_paradigm
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.live import LiveRun
from rtbci.web.counted_page import MIN_FRAMES
from tests.integration.live_runs import wait_for
from tests.integration.lsl_outlets import unique
from tests.integration.played_pages import Say, playing
from tests.tiny import Kept

LOOK_S, PATIENCE_S, FRAME_S = 2.5, 300.0, 1 / 60
ADDRESS = re.compile(r"flicker: (http\S+)")
PROTOCOL = """
schema = 1
[timing]
tone = false
arrow_s = 0.5
shown_s = 1.0
imagery_s = 2.7
pause_s = [0.4, 0.4]
[trials]
per_class = 2
[breaks]
rest_s = 0.1
[stopping]
min_per_class = 2
[cues.13hz]
symbol = "left"
text = "13 Hz"
[cues.17hz]
symbol = "right"
text = "17 Hz"
[cues.idle]
symbol = "circle"
text = "no target"
"""

SHORT = {
    'name = "ssvep"': 'name = "short"',
    'classes = ["13hz", "17hz", "21hz", "idle"]': 'classes = ["13hz", "17hz", "idle"]',
    "frequencies_hz = [13.0, 17.0, 21.0, 0.0]": "frequencies_hz = [13.0, 17.0, 0.0]",
    "length_s = 4.0": "length_s = 2.0",
    "lengths_s = [1.0, 2.0, 3.0, 4.0]": "lengths_s = [0.5, 1.0, 1.5, 2.0]",
    '21hz = ["21hz", "3"]': "",
}
"""Two targets and windows half as long: what is tested here takes as long as the trials do."""


@contextmanager
def shown(url: str) -> Iterator[list[str]]:
    """A page of 60 frames a second whose user presses the start key whenever it is asked for."""
    steps: list[str] = []
    begun: list[float] = []

    def answer(message: dict[str, Any], say: Say) -> None:
        if message["type"] == "flickers":
            say("frames", dt_ms=[1e3 * FRAME_S] * MIN_FRAMES)
            say("start")
        elif message["type"] == "ready":
            say("start")
        elif message["type"] == "order":
            t_frame, step = now(), message["step"]
            steps.append(step)
            if step == "flicker":
                begun[:] = [t_frame]
            elif step in ("look", "dark", "break", "done"):
                begun.clear()
            counted = {"i_frame": round((t_frame - begun[0]) / FRAME_S)} if begun else {}
            t_frame = begun[0] + counted["i_frame"] * FRAME_S if begun else t_frame
            say("shown", id=message["id"], frame_ms=1e3 * t_frame, **counted)

    with playing(url, answer):
        yield steps


@pytest.mark.net
@pytest.mark.clock
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_who_sees_the_flicker_is_calibrated_and_decoded_at_its_phase(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr(calibrate_live, "LOOK_S", LOOK_S)
    (tmp_path / "protocol.toml").write_text(PROTOCOL)
    recipe = short_recipe(tmp_path / "short")
    paradigm = str(recipe.folder)
    name, cues, said = unique("flicker-amp"), unique("flicker-cues"), io.StringIO()
    config = RunConfig.model_validate({"paradigm": paradigm, "user": "ada", "stream": {"name": name}})
    request = Request(browser=False, cue_stream=cues, protocol=tmp_path / "protocol.toml", anyway=True)
    over, seen = threading.Event(), list[str]()

    def look() -> None:
        wait_for(lambda: over.is_set() or ADDRESS.search(said.getvalue()), "the page's address", PATIENCE_S)
        found = ADDRESS.search(said.getvalue())
        if found is not None:
            with shown(found[1]) as steps:
                over.wait(PATIENCE_S)
                wait_for(lambda: "done" in steps, "the end", 30.0)
            seen.extend(steps)

    with RtbciProcess(["amp", "--paradigm", paradigm, "--name", name, "--follow", cues]) as amp:
        amp.wait_line(f"stream '{name}'", PATIENCE_S)
        looking = threading.Thread(target=look, name="user")
        looking.start()
        try:
            result = calibrate(config, request, Console(file=said, width=300))
        finally:
            over.set()
            looking.join()
        assert isinstance(result, Result)
        assert seen[-1] == "done"
        assert {"look", "flicker", "count", "dark"} <= set(seen)
        folder = newest_folder("short", "ada")
        assert folder is not None
        trials = [one for one in read_trials(folder).trials if one.accepted]
        assert len(trials) >= 6
        lags = np.concatenate([one.flicker_s - (one.t_newest - one.t_cue) for one in trials])
        assert np.abs(lags).max() < 0.02  # a stamp of a hop, and a frame
        notes = {one.name: one.note for one in result.fit.candidates}
        assert notes["TRCA + CCA"] == notes["TRCA"] == ""
        assert result.folder is not None
        with Decoder(recipe, profile=result.folder) as decoder:
            assert decoder.profile is not None
            assert decoder.profile.user == "ada"
        kept, stop = Kept(), threading.Event()
        stream = config.stream.model_copy(update={"markers": cues})
        config = config.model_copy(update={"stream": stream})
        with (
            CueMarkers(cues, cues) as markers,
            open_page(recipe) as page,
            Decoder(recipe, profile=with_templates(recipe, trials)) as decoder,
        ):
            live = LiveRun(config, decoder, lsl_factory(config), [kept])
            threads = [
                threading.Thread(target=live.run, args=(stop,), name="run"),
                threading.Thread(
                    target=run_session, args=(page, markers, 0, 0, None, stop, lambda _line: None)
                ),
            ]
            for thread in threads:
                thread.start()
            try:
                wait_for(lambda: kept.events("phase_unknown"), "that no flicker was heard", PATIENCE_S)
                with shown(page.url):
                    wait_for(lambda: kept.events("phase_known"), "the flicker's phase", PATIENCE_S)
            finally:
                stop.set()
                for thread in threads:
                    thread.join()


def short_recipe(folder: Path) -> ParadigmRecipe:
    """A copy of the shipped paradigm, as `SHORT` has it, with the shipped weights."""
    shutil.copytree(read_paradigm("ssvep").folder, folder)
    text = (folder / "recipe.toml").read_text()
    for old, new in SHORT.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    (folder / "recipe.toml").write_text(text)
    flicker_verbs.write(folder, "ssvep", force=True, console=Console(file=io.StringIO()))
    return read_paradigm(str(folder))


def with_templates(recipe: ParadigmRecipe, trials: Sequence[CalibrationTrial]) -> Profile:
    """What has templates, whatever so few trials were found to speak for."""
    assert recipe.population_folder is not None
    population = read_profile(recipe.population_folder)
    candidate = flicker_candidates(population)[-1]
    assert candidate.name == "TRCA + CCA"
    return candidate.fit([read_trial(population, {}, one) for one in trials]).profile()


def test_a_terminal_cannot_show_flicker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    config = RunConfig.model_validate({"paradigm": "ssvep", "user": "ada"})
    with pytest.raises(ConfigError, match="--cues: got 'terminal', need page or markers"):
        calibrate(config, Request(cues="terminal"), Console(file=io.StringIO()))
