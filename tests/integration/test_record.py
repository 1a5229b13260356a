"""`rtbci run` records: real streams, real kills."""

import importlib.util
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import mne
import msgspec
import numpy as np
import pylsl
import pytest
import pyxdf

from rtbci.publish.messages import Prediction
from rtbci.recipes import read_paradigm
from rtbci.record.export import export_session
from rtbci.record.repair import repair_xdf
from rtbci.record.session_json import read_session_json, recipe_sha256
from rtbci.record.sessions import list_sessions
from rtbci.record.signal import chunks_of, main_stream, stream_info_of
from rtbci.record.streams import CLOCK_NAME, topic_stream
from rtbci.record.xdf_format import SESSION_XDF
from rtbci.record.xdf_read import XdfFile, read_xdf_file
from rtbci.replay.read import read_recordings
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.stamp_clock import AHEAD_S
from rtbci.stages.stage import FloatArray
from rtbci.verify.verify import verify
from tests.integration.live_runs import Process, SignalOutlet, rtbci_run, wait_for
from tests.tiny import LABELS, write_paradigm

pytestmark = pytest.mark.net


@pytest.fixture
def paradigm(tmp_path: Path) -> Path:
    return write_paradigm(tmp_path / "tiny")


def _folder(run: Process) -> Path:
    (line,) = [line for line in run.said if line.startswith("record:")]
    return Path(line.removeprefix("record:").partition("  (")[0].strip())


def _wait_recorded(run: Process, n_bytes: int) -> Path:
    run.wait_line("state: running")
    run.wait_line("record:")
    path = _folder(run) / SESSION_XDF
    wait_for(lambda: path.stat().st_size > n_bytes, "a recording of some seconds")
    return path


def test_a_run_is_recorded_and_its_chunks_give_the_same_predictions(paradigm: Path, tmp_path: Path) -> None:
    with (
        SignalOutlet(chunk=7) as outlet,
        rtbci_run(
            "--paradigm",
            paradigm,
            "--user",
            "ada",
            "--source-id",
            outlet.source_id,
            "--record",
            tmp_path / "d",
        ) as run,
    ):
        path = _wait_recorded(run, 60_000)
        status, said = run.end()
    assert status == 0, said
    assert "recorded " in said
    assert "NOT" not in said
    (kept,) = list_sessions(tmp_path / "d")
    assert kept.folder == path.parent
    assert kept.folder.name.endswith("-tiny-ada")
    record = read_session_json(kept.folder)
    assert record.ended is not None
    assert record.ended.n_samples_lost == record.ended.n_messages_lost == 0
    assert record.recipe_sha256 == recipe_sha256(read_paradigm(str(paradigm)))

    file = read_xdf_file(path)
    assert not file.damages
    recorded = main_stream(file, "x")
    assert len(recorded.t_s) == record.ended.n_samples
    i_first = outlet.i_first(recorded.values)
    rows = outlet.rows[i_first : i_first + len(recorded.t_s)]
    np.testing.assert_array_equal(recorded.values, rows)
    stamps = outlet.stamps(i_first, i_first + len(rows))
    np.testing.assert_allclose(recorded.t_s - _corrections(file, recorded.t_s), stamps, rtol=0, atol=1e-8)
    (theirs,) = [
        one
        for one in pyxdf.load_xdf(str(path), dejitter_timestamps=False)[0]
        if one["info"]["type"] == ["EEG"]
    ]
    np.testing.assert_array_equal(theirs["time_series"], rows)
    np.testing.assert_array_equal(theirs["time_stamps"], recorded.t_s)
    described = theirs["info"]["desc"][0]["channels"][0]["channel"]
    assert [one["label"][0] for one in described] == list(LABELS)
    assert [one["unit"][0] for one in described] == ["microvolts"] * 3
    assert theirs["info"]["uid"]  # the stream's own XML, as LSL gives it

    published = file.named(topic_stream("prediction"))
    assert published is not None
    predictions = [msgspec.json.decode(text, type=Prediction) for text in published.texts]
    assert [one.seq for one in predictions] == list(range(len(predictions)))
    with Decoder(str(paradigm)) as decoder:
        decoder.open(stream_info_of(recorded))
        verdicts = [one for chunk in chunks_of(recorded) for one in decoder.push(chunk.data, chunk.t_lsl)]
    found = verify(path.parent)
    assert (found.verdict, found.n_compared) == ("identical", len(predictions))
    # Windows that came all at once at the start may have been skipped; the others are here, to the last bit.
    of_window = {verdict.estimate.t_window: verdict for verdict in verdicts}
    assert len(predictions) > 20
    for prediction in predictions:
        probs = of_window[prediction.t_window].estimate.probs
        assert (None if probs is None else tuple(probs.tolist())) == prediction.probs

    statuses = file.named(topic_stream("status"))
    assert statuses is not None
    assert json.loads(statuses.texts[-1])["state"] == "stopped"
    (recording,) = read_recordings(path)
    np.testing.assert_array_equal(recording.data, rows)

    if importlib.util.find_spec("edfio") is not None:
        export_session(path.parent, "edf", tmp_path / "a.edf")
        raw: Any = mne.io.read_raw_edf(tmp_path / "a.edf", verbose="ERROR")
        np.testing.assert_allclose(1e6 * raw.get_data()[:, : len(rows)].T, rows, rtol=0, atol=0.01)


def _corrections(file: XdfFile, t_s: FloatArray) -> FloatArray:
    """Clock correction that each sample was given, as the file tells it, in seconds: on a busy computer that is milliseconds."""
    told = file.named(CLOCK_NAME)
    assert told is not None
    begins = np.searchsorted(t_s, told.t_s)
    np.testing.assert_array_equal(t_s[begins], told.t_s)  # from a sample on, the first of them from the first
    assert begins[0] == 0
    corrections = np.asarray(told.values, np.float64)[:, 0]
    assert np.abs(corrections).max() < AHEAD_S  # one clock
    return corrections[np.searchsorted(told.t_s, t_s, side="right") - 1]


def test_a_killed_run_has_lost_less_than_a_second_and_goes_on(paradigm: Path, tmp_path: Path) -> None:
    with SignalOutlet() as outlet:
        with rtbci_run(
            "--paradigm", paradigm, "--source-id", outlet.source_id, "--record", tmp_path / "d"
        ) as run:
            path = _wait_recorded(run, 40_000)
            t_killed = pylsl.local_clock()
            run.end(signal.SIGKILL)
        file = read_xdf_file(path)
        recorded = main_stream(file, "x")
        assert t_killed - recorded.t_s[-1] < 1.0
        i_first = outlet.i_first(recorded.values)
        np.testing.assert_array_equal(recorded.values, outlet.rows[i_first : i_first + len(recorded.t_s)])
        assert read_session_json(path.parent).ended is None
        repair_xdf(path)
        streams, _ = pyxdf.load_xdf(str(path))
        assert all("footer" in one for one in streams)

        with rtbci_run("--resume", "--record", tmp_path / "d") as again:
            again.wait_line("resumed: session ")
            again.wait_line("state: running")
            refused = subprocess.run(
                [sys.executable, "-m", "rtbci.cli", "run", "--resume", "--record", str(tmp_path / "d")],
                capture_output=True,
                text=True,
                check=False,
            )
            status, said = again.end()
    assert status == 0, said
    assert refused.returncode == 5
    assert "is being recorded by another process" in refused.stderr
    signal_now = main_stream(read_xdf_file(path), "x")
    np.testing.assert_array_equal(signal_now.t_s[: len(recorded.t_s)], recorded.t_s)
    assert len(signal_now.t_s) > len(recorded.t_s)
    streams, _ = pyxdf.load_xdf(str(path))
    assert sum(one["info"]["type"] == ["EEG"] for one in streams) == 1
    found = verify(path.parent)
    assert (found.verdict, found.n_runs, found.first) == ("identical", 2, None)


def test_without_a_place_to_record_it_says_so_and_decodes(paradigm: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with (
        SignalOutlet() as outlet,
        rtbci_run(
            "--paradigm", paradigm, "--source-id", outlet.source_id, "--record", tmp_path / "file"
        ) as run,
    ):
        run.wait_line("record:")
        run.wait_line("NOT RECORDING, tried again every second: ")
        run.wait_line("state: running")
        status, said = run.end()
    assert status == 5, said
    assert "NOT RECORDING (" in said
    assert "NOT recorded: " in said
    assert "not all was recorded (Not a directory), need a folder on a disk with space" in said


@pytest.mark.skipif(os.name != "posix", reason="Windows does not remove what is open")
def test_a_folder_that_is_removed_meanwhile_is_whole_again(paradigm: Path, tmp_path: Path) -> None:
    root = tmp_path / "d"
    with (
        SignalOutlet() as outlet,
        rtbci_run("--paradigm", paradigm, "--source-id", outlet.source_id, "--record", root) as run,
    ):
        run.wait_line("state: running")
        shutil.rmtree(root)
        run.wait_line("NOT RECORDING, tried again every second: ")
        run.wait_line("recording again: ")
        status, said = run.end()
    assert status == 0, said
    (folder,) = root.iterdir()
    found = verify(folder)
    assert (found.verdict, found.first) == ("identical", None)
    recorded = re.search(r"recorded (\d+) samples", said)
    assert recorded is not None
    assert len(main_stream(read_xdf_file(folder / SESSION_XDF), "x").t_s) == int(recorded[1])


@pytest.mark.skipif(
    signal.getsignal(getattr(signal, "SIGHUP", signal.SIGINT)) is signal.SIG_IGN or os.name != "posix",
    reason="the tests run without a terminal (nohup), or on Windows, which knows no SIGHUP",
)
def test_a_terminal_that_goes_away_stops_a_run_in_order(paradigm: Path, tmp_path: Path) -> None:
    with (
        SignalOutlet() as outlet,
        rtbci_run("--paradigm", paradigm, "--source-id", outlet.source_id, "--record", tmp_path / "d") as run,
    ):
        run.wait_line("state: running")
        status, said = run.end(signal.SIGHUP)
    assert status == 0, said
    (kept,) = list_sessions(tmp_path / "d")
    assert kept.record is not None
    assert kept.record.ended is not None


@pytest.mark.parametrize("numbers", [[signal.SIGINT] * 6, [signal.SIGTERM] * 6])
@pytest.mark.skipif(os.name != "posix", reason="Windows has no other signal than one that ends it at once")
def test_an_impatient_end_loses_nothing(paradigm: Path, tmp_path: Path, numbers: list[int]) -> None:
    with (
        SignalOutlet() as outlet,
        rtbci_run("--paradigm", paradigm, "--source-id", outlet.source_id, "--record", tmp_path / "d") as run,
    ):
        _wait_recorded(run, 20_000)
        for i, number in enumerate(numbers):
            run.popen.send_signal(number)
            try:
                run.popen.wait((0.01, 0.05, 0.2)[i % 3])
                break
            except subprocess.TimeoutExpired:
                continue
        status, said = run.wait()
    assert status in (0, -numbers[0]), (
        said
    )  # the last one may find an interpreter that has nothing left to do
    assert "Traceback" not in said
    assert said.count("stopped after ") == said.count("recorded ") == 1
    (kept,) = list_sessions(tmp_path / "d")
    assert kept.record is not None
    assert kept.record.ended is not None
    assert verify(kept.folder).verdict == "identical"


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder(paradigm: Path, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d").chmod(stat.S_IRUSR | stat.S_IXUSR)
    with (
        SignalOutlet() as outlet,
        rtbci_run("--paradigm", paradigm, "--source-id", outlet.source_id, "--record", tmp_path / "d") as run,
    ):
        run.wait_line("NOT RECORDING, tried again every second: ")
        run.wait_line("state: running")
        run.end()


def test_it_can_be_turned_off(paradigm: Path, tmp_path: Path) -> None:
    with (
        SignalOutlet() as outlet,
        rtbci_run(
            "--paradigm", paradigm, "--source-id", outlet.source_id, XDG_DATA_HOME=str(tmp_path / "data")
        ) as run,
    ):
        run.wait_line("record:  off")
        run.wait_line("state: running")
        run.end()
    assert not (tmp_path / "data" / "rtbci" / "sessions").exists()


@pytest.mark.slow
def test_20_kills_at_random_moments() -> None:
    tool = Path(__file__).parents[2] / "tools" / "kill_recording.py"
    command = [sys.executable, str(tool), "--kills", "20", "--together", "5", "--seed", "7"]
    end = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert end.returncode == 0, end.stdout + end.stderr
    result = json.loads(end.stdout)
    assert result["kills"] == 20
    assert result["lost_s"]["max"] < 1.0
