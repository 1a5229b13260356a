"""From a float32 network to one with 16-bit matrix products, in the graph itself.

TensorRT's strongly typed networks compute in exactly the types that the graph names, so what is lowered is
decided here and not by a builder: matrix products and what lies between two of them. Everything else stays
float32, above all LayerNormalization, Softmax, logarithms, sums and the residual stream; so do input and output.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from rtbci.backends.words import first_line
from rtbci.errors import EngineError, MissingPackageError
from rtbci.installing import pip_install

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

__all__ = ["LARGEST_FP16", "LowPrecision", "lower_precision"]

LowPrecision = Literal["fp16", "bf16"]

PRODUCTS = frozenset({"Gemm", "MatMul", "Conv", "ConvTranspose"})
MOVES = frozenset(
    {
        "Reshape",
        "Transpose",
        "Slice",
        "Split",
        "Concat",
        "Gather",
        "Squeeze",
        "Unsqueeze",
        "Expand",
        "Flatten",
    }
    | {"Identity", "Pad", "Tile"}
)
ELEMENTWISE = frozenset(
    {"Add", "Sub", "Mul", "Div", "Neg", "Erf", "Gelu", "Relu", "LeakyRelu", "Elu", "Selu", "Sigmoid", "Tanh"}
)
FOLLOW = MOVES | ELEMENTWISE
# What a small relative error of the input turns into a large error of the output, or what overflows fp16.
DELICATE = frozenset({"Log", "Exp", "Sqrt", "Reciprocal", "Pow"})
SHIFTS = MOVES | {"Add", "Sub"}
LARGEST_FP16 = 65504.0
"""An input beyond it becomes infinite in fp16, and the output not-a-number: fp16 is for signals in mV or whitened."""

MOST_SUMMED = 1 << 16  # weights of a product that may be written as a sum


def lower_precision(model: bytes, precision: LowPrecision) -> bytes:
    """Write a network's matrix products in fp16 or bf16.

    Parameters
    ----------
    model : bytes
        An ONNX file whose weights are inside it; any graph. What is not float32 stays as it is.
    precision : {'fp16', 'bf16'}
        Type of matrix products (Gemm, MatMul, Conv) and of what lies between them.

    Returns
    -------
    bytes
        An ONNX file of the same inputs and outputs, float32; the same arguments give the same bytes.

    Raises
    ------
    EngineError
        When `model` is not a whole ONNX file, or `precision` is another one.
    MissingPackageError
        Without onnx.

    Notes
    -----
    A product stays float32 when a factor is a square or the result of a logarithm, a root or a power, or when its own
    result goes into one: squares of microvolts overflow fp16, and rounding log powers before the read-out of the DARE
    encoder was nine tenths of the whole error (nano, fp16: 3.4e-3 against 5.1e-4). Such a product with constant
    weights is written as a multiplication and a sum, because TensorRT for RTX has no float32 matrix products on Turing.
    """
    if precision not in ("fp16", "bf16"):
        raise EngineError(f"lower_precision: got precision {precision!r}, need fp16 or bf16")
    parsed = _parse(model)
    _Lowering(parsed, precision).rewrite()
    return _checked(parsed)


def _parse(model: bytes) -> "ModelProto":
    try:
        import onnx
    except ImportError:
        raise MissingPackageError(
            f"lower_precision: onnx is not installed, need it to change a network's precision; {pip_install('onnx')}"
        ) from None
    try:
        parsed = onnx.load_from_string(model)
        onnx.checker.check_model(parsed)
    except Exception as error:  # protobuf's and onnx's classes share no base
        raise EngineError(
            f"lower_precision: {first_line(error)}, need a whole ONNX file; export it again"
        ) from None
    return parsed


def _checked(parsed: "ModelProto") -> bytes:
    import onnx

    try:
        onnx.checker.check_model(parsed, full_check=True)
    except Exception as error:  # onnx's classes share no base
        raise EngineError(
            f"lower_precision: the lowered network is not valid ({first_line(error)}); use fp32"
        ) from error
    data: bytes = parsed.SerializeToString(deterministic=True)
    return data


class _Lowering:
    """Decides node by node, then writes the graph anew; ``x`` is always float32 and ``x_fp16`` its 16-bit form."""

    def __init__(self, model: "ModelProto", precision: LowPrecision) -> None:
        import onnx

        self._onnx = onnx
        self._graph = model.graph
        self._suffix = f"_{precision}"
        self._type = onnx.TensorProto.FLOAT16 if precision == "fp16" else onnx.TensorProto.BFLOAT16
        self._largest = LARGEST_FP16 if precision == "fp16" else np.inf
        _constants_to_initializers(model)
        self._constants = {one.name: one for one in self._graph.initializer}
        self._opset = max(one.version for one in model.opset_import if one.domain in ("", "ai.onnx"))
        self._floats = _float_names(model)
        self._producers = {name: node for node in self._graph.node for name in node.output}
        self._consumers = _consumers(self._graph.node)
        self._captured = _captured_names(self._graph.node)
        self._captured.update(one.name for one in self._graph.output)
        self._new: list[NodeProto] = []
        self._have: set[str] = set()
        self._delicate: set[int] = set()

    def rewrite(self) -> None:
        """Write the lowered graph in place of the given one."""
        low = self._choose()
        self._have = {one.name for one in self._graph.input} | set(self._constants)
        for node in list(self._graph.node):
            self._lower(node) if id(node) in low else self._keep(node)
        for one in self._graph.output:
            self._as_float(one.name)
        del self._graph.node[:], self._graph.value_info[:]
        self._graph.node.extend(self._new)
        used = {name for node in self._new for name in node.input} | _captured_names(self._new)
        kept = [one for one in self._constants.values() if one.name in used]
        del self._graph.initializer[:]
        self._graph.initializer.extend(kept)

    def _choose(self) -> set[int]:
        """Ids of the nodes to lower: the largest set in which elementwise operators have low neighbours only."""
        nodes = self._graph.node
        low = {id(n) for n in nodes if n.op_type in PRODUCTS | FOLLOW and self._fits(n)}
        self._delicate = {id(n) for n in nodes if n.op_type in PRODUCTS and self._is_delicate(n)}
        low -= self._delicate
        while out := [n for n in nodes if id(n) in low and n.op_type in FOLLOW and not self._between(n, low)]:
            low -= {id(n) for n in out}
        return low

    def _fits(self, node: "NodeProto") -> bool:
        """Whether a node is one of ONNX's, all its results are float32 and its weights are in range."""
        weights = [self._constants[name] for name in node.input if self._is_weight(name)]
        return (
            node.domain in ("", "ai.onnx")
            and all(name in self._floats for name in node.output)
            and all(float(np.abs(_array(one)).max(initial=0.0)) <= self._largest for one in weights)
        )

    def _is_weight(self, name: str) -> bool:
        return name in self._constants and name in self._floats

    def _between(self, node: "NodeProto", low: set[int]) -> bool:
        made = [self._producers.get(name) for name in self._activations(node)]
        used = [one for name in node.output for one in self._consumers.get(name, [])]
        return (
            bool(made and used)
            and not self._captured.intersection(node.output)
            and all(one is not None and id(one) in low for one in made)
            and all(id(one) in low for one in used)
        )

    def _activations(self, node: "NodeProto") -> list[str]:
        return [name for name in node.input if name in self._floats and name not in self._constants]

    def _is_delicate(self, node: "NodeProto") -> bool:
        return any(self._is_power(name) for name in self._activations(node)) or self._feeds_delicate(node)

    def _is_power(self, name: str) -> bool:
        """Whether a name holds squares or the result of a delicate operator, moved or shifted."""
        node = self._producers.get(name)
        if node is None:
            return False
        if node.op_type in SHIFTS:
            return any(self._is_power(one) for one in self._activations(node))
        square = node.op_type == "Mul" and node.input[0] == node.input[1]
        return square or node.op_type in DELICATE

    def _feeds_delicate(self, node: "NodeProto") -> bool:
        for one in (one for name in node.output for one in self._consumers.get(name, [])):
            if one.op_type in DELICATE or (one.op_type in SHIFTS and self._feeds_delicate(one)):
                return True
        return False

    def _lower(self, node: "NodeProto") -> None:
        inputs = [self._as_low(name) if name in self._floats else name for name in node.input]
        self._add(node, inputs, [name + self._suffix for name in node.output])

    def _keep(self, node: "NodeProto") -> None:
        for name in (*node.input, *_captured_names([node])):
            self._as_float(name)
        if self._is_small_product(node):
            self._write_sum(node)
        else:
            self._add(node, list(node.input), list(node.output))

    def _as_low(self, name: str) -> str:
        low = name + self._suffix
        if low not in self._have:
            if name in self._constants:
                self._constants[low] = _cast_constant(self._constants[name], low, self._type)
                self._have.add(low)
            else:
                self._cast(name, low, self._type)
        return low

    def _as_float(self, name: str) -> None:
        if name not in self._have and name + self._suffix in self._have:
            self._cast(name + self._suffix, name, self._onnx.TensorProto.FLOAT)

    def _cast(self, source: str, target: str, to: int) -> None:
        node = self._onnx.helper.make_node("Cast", [source], [target], name=f"Cast_{target}", to=to)
        self._new.append(node)
        self._have.add(target)

    def _add(self, node: "NodeProto", inputs: list[str], outputs: list[str]) -> None:
        new = self._onnx.NodeProto()
        new.CopyFrom(node)
        del new.input[:], new.output[:]
        new.input.extend(inputs)
        new.output.extend(outputs)
        self._new.append(new)
        self._have.update(outputs)

    def _is_small_product(self, node: "NodeProto") -> bool:
        """Whether a product that stays float32 is one with constant weights, few enough to be written as a sum."""
        if node.op_type != "MatMul" or self._opset < 13 or not self._is_weight(node.input[1]):
            return False
        dims = self._constants[node.input[1]].dims
        return len(dims) == 2 and dims[0] * dims[1] <= MOST_SUMMED and id(node) in self._delicate

    def _write_sum(self, node: "NodeProto") -> None:
        """Write x @ W, x of shape (..., k) and W of shape (k, n), as the sum over k of x[..., k, None] * W."""
        make, y = self._onnx.helper.make_node, node.output[0]
        column, terms = f"{y}_column", f"{y}_terms"
        for name, axis in (("axis_m1", -1), ("axis_m2", -2)):
            self._constants[name] = self._onnx.numpy_helper.from_array(np.array([axis], np.int64), name)
            self._have.add(name)
        self._new.append(make("Unsqueeze", [node.input[0], "axis_m1"], [column], name=column))
        self._new.append(make("Mul", [column, node.input[1]], [terms], name=terms))
        self._new.append(make("ReduceSum", [terms, "axis_m2"], [y], name=node.name or y, keepdims=0))
        self._have.update((column, terms, y))


def _constants_to_initializers(model: "ModelProto") -> None:
    """Turn Constant nodes that hold a tensor into initializers, so that they are cast here and not while running."""
    for node in [one for one in model.graph.node if one.op_type == "Constant"]:
        values = [one.t for one in node.attribute if one.name == "value"]
        if values:
            tensor = model.graph.initializer.add()
            tensor.CopyFrom(values[0])
            tensor.name = node.output[0]
            model.graph.node.remove(node)


def _float_names(model: "ModelProto") -> set[str]:
    """Names that hold float32, as far as ONNX can tell."""
    import onnx

    graph = onnx.shape_inference.infer_shapes(model).graph
    values = [*graph.input, *graph.output, *graph.value_info]
    names = {one.name for one in values if one.type.tensor_type.elem_type == onnx.TensorProto.FLOAT}
    return names | {one.name for one in graph.initializer if one.data_type == onnx.TensorProto.FLOAT}


def _consumers(nodes: Iterable["NodeProto"]) -> dict[str, list["NodeProto"]]:
    found: dict[str, list[NodeProto]] = {}
    for node in nodes:
        for name in node.input:
            found.setdefault(name, []).append(node)
    return found


def _captured_names(nodes: Iterable["NodeProto"]) -> set[str]:
    """Names that graphs inside nodes (If, Loop) take from outside, and some of their own."""
    graphs = [
        graph
        for node in nodes
        for one in node.attribute
        for graph in (*([one.g] if one.HasField("g") else []), *one.graphs)
    ]
    names = {name for graph in graphs for node in graph.node for name in node.input}
    names |= {one.name for graph in graphs for one in graph.output}
    return names | {name for graph in graphs for name in _captured_names(graph.node)}


def _array(tensor: Any) -> np.ndarray[Any, Any]:
    from onnx import numpy_helper

    try:
        return np.asarray(numpy_helper.to_array(tensor))
    except Exception as error:  # onnx's classes share no base
        raise EngineError(
            f"lower_precision: weights '{tensor.name}' cannot be read ({first_line(error)}), "
            "need them inside the ONNX file; save it without external data"
        ) from None


def _cast_constant(tensor: Any, name: str, to: int) -> Any:
    import ml_dtypes
    from onnx import TensorProto, numpy_helper

    kind = np.float16 if to == TensorProto.FLOAT16 else ml_dtypes.bfloat16
    return numpy_helper.from_array(_array(tensor).astype(kind), name)
