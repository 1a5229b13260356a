import mmap
from pathlib import Path

import pytest

from rtbci.backends import measured_apart
from rtbci.backends.measured_apart import main, memory_mb, race_ms, resident_mb
from rtbci.recipes import list_recipes, read_engine

ENGINE = read_engine(list_recipes("engines")[0]).onnx_path


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measured_apart, "RACE_ROUNDS", 1)
    monkeypatch.setattr(measured_apart, "RACE_ROUND_S", 0.0)


def test_a_race_has_those_that_open(capsys: pytest.CaptureFixture[str]) -> None:
    found = race_ms(ENGINE, 1, ["onnxruntime", "tensorrt"])
    assert list(found) == ["onnxruntime"]
    assert found["onnxruntime"] > 0
    assert "back end 'tensorrt' runs engines that were built" in capsys.readouterr().err


def test_the_command_line_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    main(["race", str(ENGINE), "1", "onnxruntime"])
    assert capsys.readouterr().out.startswith('{"onnxruntime":')
    main(["memory", str(ENGINE), "1", "onnxruntime", "fp32"])
    assert capsys.readouterr().out.strip() == "null" or resident_mb() is not None


def test_memory_grows_with_what_is_held() -> None:
    before = resident_mb()
    if before is None:
        pytest.skip("this system has no /proc")
    with mmap.mmap(
        -1, 64 * 2**20
    ) as held:  # fresh pages, whatever the allocator has left over from other tests
        for _ in range(64):
            held.write(b"x" * 2**20)
        after = resident_mb()
    assert after is not None
    assert after - before == pytest.approx(64, abs=8)


def test_memory_is_unknown_without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_self: Path, encoding: str | None = None) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", refuse)
    assert resident_mb() is None
    assert memory_mb(ENGINE, 1, "onnxruntime") is None
