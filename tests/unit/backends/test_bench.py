from pathlib import Path

import msgspec
import numpy as np
import pytest

from rtbci.backends import bench
from rtbci.backends.bench import BenchPlan, BenchResult, bench_engine
from rtbci.backends.bench_contenders import Contender
from rtbci.errors import EngineError
from rtbci.recipes import Precision, read_engine
from rtbci.stages.stage import Float32Array
from tests.tiny import write_engine

PLAN = BenchPlan(n_rounds=1, round_s=0.0, batches=(1, 3), batch_rounds=1, n_window=2, memory=False)


class FixedBatch:
    """A session that takes one patch at a time and remembers being closed."""

    backend, network_id, engine_id, device = "fixed", "", "", "somewhere"
    precision: Precision = "fp16"
    input_shape: tuple[int, ...] = (1, 19, 64)
    output_shape: tuple[int, ...] = (1, 1, 64)

    def __init__(self) -> None:
        self.n_closed = 0

    def run(self, x: Float32Array) -> Float32Array:
        if len(x) > 1:
            raise EngineError("FixedBatch: got more, need one")
        return np.zeros(self.output_shape, np.float32)

    def close(self) -> None:
        self.n_closed += 1


def test_a_size_is_benched_with_random_weights() -> None:
    lines: list[str] = []
    result = bench_engine("nano", ["onnxruntime", "torch"], PLAN, told=lines.append)
    assert (result.engine, result.kind, result.input_shape) == ("nano", "patch", (1, 19, 64))
    assert [row.name for row in result.rows] == ["onnxruntime", "torch"]
    for row in result.rows:
        assert (row.backend, row.precision, row.device) == (row.name, "fp32", "cpu")
        assert 0 < row.patch.p50_ms <= row.patch.p99_ms
        assert row.window is not None
        assert list(row.per_s) == [1, 3]
        assert row.per_s[3] > 0
        assert row.memory_mb is None
    assert not result.absent
    assert "nano: batch 3" in lines
    assert "onnxruntime" in result.versions


def test_the_result_survives_json() -> None:
    result = bench_engine("nano", ["onnxruntime"], PLAN)
    assert msgspec.json.decode(msgspec.json.encode(result), type=BenchResult) == result


def test_a_recipe_of_whole_windows_has_no_window_of_patches(tmp_path: Path) -> None:
    recipe = read_engine(str(write_engine(tmp_path / "engine")))
    result = bench_engine(recipe, ["onnxruntime", "torch"], PLAN)
    (row,) = result.rows
    assert (result.engine, result.kind, row.name, row.window) == ("tiny", "window", "onnxruntime", None)
    assert list(row.per_s) == [1]  # its batch is fixed
    assert "torch needs the checkpoint" in result.absent["torch"]


def test_others_take_part_are_closed_and_miss_what_they_do_not_take() -> None:
    fixed = FixedBatch()
    paths: list[Path] = []

    def others(path: Path) -> list[Contender]:
        paths.append(path)
        return [Contender("mine fp16", lambda: fixed, lambda: 7.5), Contender("broken", broken)]

    def broken() -> FixedBatch:
        raise RuntimeError("no compiler\nlong story")

    plan = BenchPlan(n_rounds=1, round_s=0.0, batches=(1, 3), batch_rounds=1, n_window=2)
    result = bench_engine("nano", ["onnxruntime"], plan, others=others)
    assert paths[0].name == "encoder.onnx"
    mine = result.rows[1]
    assert (mine.name, mine.backend, mine.precision, mine.device) == (
        "mine fp16",
        "fixed",
        "fp16",
        "somewhere",
    )
    assert (mine.window, list(mine.per_s), mine.memory_mb) == (None, [1], 7.5)
    assert result.rows[0].memory_mb is None or result.rows[0].memory_mb > 1
    assert result.absent == {"broken": "RuntimeError: no compiler"}
    assert fixed.n_closed == 1


def test_unknown_names_are_refused() -> None:
    with pytest.raises(EngineError, match="bench: got size 'huge', need one of nano, light"):
        bench_engine("huge", ["onnxruntime"], PLAN)
    with pytest.raises(EngineError, match="got back ends tpu, tensorrt, need some of onnxruntime, openvino"):
        bench_engine("nano", ["onnxruntime", "tpu", "tensorrt"], PLAN)


def test_an_engine_that_opens_nowhere_is_refused(tmp_path: Path) -> None:
    recipe = read_engine(str(write_engine(tmp_path / "engine")))
    with pytest.raises(EngineError, match=r"engine 'tiny' opens on no back end.*torch needs the checkpoint"):
        bench_engine(recipe, ["torch"], PLAN)


def test_sessions_are_closed_when_timing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    fixed = FixedBatch()

    def fail(*_given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(bench, "take_turns", fail)
    with pytest.raises(KeyboardInterrupt):
        bench_engine("nano", [], PLAN, others=lambda _path: [Contender("mine", lambda: fixed)])
    assert fixed.n_closed == 1
