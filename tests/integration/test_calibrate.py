"""Calibrations over LSL on loopback: the synthetic user follows the cues; kills, resumption, markers, hot swap."""

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pylsl
import pytest
from rich.console import Console

from rtbci.calibrate.finish import Result
from rtbci.calibrate.store import newest_folder, read_trials
from rtbci.commands import calibrate_live
from rtbci.commands.calibrate import calibrate
from rtbci.commands.calibrate_base import Request
from rtbci.config import RunConfig
from rtbci.listing import counted
from rtbci.loopback.child import RtbciProcess
from rtbci.probe.profile import newest_profile, read_profile, write_profile
from rtbci.recipes import read_paradigm
from rtbci.replay.read import read_recordings
from rtbci.runtime.profiles import profiles_root
from tests.integration.live_runs import rtbci_run, wait_for
from tests.integration.lsl_outlets import marker_outlet, unique

pytestmark = [pytest.mark.net, pytest.mark.slow]

LOOK_S = 2.5
PATIENCE_S = 60.0
IMAGERY_S = 1.6
PROTOCOL = f"""
schema = 1
[timing]
arrow_s = 0.3
shown_s = 0.5
imagery_s = {IMAGERY_S}
pause_s = [0.3, 0.3]
tone = false
[trials]
per_class = 2
[breaks]
rest_s = 0.1
[stopping]
min_per_class = 2
[cues.left_hand]
symbol = "left"
text = "left hand"
[cues.right_hand]
symbol = "right"
text = "right hand"
"""
CALIBRATE = f"""
from rtbci.cli import main
from rtbci.commands import calibrate_live
calibrate_live.LOOK_S = {LOOK_S}
main()
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    (tmp_path / "protocol.toml").write_text(PROTOCOL)
    write_quick_paradigm(tmp_path / "quick")
    return tmp_path


def write_quick_paradigm(folder: Path) -> None:
    """Motor imagery with windows of 1 s instead of 3, so that a trial takes 3 s; its answers are not judged here."""
    recipe = read_paradigm("motor_imagery")
    assert recipe.population is not None
    folder.mkdir()
    text = (recipe.folder / "recipe.toml").read_text(encoding="utf-8")
    assert "length_s = 3.0" in text
    (folder / "recipe.toml").write_text(text.replace("length_s = 3.0", "length_s = 1.0"), encoding="utf-8")
    profile = read_profile(recipe.folder / recipe.population)
    n_left = profile.weights["encoder.weight"].shape[1] // 3
    shorter = {
        name: profile.weights[name][..., :n_left] for name in ("encoder.weight", "encoder.feature_scale")
    }
    write_profile(
        folder / recipe.population,
        msgspec.structs.replace(
            profile, window_samples=profile.window_samples // 3, weights=profile.weights | shorter
        ),
    )


@contextmanager
def amplifier(name: str, cues: str) -> Iterator[None]:
    """A synthetic user that does what a marker stream says."""
    with RtbciProcess(["amp", "--name", name, "--follow", cues]) as process:
        process.wait_line(f"stream '{name}'", PATIENCE_S)
        yield


class Calibrating:
    """`rtbci calibrate` in a process of its own, its cues as lines of text."""

    def __init__(self, home: Path, name: str, cues: str, *more: str) -> None:
        command = [sys.executable, "-c", CALIBRATE, "calibrate", "--user", "ada", "--stream", name]
        command += [
            "--paradigm",
            str(home / "quick"),
            "--cues",
            "terminal",
            "--cue-stream",
            cues,
            "--protocol",
            str(home / "protocol.toml"),
        ]
        self.process = subprocess.Popen(
            [*command, *more],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said: list[str] = []
        self._thread = threading.Thread(target=self._listen, name="calibrate-output")
        self._thread.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        self.said.extend(iter(self.process.stdout.readline, ""))

    @property
    def text(self) -> str:
        return "".join(self.said)

    def wait_line(self, text: str) -> None:
        wait_for(
            lambda: text in self.text or self.process.poll() is not None, f"{text!r}: {self.text}", PATIENCE_S
        )
        assert text in self.text, self.text

    def wait(self) -> int:
        status = self.process.wait(PATIENCE_S)
        self._thread.join(PATIENCE_S)
        return status

    def __enter__(self) -> "Calibrating":
        return self

    def __exit__(self, *exc: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.mark.skipif(os.name != "posix", reason="kills a process")
def test_killed_in_a_trial_resumed_and_put_to_use_by_a_run(home: Path) -> None:
    name, cues = unique("amp"), unique("cues")
    with amplifier(name, cues):
        with Calibrating(home, name, cues) as first:
            first.wait_line("trial 2: ")
            wait_for(lambda: newest_folder("motor_imagery", "ada"), "the first trial", PATIENCE_S)
            first.process.kill()
            assert first.wait() == -signal.SIGKILL
        folder = newest_folder("motor_imagery", "ada")
        assert folder is not None
        before = read_trials(folder).trials
        assert before
        assert all(one.accepted for one in before)
        with rtbci_run(
            "--paradigm", home / "quick", "--stream", name, "--markers", "none", "--user", "ada", "--follow"
        ) as run:
            with Calibrating(home, name, cues, "--resume", "--anyway") as again:
                assert again.wait() == 0, again.text
            run.wait_line("profile swapped: ada")
            status, said = run.end()
        assert status == 0, said
    assert f"going on after {counted(len(before), 'trial')}" in again.text
    assert "Traceback" not in first.text + again.text
    found = read_trials(folder)
    assert found.faults == []
    assert [one.i_trial for one in found.trials] == list(range(len(found.trials)))
    accepted = [one.i_class for one in found.trials if one.accepted]
    assert sorted(accepted) == [0, 0, 1, 1]
    profile = read_profile(profiles_root("motor_imagery") / "ada" / "0001")
    assert (profile.user, profile.n_trials) == ("ada", 4)


def wait_for_second_imagery(cues: str) -> None:
    """Until the second trial's imagery has begun: its cue is taken note of by then, which its line of text is ahead of."""
    (found,) = pylsl.resolve_byprop("name", cues, timeout=PATIENCE_S)
    inlet, texts = pylsl.StreamInlet(found), list[str]()
    inlet.open_stream(PATIENCE_S)

    def has_begun() -> bool:
        texts.extend(text for (text,) in inlet.pull_chunk()[0] or ())
        return texts.count("imagery") == 2

    wait_for(has_begun, "the second trial", PATIENCE_S)
    inlet.close_stream()


def test_an_interrupt_keeps_what_was_done(home: Path) -> None:
    name, stream = unique("amp"), unique("cues")
    with amplifier(name, stream), Calibrating(home, name, stream, "--record") as one:
        wait_for_second_imagery(stream)
        one.process.send_signal(signal.SIGINT)
        assert one.wait() == 130, one.text
    (session,) = (home / "data" / "rtbci" / "sessions").iterdir()
    (recording,) = read_recordings(session / "session.xdf")
    cues = [one.t_lsl for one in recording.markers if one.value in ("left_hand", "right_hand")]
    assert recording.duration_s > cues[0] + IMAGERY_S  # the whole of the trial that is kept
    assert "recorded " in one.text
    assert (
        f"stopped: usable trials kept: 1; go on with `rtbci calibrate --paradigm {home / 'quick'} --user ada"
        in one.text
    )
    folder = newest_folder("motor_imagery", "ada")
    assert folder is not None
    assert [one.reason for one in read_trials(folder).trials] == ["", "stopped"]


def test_somebody_elses_markers(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrate_live, "LOOK_S", LOOK_S)
    name, cues = unique("amp"), unique("cues")
    outlet, over, file = marker_outlet(cues), threading.Event(), io.StringIO()

    def experiment() -> None:
        """Arrows of its own words, from when they are followed."""
        wait_for(lambda: "following markers" in file.getvalue(), "calibration", PATIENCE_S)
        over.wait(1.5)  # until its inlet is there
        for i in range(9):
            for text, seconds in ((("<-", "->")[i % 2], 1.8), ("rest", 0.4)):
                outlet.push_sample([text], pylsl.local_clock())
                if over.wait(seconds):
                    return

    config = RunConfig.model_validate(
        {
            "paradigm": str(home / "quick"),
            "user": "ada",
            "stream": {"name": name, "markers": cues, "map": ["<-=left_hand", "->=right_hand"]},
        }
    )
    request = Request(
        cues="markers",
        anyway=True,
        protocol=home / "protocol.toml",
    )
    thread = threading.Thread(target=experiment, name="experiment")
    with amplifier(name, cues):
        thread.start()
        try:
            t_begin = time.monotonic()
            result = calibrate(config, request, Console(file=file, width=200))
        finally:
            over.set()
            thread.join(PATIENCE_S)
    assert time.monotonic() - t_begin < PATIENCE_S
    assert isinstance(result, Result)
    assert result.folder == newest_profile(profiles_root("motor_imagery"), "ada")
    cued = [one.cue for one in result.record.trials if one.accepted]
    assert cued == [("left_hand", "right_hand")[i % 2] for i in range(len(cued))]
    assert "marker 'rest' names no class" in file.getvalue()
