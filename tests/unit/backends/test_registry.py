import builtins
from pathlib import Path
from typing import Any

import pytest
import torch

from rtbci.backends.export import export_checkpoint
from rtbci.backends.registry import BACKENDS, open_session
from rtbci.encoder.checkpoint import write_checkpoint
from rtbci.encoder.dare import DareEncoder
from rtbci.errors import EngineError, MissingPackageError


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    torch.manual_seed(4)
    write_checkpoint(tmp_path / "encoder.safetensors", DareEncoder("nano"), ["C3", "C4"], "uV")
    export_checkpoint(tmp_path / "encoder.safetensors", tmp_path / "encoder.onnx")
    return tmp_path / "encoder.onnx"


def test_unknown_back_end_is_refused_with_the_names(engine: Path) -> None:
    with pytest.raises(
        EngineError, match="got back end 'tpu', need one of onnxruntime, openvino, torch, onnxruntime-cuda"
    ):
        open_session(engine, "tpu")


@pytest.mark.parametrize(
    ("backend", "package", "install"),
    [
        ("onnxruntime", "onnxruntime", "install onnxruntime"),
        ("openvino", "openvino", r"install .*\[openvino\]"),
        ("onnxruntime-cuda", "onnxruntime", r"install .*\[cuda\]"),
        ("torch", "torch", r"install .*\[train\]"),
    ],
)
def test_missing_package_is_named_with_its_install_line(
    engine: Path, monkeypatch: pytest.MonkeyPatch, backend: str, package: str, install: str
) -> None:
    real_import = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == package:
            raise ModuleNotFoundError(f"No module named '{package}'")
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingPackageError, match=f"back end '{backend}' needs .*{package}.*{install}"):
        open_session(engine, backend)


def test_torch_stands_in_under_the_same_id(engine: Path) -> None:
    assert open_session(engine, "torch").engine_id == open_session(engine).engine_id


def test_torch_refuses_weights_that_the_file_was_not_made_from(engine: Path) -> None:
    checkpoint = engine.with_suffix(".safetensors")
    write_checkpoint(checkpoint, DareEncoder("nano"), ["C3", "C4"], "uV")
    with pytest.raises(EngineError, match=r"was made from weights .* encoder\.safetensors holds"):
        open_session(engine, "torch")
    checkpoint.unlink()
    with pytest.raises(EngineError, match=r"torch needs the checkpoint encoder\.safetensors beside it"):
        open_session(engine, "torch")


@pytest.mark.parametrize("backend", ["tensorrt", "tensorrt_rtx"])
def test_what_must_be_built_says_so(engine: Path, backend: str) -> None:
    with pytest.raises(EngineError, match=f"'{backend}' runs engines that were built for it.*build it first"):
        open_session(engine, backend)


def test_a_precision_that_a_back_end_does_not_have(engine: Path) -> None:
    with pytest.raises(EngineError, match="'onnxruntime' computes in fp32, got bf16; take one that it has"):
        open_session(engine, precision="bf16")


def test_only_back_ends_of_the_gpu_compile() -> None:
    assert {name for name, known in BACKENDS.items() if known.compiles} == {"tensorrt", "tensorrt_rtx"}
    for known in BACKENDS.values():
        assert known.compiles == (known.opener is None)
        assert known.kind == "gpu" or not known.compiles
        assert "pip install " in known.install
