"""Trying int8 on an engine."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from rtbci.backends.bench_contenders import write_random_engine
from rtbci.backends.onnxruntime import OrtSession
from tools import quantise_engine
from tools.quantise_engine import main, quantise


def test_products_of_constants_become_int8_and_those_of_attention_do_not(tmp_path: Path) -> None:
    source = write_random_engine("nano", tmp_path, ["C3", "CZ", "C4"])
    quantise(source, tmp_path / "int8.onnx")
    kinds = [node.op_type for node in onnx.load(tmp_path / "int8.onnx").graph.node]
    assert "Gemm" not in kinds
    assert kinds.count("MatMulInteger") == 10  # the tokeniser, and nine of two layers
    assert kinds.count("MatMul") == 4  # scores and mixtures
    assert (tmp_path / "int8.onnx").stat().st_size < 0.5 * source.stat().st_size
    x = np.random.default_rng(0).standard_normal((1, 3, 64)).astype(np.float32)
    difference = np.abs(OrtSession(tmp_path / "int8.onnx").run(x) - OrtSession(source).run(x)).max()
    assert 1e-4 < difference < 0.5


def test_the_table_says_what_the_gate_says(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantise_engine, "N_ROUNDS", 1)
    monkeypatch.setattr(quantise_engine, "ROUND_S", 0.0)
    main(["dare_nano"])
    lines = capsys.readouterr().out.splitlines()
    (row,) = [line for line in lines if line.startswith("| dare_nano")]
    assert row.endswith("| refused |")
    assert row.count("|") == lines[0].count("|")
    assert any("not-a-number in: 0 of 64" in line for line in lines)
