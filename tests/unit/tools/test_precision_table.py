import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from rtbci.backends.precision import LowPrecision
from tools.precision_table import (
    compare,
    emulated_graph,
    largest_difference,
    main,
    run_emulated,
    stress_windows,
)


def product(low: int) -> bytes:
    """Y = x @ W in 16 bits, written by hand."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 64, 64]) for name in "xy")
    weights = np.random.default_rng(2).standard_normal((64, 64)).astype(np.float32)
    kind = helper.tensor_dtype_to_np_dtype(low)
    nodes = [
        helper.make_node("Cast", ["x"], ["a"], to=low),
        helper.make_node("MatMul", ["a", "W"], ["b"]),
        helper.make_node("Cast", ["b"], ["y"], to=TensorProto.FLOAT),
    ]
    graph = helper.make_graph(nodes, "g", [x], [y], [numpy_helper.from_array(weights.astype(kind), "W")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    data: bytes = model.SerializeToString()
    return data


@pytest.mark.parametrize("low", [TensorProto.FLOAT16, TensorProto.BFLOAT16])
def test_emulation_rounds_input_weights_and_output(low: int) -> None:
    kind = helper.tensor_dtype_to_np_dtype(low)
    x = np.random.default_rng(1).standard_normal((2, 64, 64)).astype(np.float32)
    model = onnx.load_from_string(product(low))
    w = numpy_helper.to_array(model.graph.initializer[0]).astype(np.float32)
    wanted = (x.astype(kind).astype(np.float32) @ w).astype(kind).astype(np.float32)
    got = run_emulated(product(low), x)
    # Sums in another order may round to the neighbour.
    assert (got == wanted).mean() > 0.99
    assert np.array_equal(got, got.astype(kind).astype(np.float32))
    types = {one.data_type for one in onnx.load_from_string(emulated_graph(product(low))).graph.initializer}
    assert types == {TensorProto.FLOAT}


def test_compare_gives_the_worst_output() -> None:
    reference = np.array([[1.0, 0.0], [0.0, 2.0]], np.float32)
    y = np.array([[1.0, 0.0], [0.5, 2.0]], np.float32)
    difference, cosine = compare(y, reference)
    assert difference == 0.5
    assert cosine == pytest.approx(2.0 / np.hypot(0.5, 2.0))


def test_signals_are_ordinary_and_extreme() -> None:
    signals = stress_windows((5, 64))
    assert {x.shape[1:] for x in signals.values()} == {(5, 64)}
    assert signals["1/f"].std() == pytest.approx(1.0, rel=1e-3)
    assert not signals["silence"].any()
    assert np.abs(signals["saturated at 1e4"]).min() == 1e4


def test_table_of_a_shipped_engine(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dare_nano"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + 2 * 9
    assert lines[1].split()[:3] == ["dare_nano", "fp16", "golden"]
    assert main(["no_such_engine"]) != 0


def test_signals_that_fp16_cannot_hold_are_left_out() -> None:
    from rtbci.recipes import read_engine

    model = read_engine("dare_nano").onnx_path.read_bytes()
    precision: LowPrecision = "fp16"
    assert np.isfinite(largest_difference(model, precision, spread=15.0, n=4))
