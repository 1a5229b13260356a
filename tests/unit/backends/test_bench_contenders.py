import sys
from pathlib import Path

import pytest

from rtbci.backends import bench_contenders
from rtbci.backends.bench_contenders import contenders, torch_on_gpu, write_random_engine
from rtbci.backends.measured_apart import resident_mb
from rtbci.backends.registry import open_session
from rtbci.errors import EngineError, MissingPackageError


def test_random_weights_are_the_same_every_time(tmp_path: Path) -> None:
    ids = set()
    for name in "ab":
        (tmp_path / name).mkdir()
        ids.add(open_session(write_random_engine("nano", tmp_path / name, ["C3", "C4"])).engine_id)
    assert len(ids) == 1


def test_all_that_is_installed_takes_part_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [one.name for one in contenders(tmp_path / "encoder.onnx")]
    assert {"onnxruntime", "torch", "torch.compile"} <= set(names)
    monkeypatch.setattr(bench_contenders, "find_spec", lambda name: None if name == "torch" else object())
    assert [one.name for one in contenders(tmp_path / "encoder.onnx")] == ["onnxruntime", "openvino"]


def test_what_a_back_end_has_besides_fp32_takes_part_when_it_is_named(tmp_path: Path) -> None:
    entered = contenders(tmp_path / "encoder.onnx", ["onnxruntime", "openvino"], precisions=["fp16", "bf16"])
    assert [one.name for one in entered] == ["onnxruntime", "openvino", "openvino bf16"]


def test_memory_is_measured_in_a_process_of_its_own(tmp_path: Path) -> None:
    (one,) = contenders(write_random_engine("nano", tmp_path), ["onnxruntime"])
    assert one.memory_mb is not None
    grown = one.memory_mb()
    assert grown is None if resident_mb() is None else grown is not None and grown > 5


def test_memory_of_what_cannot_run_is_unknown(tmp_path: Path) -> None:
    (one,) = contenders(tmp_path / "absent.onnx", ["onnxruntime"])
    assert one.memory_mb is not None
    assert one.memory_mb() is None


def test_a_gpu_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    entered = torch_on_gpu(write_random_engine("nano", tmp_path), "fp16")
    assert [one.name for one in entered] == ["torch fp16", "torch.compile fp16"]
    for one in entered:
        with pytest.raises(EngineError, match="finds no GPU"):
            one.open()


def test_what_torch_needs_beside_it_is_said_with_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered = torch_on_gpu(write_random_engine("nano", tmp_path), "fp16")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingPackageError, match=r"bench: .*onnx.*; .*install .*\[train\]"):
        entered[0].open()


def test_torch_compile_opens_as_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch, "compile", lambda encode, mode: encode)  # the real one loads for five seconds
    path = write_random_engine("nano", tmp_path, ["C3", "CZ", "C4"])
    (one,) = contenders(path, ["torch.compile"])
    session = one.open()
    assert (session.backend, session.engine_id) == ("torch.compile", open_session(path).engine_id)
