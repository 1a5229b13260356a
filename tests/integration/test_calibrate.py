"""`rtbci calibrate` over LSL on loopback, with a synthetic user who does what the cues say."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("pyriemann", reason="decoders that compete: pip install 'rtbci[calibrate]'")
pytest.importorskip("jinja2", reason="the report: pip install 'rtbci[calibrate]'")

from rtbci.calibrate.record import read_record
from rtbci.calibrate.store import read_trials
from rtbci.probe.profile import read_profile
from rtbci.recipes import recipes_root

pytestmark = [pytest.mark.net, pytest.mark.slow, pytest.mark.timeout(300)]

RTBCI = (sys.executable, "-m", "rtbci.cli")
FASTER = {
    "arrow_s = 2.0": "arrow_s = 0.5",
    "shown_s = 1.25": "shown_s = 0.5",
    "imagery_s = 4.0": "imagery_s = 3.2",
    "pause_s = [1.5, 2.5]": "pause_s = [0.3, 0.4]",
    "rest_s = 20.0": "rest_s = 0.0",
}


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    return os.environ | {"XDG_DATA_HOME": str(tmp_path / "data"), "PYTHONUNBUFFERED": "1", "COLUMNS": "200"}


@pytest.fixture
def protocol(tmp_path: Path) -> Path:
    text = (recipes_root() / "paradigms" / "motor_imagery" / "protocol.toml").read_text()
    for old, new in FASTER.items():
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "protocol.toml"
    path.write_text(text)
    return path


@pytest.fixture
def amp(home: dict[str, str]) -> Iterator[str]:
    name = f"calibrate-{uuid.uuid4().hex[:8]}"
    command = [*RTBCI, "amp", "--name", name, "--follow", "rtbci-cues"]
    with subprocess.Popen(
        command, env=home, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        assert name in process.stdout.readline()
        yield name
        process.send_signal(signal.SIGINT)
        process.wait(20)


def folders(home: dict[str, str], user: str) -> list[Path]:
    root = Path(home["XDG_DATA_HOME"]) / "rtbci" / "calibrations" / "motor_imagery" / user
    return sorted(root.iterdir()) if root.is_dir() else []


def test_killed_in_the_middle_and_gone_on_with(amp: str, home: dict[str, str], protocol: Path) -> None:
    command = [
        *(*RTBCI, "calibrate", "--user", "ada", "--stream", amp, "--cues", "terminal", "--trials", "3"),
        *("--protocol", str(protocol), "--anyway"),
    ]
    first = subprocess.Popen(
        command,
        env=home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    end = time.monotonic() + 120.0
    while not folders(home, "ada") or len(list(folders(home, "ada")[0].glob("trial-*"))) < 2:
        assert first.poll() is None, first.communicate()[0]
        assert time.monotonic() < end, "no trial was kept"
        time.sleep(0.1)
    first.kill()
    first.communicate()
    (folder,) = folders(home, "ada")
    before = read_trials(folder)
    assert before.faults == []
    n_before = len(before.trials)
    second = subprocess.run(
        [*command, "--resume"],
        env=home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert second.returncode == 0, second.stdout + second.stderr
    assert f"going on after {n_before} trials" in second.stdout
    after = read_trials(folder).trials
    assert [one.i_trial for one in after] == list(range(len(after)))
    assert [one.t_cue for one in after[:n_before]] == [one.t_cue for one in before.trials]
    used = [one.i_class for one in after if one.accepted]
    assert min(used.count(0), used.count(1)) >= 3
    written = Path(home["XDG_DATA_HOME"]) / "rtbci" / "profiles" / "motor_imagery" / "ada" / "0001"
    profile, record = read_profile(written), read_record(written)
    assert profile.n_trials == len(used) == sum(one.accepted for one in record.trials)
    assert profile.decision is not None
    assert record.generation == 1
    assert (written / "report.html").stat().st_size > 20_000
    assert len(record.curve) >= 1


def test_without_a_stream_one_clear_line(home: dict[str, str]) -> None:
    command = [*RTBCI, "calibrate", "--stream", "nobody-sends-this", "--cues", "terminal"]
    found = subprocess.run(command, env=home, capture_output=True, text=True, timeout=100)
    assert found.returncode == 3
    assert "error:" in found.stderr
    assert "Traceback" not in found.stdout + found.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--cues", "smoke"], 2, "--cues: got 'smoke', need page, terminal, markers"),
        (["--map", "arrow"], 2, "need TEXT=CLASS"),
        (["--trials", "1"], 2, "need 2 or more"),
        (["--from", "nothing.edf"], 5, "nothing.edf"),
        (["--resume", "--user", "nobody", "--cues", "terminal", "--stream", "x"], 3, "LslSource"),
    ],
)
def test_what_makes_no_sense_is_told(
    home: dict[str, str], arguments: list[str], status: int, words: str
) -> None:
    found = subprocess.run(
        [*RTBCI, "calibrate", *arguments], env=home, capture_output=True, text=True, timeout=100
    )
    assert found.returncode == status, found.stdout + found.stderr
    assert words in found.stdout + found.stderr
