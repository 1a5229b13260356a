import subprocess
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from rtbci.backends import fastest, usable
from rtbci.backends.fastest import Fastest, fastest_backend
from rtbci.errors import EngineError
from rtbci.recipes import list_recipes, read_engine
from rtbci.versions import cpu_name

ENGINE = read_engine(list_recipes("engines")[0]).onnx_path
VERSIONS = {"onnxruntime": "1.0", "openvino": "2.0"}


class Child:
    """Stands in for the measuring process."""

    def __init__(self) -> None:
        self.n_started = 0
        self.answer: bytes | Exception = b'{"onnxruntime":1.0,"openvino":0.5}'

    def run(self, command: list[str], **_settings: Any) -> subprocess.CompletedProcess[bytes]:
        self.n_started += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return subprocess.CompletedProcess(command, 0, b"a warning\n" + self.answer + b"\n", b"")


@pytest.fixture
def versions(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    there = dict(VERSIONS)
    monkeypatch.setattr(fastest, "_version", lambda name: there.get(name, ""))
    return there


@pytest.fixture
def child(monkeypatch: pytest.MonkeyPatch, versions: dict[str, str]) -> Child:
    child = Child()
    monkeypatch.setattr(subprocess, "run", child.run)
    return child


@pytest.fixture
def find(tmp_path: Path) -> Callable[..., Fastest]:
    return lambda **given: fastest_backend(given.pop("path", ENGINE), folder=tmp_path / "f", **given)


def test_the_fastest_is_measured_once_and_remembered(child: Child, find: Callable[..., Fastest]) -> None:
    lines: list[str] = []
    first = find(told=lines.append)
    assert (first.backend, first.best_ms) == ("openvino", {"onnxruntime": 1.0, "openvino": 0.5})
    assert lines == [
        f"{ENGINE.parent.name}: measuring which of onnxruntime, openvino is fastest on this CPU, once"
    ]
    assert find() == first
    assert child.n_started == 1


@pytest.mark.parametrize(("openvino_ms", "wanted"), [(0.96, "onnxruntime"), (0.94, "openvino")])
def test_a_hair_is_no_reason_to_leave_the_default(
    child: Child, find: Callable[..., Fastest], openvino_ms: float, wanted: str
) -> None:
    child.answer = f'{{"onnxruntime":1.0,"openvino":{openvino_ms}}}'.encode()
    assert find().backend == wanted


def test_another_network_version_processor_or_number_of_threads_is_measured_anew(
    child: Child,
    find: Callable[..., Fastest],
    versions: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "other.onnx").write_bytes(b"other")
    find()
    find(path=tmp_path / "other.onnx")
    find(n_threads=2)
    versions["openvino"] = "2.1"
    find()
    monkeypatch.setattr(fastest, "cpu_name", lambda: "another one")
    find()
    assert child.n_started == 5
    find()
    assert child.n_started == 5


@pytest.mark.parametrize("content", [b"", b"{", b'{"backend":"x","best_ms":{},"key":{}}', b"\xff\xfe"])
def test_a_spoiled_note_is_measured_anew(
    child: Child, find: Callable[..., Fastest], tmp_path: Path, content: bytes
) -> None:
    find()
    (note,) = (tmp_path / "f").iterdir()
    note.write_bytes(content)
    assert find().backend == "openvino"
    assert child.n_started == 2


def test_a_note_that_names_what_is_no_candidate_is_not_followed(
    child: Child, find: Callable[..., Fastest], tmp_path: Path
) -> None:
    find()
    (note,) = (tmp_path / "f").iterdir()
    note.write_bytes(note.read_bytes().replace(b'"backend": "openvino"', b'"backend": "tensorrt"'))
    assert find().backend == "openvino"
    assert child.n_started == 2


def test_one_that_ends_its_process_is_not_tried_again(child: Child, find: Callable[..., Fastest]) -> None:
    child.answer = subprocess.CalledProcessError(-11, ["python"])
    lines: list[str] = []
    assert find(told=lines.append).backend == "onnxruntime"
    assert "measuring back ends failed" in lines[1]
    assert "SIGSEGV" in lines[1]
    find()
    assert child.n_started == 1


@pytest.mark.parametrize("answer", [subprocess.TimeoutExpired("python", 1.0), b"nothing", OSError("no")])
def test_what_may_pass_is_measured_again(
    child: Child, find: Callable[..., Fastest], answer: bytes | Exception
) -> None:
    child.answer = answer
    assert find().backend == "onnxruntime"
    find()
    assert child.n_started == 2


def test_the_default_alone_needs_no_measuring(
    child: Child, find: Callable[..., Fastest], versions: dict[str, str]
) -> None:
    del versions["openvino"]
    assert find().backend == "onnxruntime"
    assert child.n_started == 0


def test_onnxruntime_for_gpus_alone_is_onnxruntime(
    find: Callable[..., Fastest], monkeypatch: pytest.MonkeyPatch
) -> None:
    def version(name: str) -> str:
        if name == "onnxruntime":
            raise metadata.PackageNotFoundError(name)
        return {"onnxruntime-gpu": "1.2", "openvino": "2.3"}[name]

    child = Child()
    monkeypatch.setattr(subprocess, "run", child.run)
    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setattr(usable, "find_spec", lambda name: name)
    found = find()
    assert (found.key["version onnxruntime"], found.backend) == ("1.2", "openvino")
    assert child.n_started == 1


def test_a_folder_that_cannot_be_written_is_told(child: Child, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"a file")
    lines: list[str] = []
    assert fastest_backend(ENGINE, folder=tmp_path / "f", told=lines.append).backend == "openvino"
    assert "cannot be kept" in lines[-1]


def test_a_missing_engine_is_refused(find: Callable[..., Fastest], tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"absent\.onnx: No such file"):
        find(path=tmp_path / "absent.onnx")


def test_a_real_measurement(find: Callable[..., Fastest]) -> None:
    pytest.importorskip("openvino", reason="openvino is not installed")
    lines: list[str] = []
    found = find(told=lines.append)
    assert set(found.best_ms) == {"onnxruntime", "openvino"}, lines
    assert found.backend in found.best_ms
    assert cpu_name() == found.key["cpu"]
