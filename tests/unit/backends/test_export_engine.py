from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from rtbci.backends.registry import open_session
from rtbci.encoder.checkpoint import write_checkpoint
from rtbci.encoder.dare import DareEncoder
from rtbci.recipes import read_engine
from tools.export_engine import main, write_engine
from tools.precision_table import largest_difference

LABELS = ["FC3", "C3", "CZ", "C4"]


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.manual_seed(8)
    write_checkpoint(
        tmp_path / "run.safetensors", DareEncoder("nano", 0.5), LABELS, "whitened", dtype="float16"
    )
    return tmp_path / "run.safetensors"


def test_recipe_reads_back_and_golden_numbers_hold(checkpoint: Path, tmp_path: Path) -> None:
    engine_id = write_engine(checkpoint, tmp_path / "dare_test")
    recipe = read_engine(str(tmp_path / "dare_test"))
    assert (recipe.name, recipe.kind, recipe.size, recipe.n_heads) == ("dare_test", "patch", "nano", 4)
    assert (recipe.input.channels, recipe.input.unit, recipe.input.n_samples) == (
        tuple(LABELS),
        "whitened",
        64,
    )
    session = open_session(recipe.onnx_path)
    assert session.engine_id == engine_id == recipe.onnx_sha256
    assert session.output_shape == (1, *recipe.output.shape)
    golden = load_file(tmp_path / "dare_test" / "golden.safetensors")
    assert golden["input"].std() == pytest.approx(1.0, rel=1e-3)
    np.testing.assert_allclose(
        session.run(golden["input"]), golden["output"], atol=recipe.tolerance["fp32"].max_abs, rtol=0
    )


def test_tolerances_are_ten_times_what_rounding_makes(checkpoint: Path, tmp_path: Path) -> None:
    write_engine(checkpoint, tmp_path / "dare_test")
    recipe = read_engine(str(tmp_path / "dare_test"))
    assert set(recipe.tolerance) == set(recipe.precisions) == {"fp32", "fp16", "bf16"}
    model = recipe.onnx_path.read_bytes()
    for precision, tolerance in recipe.tolerance.items():
        if precision in ("fp16", "bf16"):
            assert 0.09 < largest_difference(model, precision, 1.0) / tolerance.max_abs < 0.11
    assert (
        recipe.tolerance["fp32"].max_abs < recipe.tolerance["fp16"].max_abs < recipe.tolerance["bf16"].max_abs
    )


def test_same_checkpoint_gives_the_same_folder(checkpoint: Path, tmp_path: Path) -> None:
    write_engine(checkpoint, tmp_path / "a", "one")
    write_engine(tmp_path / "a" / "encoder.safetensors", tmp_path / "a", "one")
    write_engine(checkpoint, tmp_path / "b", "one")
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == ["encoder.onnx", "encoder.safetensors", "golden.safetensors", "recipe.toml"]
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_command_line_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "none.safetensors"), str(tmp_path / "e")]) == 6
    assert "none.safetensors: cannot be read" in capsys.readouterr().out
    assert not (tmp_path / "e").exists()
