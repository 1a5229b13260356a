"""Nodes and constants of an ONNX graph, appended one by one: what all networks that are written by hand share."""

from typing import Any

import numpy as np

__all__ = ["GraphWriter"]


class GraphWriter:
    """Collects nodes and constants.

    Attributes
    ----------
    nodes, constants : list
        Of ONNX nodes and tensors, in the order in which they were written.
    """

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._known: dict[tuple[int, ...], str] = {}

    def _gelu(self, x: str) -> str:
        """Exact GELU, in the form that ONNX Runtime fuses into one kernel."""
        error = self._op("Erf", self._op("Div", x, self._scalar(np.sqrt(2.0))))
        doubled = self._op("Mul", x, self._op("Add", error, self._scalar(1.0)))
        return self._op("Mul", doubled, self._scalar(0.5))

    def _split(self, x: str, n: int) -> list[str]:
        from onnx import helper

        names = [f"Split_{len(self.nodes)}_{i}" for i in range(n)]
        self.nodes.append(helper.make_node("Split", [x], names, axis=-1, num_outputs=n))
        return names

    def _op(self, kind: str, *inputs: str, out: str = "", **attributes: Any) -> str:
        from onnx import helper

        out = out or f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [out], name=out, **attributes))
        return out

    def _const(self, name: str, value: Any, dtype: type = np.float32) -> str:
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value, dtype), name))
        return name

    def _shape(self, *numbers: int) -> str:
        """Integer constant, written once however often it is used."""
        if numbers not in self._known:
            name = "ints_" + "_".join(map(str, numbers)).replace("-", "m")
            self._known[numbers] = self._const(name, numbers, np.int64)
        return self._known[numbers]

    def _scalar(self, value: float) -> str:
        name = f"scalar_{value:.9g}"
        if all(constant.name != name for constant in self.constants):
            self.constants.append(self._scalar_tensor(name, value))
        return name

    @staticmethod
    def _scalar_tensor(name: str, value: float) -> Any:
        from onnx import numpy_helper

        return numpy_helper.from_array(np.array(value, np.float32), name)
