"""How far a lowered network is from float32, without a GPU.

    python tools/precision_table.py engines/dare_nano engines/dare_light

ONNX Runtime on the CPU computes 16-bit products in float32 and drops casts between them, which hides the error,
and has no bf16. So the lowered graph is emulated: every operator in float32, every 16-bit tensor rounded to its
type. That is what a GPU does whose products are summed in float32, but for the order of sums and what is fused.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file
from scipy.signal import lfilter

from rtbci.backends.onnxruntime import OrtSession
from rtbci.backends.onnxruntime_api import load_onnxruntime
from rtbci.backends.precision import LARGEST_FP16, LowPrecision, lower_precision
from rtbci.errors import RtbciError
from rtbci.recipes import EngineRecipe, read_engine

__all__ = ["compare", "emulated_graph", "largest_difference", "run_emulated", "stress_windows"]

LOW_TYPES = (TensorProto.FLOAT16, TensorProto.BFLOAT16)
Array = npt.NDArray[np.float32]


def emulated_graph(lowered: bytes) -> bytes:
    """Write a lowered graph in float32, with 16-bit tensors rounded."""
    model = onnx.load_from_string(lowered)
    graph = model.graph
    types = {
        one.name: one.type.tensor_type.elem_type
        for one in onnx.shape_inference.infer_shapes(model).graph.value_info
    }
    for one in graph.initializer:
        if one.data_type in LOW_TYPES:
            one.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(one).astype(np.float32), one.name))
    nodes = [new for node in graph.node for new in _emulated(node, types)]
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)
    data: bytes = model.SerializeToString()
    return data


def _emulated(node: Any, types: dict[str, int]) -> list[Any]:
    """Rounds what the node makes in 16 bits; a cast back to float32 has nothing to do."""
    if node.op_type == "Cast":
        to = next(one.i for one in node.attribute if one.name == "to")
        if to == TensorProto.FLOAT and types.get(node.input[0]) in LOW_TYPES:
            return [helper.make_node("Identity", node.input, node.output)]
        return _round(node.input[0], node.output[0], to) if to in LOW_TYPES else [node]
    new = onnx.NodeProto()
    new.CopyFrom(node)
    rounding = []
    for i, name in enumerate(node.output):
        if types.get(name) in LOW_TYPES:
            new.output[i] = f"{name}_exact"
            rounding += _round(f"{name}_exact", name, types[name])
    return [new, *rounding]


def _round(source: str, target: str, to: int) -> list[Any]:
    return [
        helper.make_node("Cast", [source], [f"{target}_rounded"], to=to),
        helper.make_node("Cast", [f"{target}_rounded"], [target], to=TensorProto.FLOAT),
    ]


def run_emulated(lowered: bytes, x: Array) -> Array:
    """Run the emulated graph of a lowered network."""
    ort = load_onnxruntime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    # Optimising would take out the pairs of casts that round.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session: Any = ort.InferenceSession(emulated_graph(lowered), options, providers=["CPUExecutionProvider"])
    y: Array = session.run(None, {session.get_inputs()[0].name: x})[0]
    return y


def stress_windows(shape: tuple[int, ...], seed: int = 1) -> dict[str, Array]:
    """Signals in standard deviations, each (n, n_channels, n_samples): ordinary, quiet, silent, and far too large."""
    rng = np.random.default_rng(seed)
    n_channels, n_samples = shape
    white = rng.standard_normal((512, n_channels, n_samples))
    source = rng.standard_normal((512, n_channels + 1, 4 * n_samples))
    slow = lfilter([1.0], [1.0, -0.95], source, axis=-1)[..., -n_samples:]
    eeg = slow[:, 1:] + slow[:, :1]
    eeg /= eeg.std()
    artefact = white.copy()
    artefact[:, : max(1, n_channels // 6)] *= 100.0
    windows = {
        "1/f": eeg,
        "white": white,
        "a hundredth": 0.01 * eeg,
        "thirtyfold": 30.0 * eeg,
        "some channels x 100": artefact,
        "silence": np.zeros((1, n_channels, n_samples)),
        "saturated at 1e3": 1e3 * np.sign(white[:64]),
        "saturated at 1e4": 1e4 * np.sign(white[:64]),
    }
    return {name: np.ascontiguousarray(x, np.float32) for name, x in windows.items()}


def compare(y: Array, reference: Array) -> tuple[float, float]:
    """Largest absolute difference, and smallest cosine of one output."""
    a, b = (one.reshape(len(one), -1).astype(np.float64) for one in (y, reference))
    cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    return float(np.abs(a - b).max()), float(cosine.min())


def largest_difference(model: bytes, precision: LowPrecision, spread: float, n: int = 64) -> float:
    """Largest absolute difference of a lowered network's output, over `n` windows of each kind of signal.

    `spread` is the standard deviation of EEG in the input's unit; signals that fp16 cannot hold are left out.
    """
    lowered, reference = lower_precision(model, precision), OrtSession(model)
    signals = [
        (spread * x[:n]).astype(np.float32) for x in stress_windows(reference.input_shape[1:]).values()
    ]
    fitting = [x for x in signals if np.abs(x).max() < LARGEST_FP16]
    return max(compare(run_emulated(lowered, x), reference.run(x))[0] for x in fitting)


def table(recipe: EngineRecipe) -> list[str]:
    """One line for each precision and kind of signal."""
    model = recipe.onnx_path.read_bytes()
    reference = OrtSession(model)
    signals = stress_windows(reference.input_shape[1:])
    if recipe.golden is not None:
        signals = {"golden": load_file(recipe.folder / recipe.golden)["input"], **signals}
    lines = []
    for precision in get_args(LowPrecision):
        lowered = lower_precision(model, precision)
        for name, x in signals.items():
            difference, cosine = compare(run_emulated(lowered, x), reference.run(x))
            lines.append(f"{recipe.name:12} {precision} {name:20} {difference:9.1e} {1 - cosine:9.1e}")
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table of each engine; 0 when all could be read."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("engines", nargs="+", help="name or folder of an engine")
    try:
        for name in parser.parse_args(arguments).engines:
            recipe = read_engine(name if Path(name).is_absolute() or "/" not in name else f"./{name}")
            print(
                "\n".join([f"{'engine':12} type {'signal':20} {'max abs':>9} {'1 - cos':>9}", *table(recipe)])
            )
    except RtbciError as error:
        print(error)
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
