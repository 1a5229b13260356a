"""ONNX files that sessions must take or refuse."""

import onnx
from onnx import TensorProto, helper

__all__ = ["identity"]


def identity(shape: list[str | int | None], type_: int = TensorProto.FLOAT, n: int = 1) -> bytes:
    """A network that gives what it gets, with `n` inputs and outputs."""
    values = [[helper.make_tensor_value_info(f"{name}{i}", type_, shape) for i in range(n)] for name in "xy"]
    nodes = [helper.make_node("Identity", [f"x{i}"], [f"y{i}"]) for i in range(n)]
    graph = helper.make_graph(nodes, "identity", values[0], values[1])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content
