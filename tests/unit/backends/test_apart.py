import subprocess
from pathlib import Path

import pytest

from rtbci.backends.apart import NO_ANSWER, measure_apart


def test_the_last_line_is_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def run(command: list[str], **_settings: object) -> subprocess.CompletedProcess[bytes]:
        asked.append(command)
        return subprocess.CompletedProcess(command, 0, b"a warning\n1.5\n", b"")

    monkeypatch.setattr(subprocess, "run", run)
    assert measure_apart("race", Path("e.onnx"), 2, "a", "b", timeout_s=1.0) == b"1.5"
    assert asked[0][1:] == ["-m", "rtbci.backends.measured_apart", "race", "e.onnx", "2", "a", "b"]


def test_a_process_that_fails_is_no_answer(tmp_path: Path) -> None:
    with pytest.raises(NO_ANSWER, match="exit status 1"):
        measure_apart("memory", tmp_path / "absent.onnx", 1, "onnxruntime", "fp32", timeout_s=60.0)
