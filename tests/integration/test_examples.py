"""The examples of the documentation run."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.data_paths import data_dir, needs_data
from tests.integration.live_runs import wait_for

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"


def run(*command: str) -> str:
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.data
@pytest.mark.slow
@needs_data
def test_decode_recording() -> None:
    recording = data_dir() / "eegmmidb" / "raw" / "S007R12.edf"
    said = run(str(EXAMPLES / "decode_recording.py"), str(recording))
    assert "windows" in said
    assert "left_hand" in said
    assert "right_hand" in said


@pytest.mark.net
@pytest.mark.slow
def test_listen(tmp_path: Path) -> None:
    address = f"ipc://{tmp_path / 'demo'}"
    demo = [sys.executable, "-m", "rtbci.cli", "demo", "--seconds", "30", "--pub", address]
    with subprocess.Popen(demo, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            wait_for(
                (tmp_path / "demo").exists, "the demo's socket"
            )  # the example gives up after 5 s of silence
            said = run(str(EXAMPLES / "listen.py"), address, "20")
        finally:
            process.terminate()
            report = process.communicate(timeout=20)[0]
    assert "20 predictions" in said
    assert "report" in report
