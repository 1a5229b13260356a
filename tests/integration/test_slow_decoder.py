"""`rtbci run` with a plug-in that is slower than its stream, or hangs: the recording has every sample and marker."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pylsl
import pytest

from rtbci.record.signal import main_stream
from rtbci.record.xdf_format import SESSION_XDF
from rtbci.record.xdf_read import XdfFile, read_xdf_file
from rtbci.verify.verify import verify
from tests.integration.live_runs import Process, SignalOutlet, rtbci_run, wait_for
from tests.integration.lsl_outlets import marker_outlet, unique
from tests.plugin_samples import install, write_plugin_engine
from tests.tiny import write_paradigm

pytestmark = [pytest.mark.net, pytest.mark.clock, pytest.mark.slow, pytest.mark.timeout(400)]

CODE = """
import os
import time

import numpy as np

class Tardy:
    "Compares log powers; once a file is there, it takes its time, or does not return."

    def __init__(self, contract):
        self.settings = contract.settings

    def run(self, x):
        if os.path.exists(self.settings["when"]):
            t_end = time.perf_counter() + self.settings["takes_s"]
            while self.settings["burns"] and time.perf_counter() < t_end:
                pass
            time.sleep(max(0.0, t_end - time.perf_counter()))
        power = np.log((x.astype(np.float64) ** 2).mean(axis=2) + 1e-6)
        return power[:, [0, -1]].astype(np.float32)
"""


@pytest.fixture
def when(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file that makes the plug-in slow, whose package a process finds, too."""
    install(tmp_path / "site", monkeypatch, "tardy", CODE, {"rtbci.encoders": {"tardy": "tardy:Tardy"}})
    path = os.pathsep.join(one for one in (str(tmp_path / "site"), os.environ.get("PYTHONPATH", "")) if one)
    monkeypatch.setenv("PYTHONPATH", path)
    yield tmp_path / "slow"
    sys.modules.pop("tardy", None)


def tardy(tmp_path: Path, when: Path, takes_s: float, *, burns: bool = False) -> Path:
    """A paradigm with the plug-in; its hop is 62.5 ms."""
    paradigm = write_paradigm(tmp_path / "tiny")
    (engine,) = [path.parent for path in tmp_path.rglob("engine.onnx")]
    settings = f'when = "{when.as_posix()}"\ntakes_s = {takes_s}\nburns = {str(burns).lower()}'
    write_plugin_engine(engine, "tardy", settings)
    return paradigm


def session_of(run: Process) -> Path:
    (line,) = [line for line in run.said if line.startswith("record:")]
    return Path(line.removeprefix("record:").partition("  (")[0].strip())


def check_signal(file: XdfFile, outlet: SignalOutlet, t_stop: float, lost_s: float = 0.0) -> None:
    """All that was sent from the first sample on until the stop is there, in order, to the bit."""
    recorded = main_stream(file, "x")
    i_first = outlet.i_first(recorded.values)
    rows = np.take(outlet.rows, range(i_first, i_first + len(recorded.t_s)), axis=0, mode="wrap")
    np.testing.assert_array_equal(recorded.values, rows)
    # A chunk of the outlet is under way for a moment.
    assert recorded.t_s[-1] > t_stop - lost_s - 0.06


@pytest.mark.parametrize(("takes_s", "burns"), [(0.6, True), (1e4, False)], ids=["burns", "hangs"])
def test_every_sample_and_marker_until_the_stop_is_recorded(
    tmp_path: Path, when: Path, takes_s: float, burns: bool
) -> None:
    paradigm, name = tardy(tmp_path, when, takes_s, burns=burns), unique("cues")
    cues = marker_outlet(name)
    told: list[str] = []
    with (
        SignalOutlet() as outlet,
        rtbci_run(
            "--paradigm",
            paradigm,
            "--source-id",
            outlet.source_id,
            "--markers",
            name,
            "--record",
            tmp_path / "d",
        ) as run,
    ):
        run.wait_line("state: running")
        wait_for(cues.have_consumers, "somebody who reads the markers")
        when.touch()
        for k in range(40):
            told.append(f"m{k}")
            cues.push_sample([told[-1]])
            time.sleep(0.1)
        t_stop = pylsl.local_clock()
        status, said = run.end()
    assert status == 0, said
    assert ("the decoder had not returned from a window" in said) == (takes_s > 100)
    folder = session_of(run)
    file = read_xdf_file(folder / SESSION_XDF)
    assert not file.damages
    check_signal(file, outlet, t_stop)
    markers = file.named("rtbci-markers")
    assert markers is not None
    assert markers.texts[-30:] == told[-30:]  # LSL gives a new listener none of its first half second
    when.unlink()  # what a window is does not hang on how long it takes
    found = verify(folder)
    assert (found.verdict, found.first) == ("identical", None)
    if takes_s < 100:
        assert ", 0 windows skipped" not in said
        assert found.n_compared > 5


@pytest.mark.skipif(os.name != "posix", reason="Windows has no SIGKILL")
def test_a_run_that_is_killed_in_a_slow_window_has_lost_less_than_a_second_and_goes_on(
    tmp_path: Path, when: Path
) -> None:
    paradigm = tardy(tmp_path, when, 1e4)
    with SignalOutlet() as outlet:
        with rtbci_run(
            "--paradigm", paradigm, "--source-id", outlet.source_id, "--record", tmp_path / "d"
        ) as run:
            run.wait_line("state: running")
            when.touch()
            run.wait_line("the decoder does not return from a window")
            time.sleep(2.0)
            t_stop = pylsl.local_clock()
            run.end(signal.SIGKILL)
        folder = session_of(run)
        check_signal(read_xdf_file(folder / SESSION_XDF, until_damage=True), outlet, t_stop, lost_s=1.0)
        when.unlink()
        with rtbci_run("--resume", "--record", tmp_path / "d") as again:
            again.wait_line("resumed: session ")
            again.wait_line("state: running")
            status, said = again.end()
    assert status == 0, said
    found = verify(folder)
    assert (found.verdict, found.n_runs, found.first) == ("identical", 2, None)
