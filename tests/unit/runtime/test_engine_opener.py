from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from rtbci.backends.onnxruntime import OrtSession
from rtbci.errors import ConfigError, EngineError
from rtbci.recipes import EngineRecipe, read_engine
from rtbci.runtime.engine_opener import open_checked
from tests.tiny import write_engine


@pytest.fixture
def recipe(tmp_path: Path) -> EngineRecipe:
    """An engine with golden numbers."""
    folder = write_engine(tmp_path / "tiny")
    session = OrtSession(folder / "engine.onnx")
    x = np.random.default_rng(0).standard_normal((4, *session.input_shape[1:])).astype(np.float32)
    y = np.concatenate([session.run(one[None]) for one in x])
    save_file({"input": x, "output": y}, folder / "golden.safetensors")
    path = folder / "recipe.toml"
    path.write_text(path.read_text().replace("[input]", 'golden = "golden.safetensors"\n[input]', 1))
    return read_engine(str(folder))


def spoil(recipe: EngineRecipe, by: float) -> None:
    path = recipe.folder / "golden.safetensors"
    golden = load_file(path)
    golden["output"][2] += np.float32(by)
    save_file(golden, path)


def test_the_first_back_end_is_held_to_the_golden_numbers(recipe: EngineRecipe) -> None:
    session = open_checked(recipe, "onnxruntime", 1)
    assert session.backend == "onnxruntime"
    session.close()
    spoil(recipe, 1e-3)
    with pytest.raises(
        EngineError,
        match=r"engine 'tiny': on onnxruntime its golden output differs by 0\.001, need at most 1e-05; ",
    ):
        open_checked(recipe, "onnxruntime", 1)
    spoil(recipe, np.nan)
    with pytest.raises(EngineError, match="differs by nan"):
        open_checked(recipe, "onnxruntime", 1)


@pytest.mark.parametrize("content", [b"", b"\x08\0\0\0\0\0\0\0{}      "])
def test_golden_numbers_that_cannot_be_read(recipe: EngineRecipe, content: bytes) -> None:
    (recipe.folder / "golden.safetensors").write_bytes(content)
    with pytest.raises(EngineError, match=r"golden\.safetensors: cannot be read .*; install it again"):
        open_checked(recipe, "onnxruntime", 1)


def test_without_golden_numbers_nothing_is_checked(tmp_path: Path) -> None:
    open_checked(read_engine(str(write_engine(tmp_path))), "onnxruntime", 1).close()


def test_another_back_end_passes_the_gate(
    recipe: EngineRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openvino", reason="openvino is not installed")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    said: list[str] = []
    session = open_checked(recipe, "openvino", 1, told=said.append)
    assert session.backend == "openvino"
    session.close()
    assert any("comparing openvino in fp32 with ONNX Runtime" in line for line in said)
    with pytest.raises(ConfigError, match="no precision fp16, its recipe has fp32, auto"):
        open_checked(recipe, "openvino", 1, precision="fp16")


def test_who_names_a_back_end_gets_no_other(
    recipe: EngineRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openvino", reason="openvino is not installed")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    spoil(recipe, 1e-2)
    with pytest.raises(
        EngineError, match=r"openvino in fp32 on cpu does not agree with .*golden: differs by"
    ):
        open_checked(recipe, "openvino", 1)
