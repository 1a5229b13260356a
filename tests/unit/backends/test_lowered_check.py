import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from rtbci.backends.lowered_check import check_lowered
from rtbci.backends.precision import LowPrecision, lower_precision
from rtbci.errors import EngineError
from rtbci.recipes import EngineRecipe, read_engine


@pytest.fixture(scope="module")
def recipe() -> EngineRecipe:
    return read_engine("dare_nano")


@pytest.mark.parametrize(("precision", "least"), [("fp16", 1e-5), ("bf16", 5e-5)])
def test_the_shipped_engine_survives_and_is_really_computed_in_it(
    recipe: EngineRecipe, precision: LowPrecision, least: float
) -> None:
    rows = check_lowered(lower_precision(recipe.onnx_path.read_bytes(), precision), recipe, precision)
    assert [row.name for row in rows] == ["noise", "bursts", "silence", "saturated"]
    assert all(row.passed for row in rows)
    assert all(least < row.max_abs for row in rows), "in float32 it is 3e-7"


def test_an_overflow_is_found(recipe: EngineRecipe) -> None:
    """1e5 is more than fp16 holds."""
    big = numpy_helper.from_array(np.array(1e5, np.float32), "big")
    nodes = [
        helper.make_node("Cast", ["patch"], ["half"], to=TensorProto.FLOAT16),
        helper.make_node("Cast", ["big"], ["big_half"], to=TensorProto.FLOAT16),
        helper.make_node("Mul", ["half", "big_half"], ["product"]),
        helper.make_node("Cast", ["product"], ["single"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["single", "axis"], ["sum"], keepdims=1),
        helper.make_node("Expand", ["sum", "shape"], ["features"]),
    ]
    constants = [
        big,
        numpy_helper.from_array(np.array([1, 2], np.int64), "axis"),
        numpy_helper.from_array(np.array([1, 1, 64], np.int64), "shape"),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "overflow",
        [value("patch", TensorProto.FLOAT, ["n", 31, 64])],
        [value("features", TensorProto.FLOAT, ["n", 1, 64])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    rows = check_lowered(model.SerializeToString(), recipe, "fp16")
    assert not any(row.passed for row in rows)
    assert {row.name: row.n_not_finite > 0 for row in rows}["saturated"]


def test_what_cannot_be_computed(recipe: EngineRecipe) -> None:
    with pytest.raises(EngineError, match="ONNX's reference cannot compute it"):
        check_lowered(b"no model", recipe, "fp16")
