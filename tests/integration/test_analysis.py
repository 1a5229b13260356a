"""The code of docs/analysis.md, as printed, on a session."""

import re
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest

from rtbci.replay.recording import Recording
from rtbci.stream.recording import RecordingSource
from rtbci.stream.source import Marker
from tests.chaos_samples import scenario
from tests.tiny import eeg, stream_info, write_paradigm
from tools.simulated_session import START, record_session

PAGE = Path(__file__).resolve().parents[2] / "docs" / "analysis.md"
CUES = (Marker(2.0, "left"), Marker(3.5, "blank"), Marker(5.0, "right"), Marker(8.5, "left"))


def blocks() -> list[str]:
    found: list[str] = re.findall(
        r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shown = Recording(stream_info(), eeg(2500), CUES)
    record_session(
        tmp_path / "session",
        scenario(duration_s=9.5),
        lambda clock: RecordingSource(
            shown.info, shown.data, shown.markers, realtime=True, clock=clock, sleep_until=clock.sleep_until
        ),
        {"paradigm": str(write_paradigm(tmp_path / "tiny"))},
    )
    return tmp_path / "session"


def run(code: str, folder: Path, known: dict[str, Any]) -> None:
    exec(compile(code.replace('Path("SESSION")', f"Path({str(folder)!r})"), str(PAGE), "exec"), known)


def test_the_page_runs_as_printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mpl.use("agg")
    known: dict[str, Any] = {}
    for code in blocks():
        if "import pandas" not in code:
            run(code, folder, known)
    said = capsys.readouterr().out
    trials, t0_s = known["trials"], known["recording"].t0_s
    assert [round(t_cue - t0_s, 2) for t_cue, _, _ in trials] == [2.0, 5.0]
    assert [asked for _, asked, _ in trials] == ["left_hand", "right_hand"]
    for t_cue, _, one in trials:
        assert t_cue <= one["t_window"][0]
        assert known["AFTER_S"] - 0.2 <= one["t_window"][1] - t_cue <= known["AFTER_S"]
    assert "2 trials right, 1 without a window" in said
    assert (
        len(known["epochs"]) == 3
    )  # of four markers, one of them of no class, the last has no four seconds behind it
    assert f"first cue at {START:%Y-%m-%d}" in said


def test_pandas_says_the_same(folder: Path) -> None:
    pytest.importorskip("pandas", reason="is no dependency; the page says how to get it")
    known: dict[str, Any] = {}
    for code in blocks()[:3]:
        run(code, folder, known)
    assert known["joined"]["asked"].tolist() == [asked for _, asked, _ in known["trials"]]
    assert known["joined"]["label"].tolist() == [one["label"] for _, _, one in known["trials"]]
