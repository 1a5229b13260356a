import sys
from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

from rtbci.backends.onnxruntime import OrtSession
from rtbci.backends.precision import LowPrecision, lower_precision
from rtbci.errors import EngineError, MissingPackageError
from rtbci.recipes import list_recipes, read_engine
from tools.precision_table import compare, run_emulated, stress_windows

PRECISIONS = get_args(LowPrecision)
TYPES = {"fp16": TensorProto.FLOAT16, "bf16": TensorProto.BFLOAT16}


LOWERED = [name for name in list_recipes("engines") if set(PRECISIONS) <= set(read_engine(name).precisions)]


def weights(name: str, *shape: int, scale: float = 1.0) -> Any:
    values = scale * np.random.default_rng(len(name)).standard_normal(shape)
    return numpy_helper.from_array(values.astype(np.float32), name)


def network(
    nodes: Sequence[Any], constants: Sequence[Any] = (), shape: Sequence[Any] = ("n", 4), opset: int = 18
) -> bytes:
    """A network from x to y, both of `shape`."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)) for name in "xy")
    graph = helper.make_graph(list(nodes), "small", [x], [y], list(constants))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString()
    return data


def node(kind: str, inputs: str, outputs: str, **attributes: Any) -> Any:
    return helper.make_node(kind, inputs.split(), outputs.split(), name=f"{kind}_{outputs}", **attributes)


def types_by_operator(data: bytes) -> list[tuple[str, int]]:
    """Operators in order, each with the type of its first result; casts left out."""
    model = onnx.shape_inference.infer_shapes(onnx.load_from_string(data))
    values = [*model.graph.value_info, *model.graph.output]
    types = {one.name: one.type.tensor_type.elem_type for one in values}
    return [(one.op_type, types[one.output[0]]) for one in model.graph.node if one.op_type != "Cast"]


def run(data: bytes, x: Any) -> Any:
    session = ort.InferenceSession(data, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", LOWERED)
def test_shipped_engines_are_within_a_third_of_their_tolerance(name: str, precision: LowPrecision) -> None:
    recipe = read_engine(name)
    model = recipe.onnx_path.read_bytes()
    lowered, reference, limit = (
        lower_precision(model, precision),
        OrtSession(model),
        recipe.tolerance[precision],
    )
    assert recipe.golden is not None
    golden = load_file(recipe.folder / recipe.golden)["input"]
    signals = {"golden": golden, **stress_windows(reference.input_shape[1:])}
    for x in signals.values():
        difference, cosine = compare(run_emulated(lowered, x[:64]), reference.run(x[:64]))
        assert 0.0 < difference < limit.max_abs / 3
        assert 1.0 - cosine < (1.0 - limit.cosine) / 3


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", LOWERED)
def test_what_is_delicate_stays_float32(name: str, precision: LowPrecision) -> None:
    lowered = lower_precision(read_engine(name).onnx_path.read_bytes(), precision)
    found = types_by_operator(lowered)
    low = TYPES[precision]
    assert {to for kind, to in found if kind in ("Gemm", "MatMul", "Erf", "Split")} == {low}
    for kind in ("LayerNormalization", "Softmax", "Log", "ReduceSum"):
        assert {to for one, to in found if one == kind} == {TensorProto.FLOAT}
    graph = onnx.load_from_string(lowered).graph
    for one in (*graph.input, *graph.output):
        assert one.type.tensor_type.elem_type == TensorProto.FLOAT


@pytest.mark.parametrize("precision", PRECISIONS)
def test_same_network_gives_the_same_bytes(precision: LowPrecision) -> None:
    model = read_engine("dare_nano").onnx_path.read_bytes()
    lowered = lower_precision(model, precision)
    assert lowered == lower_precision(model, precision)
    assert len(lowered) < 0.6 * len(model)


def test_elementwise_operators_are_low_only_between_products() -> None:
    model = network(
        [
            node("Relu", "x", "a"),
            node("MatMul", "a W", "b"),
            node("Relu", "b", "c"),
            node("Add", "c two", "d"),
            node("MatMul", "d W", "e"),
            node("Add", "e x", "y"),
        ],
        [weights("W", 4, 4), numpy_helper.from_array(np.array(2.0, np.float32), "two")],
    )
    low, full = TensorProto.FLOAT16, TensorProto.FLOAT
    assert types_by_operator(lower_precision(model, "fp16")) == [
        ("Relu", full), ("MatMul", low), ("Relu", low), ("Add", low), ("MatMul", low), ("Add", full)
    ]  # fmt: skip


def test_convolutions_are_lowered_and_pooling_is_not() -> None:
    model = network(
        [
            node("Conv", "x W", "a"),
            node("AveragePool", "a", "b", kernel_shape=[1]),
            node("Identity", "b", "y"),
        ],
        [weights("W", 4, 4, 1)],
        ("n", 4, 9),
    )
    lowered = lower_precision(model, "fp16")
    assert types_by_operator(lowered)[0] == ("Conv", TensorProto.FLOAT16)
    assert types_by_operator(lowered)[1] == ("AveragePool", TensorProto.FLOAT)
    x = np.random.default_rng(3).standard_normal((2, 4, 9)).astype(np.float32)
    np.testing.assert_allclose(run(lowered, x), run(model, x), atol=1e-2)


@pytest.mark.parametrize(
    "nodes",
    [
        [node("Mul", "x x", "a"), node("MatMul", "a W", "y")],
        [node("Pow", "x two", "a"), node("Reshape", "a shape", "b"), node("MatMul", "b W", "y")],
        [node("MatMul", "x W", "a"), node("Add", "a two", "b"), node("Exp", "b", "y")],
        [node("Log", "x", "a"), node("Sub", "a two", "b"), node("MatMul", "b W", "y")],
    ],
)
def test_products_of_squares_and_next_to_logarithms_stay_float32(nodes: list[Any]) -> None:
    constants = [
        weights("W", 4, 4, scale=0.1),
        numpy_helper.from_array(np.array(2.0, np.float32), "two"),
        numpy_helper.from_array(np.array([-1, 4], np.int64), "shape"),
    ]
    model = network(nodes, constants)
    lowered = lower_precision(model, "fp16")
    found = types_by_operator(lowered)
    assert {to for _, to in found} == {TensorProto.FLOAT}
    # As a sum, which Turing can compute too, and of the same numbers.
    assert [kind for kind, _ in found].count("ReduceSum") == 1
    assert "MatMul" not in [kind for kind, _ in found]
    largest = 3.0 if nodes[-1].op_type == "Exp" else 300.0
    x = np.random.default_rng(3).uniform(0.5, largest, (3, 4)).astype(np.float32)
    np.testing.assert_allclose(run(lowered, x), run(model, x), rtol=1e-5, atol=1e-5)


def test_a_product_that_cannot_be_a_sum_stays_a_product() -> None:
    nodes = [node("Mul", "x x", "a"), node("Transpose", "a", "b", perm=[0, 2, 1]), node("MatMul", "a b", "y")]
    model = network(nodes, shape=("n", 4, 4))
    assert types_by_operator(lower_precision(model, "fp16"))[-1] == ("MatMul", TensorProto.FLOAT)
    old = network([node("Mul", "x x", "a"), node("MatMul", "a W", "y")], [weights("W", 4, 4)], opset=12)
    assert types_by_operator(lower_precision(old, "fp16"))[-1] == ("MatMul", TensorProto.FLOAT)


def test_weights_beyond_fp16_stay_float32_and_bf16_takes_them() -> None:
    model = network([node("MatMul", "x W", "y")], [weights("W", 4, 4, scale=1e6)])
    assert types_by_operator(lower_precision(model, "fp16")) == [("MatMul", TensorProto.FLOAT)]
    # The graph's output is float32 by a cast, so it is the product before it that is low.
    lowered = onnx.load_from_string(lower_precision(model, "bf16"))
    assert [one.data_type for one in lowered.graph.initializer] == [TensorProto.BFLOAT16]
    assert [one.op_type for one in lowered.graph.node] == ["Cast", "MatMul", "Cast"]


def test_constant_nodes_are_cast_once_and_here() -> None:
    constant = helper.make_node("Constant", [], ["W"], value=weights("W", 4, 4))
    model = network([constant, node("MatMul", "x W", "a"), node("MatMul", "a W", "y")])
    lowered = onnx.load_from_string(lower_precision(model, "fp16"))
    assert [one.name for one in lowered.graph.initializer] == ["W_fp16"]
    assert [one.op_type for one in lowered.graph.node] == ["Cast", "MatMul", "MatMul", "Cast"]


def test_graphs_inside_nodes_see_float32() -> None:
    def branch(kind: str) -> Any:
        out = helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", 4])
        return helper.make_graph([helper.make_node(kind, ["a"], ["z"])], kind, [], [out])

    yes = numpy_helper.from_array(np.array(True), "yes")
    model = network(
        [
            node("MatMul", "x W", "a"),
            helper.make_node("If", ["yes"], ["b"], then_branch=branch("Relu"), else_branch=branch("Neg")),
            node("Identity", "b", "y"),
        ],
        [weights("W", 4, 4), yes],
    )
    lowered = lower_precision(model, "fp16")
    x = np.random.default_rng(3).standard_normal((3, 4)).astype(np.float32)
    np.testing.assert_allclose(run(lowered, x), run(model, x), atol=1e-2)
    assert "MatMul_a" in {one.name for one in onnx.load_from_string(lowered).graph.node}
    assert TensorProto.FLOAT16 in {one.data_type for one in onnx.load_from_string(lowered).graph.initializer}


def test_what_is_not_float32_stays_as_it_is() -> None:
    x, y = (helper.make_tensor_value_info(name, TensorProto.DOUBLE, [2, 2]) for name in "xy")
    graph = helper.make_graph([node("MatMul", "x x", "y")], "double", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    lowered = onnx.load_from_string(lower_precision(model.SerializeToString(), "fp16"))
    assert [one.op_type for one in lowered.graph.node] == ["MatMul"]


def test_not_a_number_passes() -> None:
    recipe = read_engine("dare_nano")
    lowered = lower_precision(recipe.onnx_path.read_bytes(), "fp16")
    x = np.ones((2, len(recipe.input.channels), 64), np.float32)
    x[0, 3, 17] = np.nan
    y = run_emulated(lowered, x)
    assert np.isnan(y[0]).all()
    assert np.isfinite(y[1]).all()


def test_what_cannot_be_lowered_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = network([node("MatMul", "x W", "y")], [weights("W", 4, 4)])
    with pytest.raises(EngineError, match="got precision 'int8', need fp16 or bf16"):
        lower_precision(model, "int8")  # type: ignore[arg-type]
    for data in (b"not a network", model[: len(model) // 2]):
        with pytest.raises(EngineError, match="need a whole ONNX file; export it again"):
            lower_precision(data, "fp16")
    outside = onnx.load_from_string(model)
    one = outside.graph.initializer[0]
    one.ClearField("raw_data")
    one.data_location = TensorProto.EXTERNAL
    one.external_data.add(key="location", value="absent.bin")
    with pytest.raises(EngineError, match="ONNX file"):
        lower_precision(outside.SerializeToString(), "fp16")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingPackageError, match=r"onnx is not installed.*install onnx"):
        lower_precision(model, "fp16")
