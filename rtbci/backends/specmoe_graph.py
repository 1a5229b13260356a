"""SpecMoE as an ONNX graph, written node by node: whole window in, logits out.

Standard operators only. The gate's spectrum is a product with a matrix of windowed cosines and sines, BatchNorm is folded
into the convolution before it, and the turning of RoPE into the weights of queries and keys.
"""

import json
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rtbci.backends.dare_graph import IR_VERSION, LAYER_NORM_EPS, OPSET
from rtbci.backends.graph_writer import GraphWriter
from rtbci.encoder.specmoe.checkpoint import SpecInfo, read_spec_weights
from rtbci.encoder.specmoe.sizes import PSD_HOP, PSD_SEGMENT, RATE_HZ
from rtbci.errors import EngineError, MissingPackageError
from rtbci.files import write_whole
from rtbci.installing import pip_extra

if TYPE_CHECKING:
    from rtbci.encoder.specmoe.checkpoint import Weights

__all__ = ["INPUT_NAME", "OUTPUT_NAME", "export_spec_checkpoint", "spec_onnx_bytes"]

INPUT_NAME, OUTPUT_NAME = "window", "logits"
HEAD_EPS, BATCH_NORM_EPS = 1e-5, 1e-5  # torch's defaults
PSD_FLOOR = 1e-4  # as rtbci.encoder.specmoe.moe, which needs torch
DILATIONS = (4, 2, 2)
ROPE_THETA = 1e4
Array = npt.NDArray[Any]


def export_spec_checkpoint(checkpoint: Path, path: Path) -> str:
    """Write a decoder's checkpoint as an ONNX file with a free batch; needs no torch.

    Returns
    -------
    str
        sha256 of the file: the same checkpoint gives the same one.

    Raises
    ------
    EngineError
        When the checkpoint cannot be used.
    MissingPackageError
        Without onnx.
    """
    data = spec_onnx_bytes(*read_spec_weights(checkpoint))
    write_whole(path, data)
    return sha256(data).hexdigest()


def spec_onnx_bytes(weights: "Weights", info: SpecInfo) -> bytes:
    """Make the checked ONNX model of a decoder.

    Raises
    ------
    EngineError
        When these are not a decoder's weights.
    MissingPackageError
        Without onnx.
    """
    if info.kind != "decoder":
        raise EngineError(f"spec_onnx_bytes: got weights of one {info.kind}, need those of a decoder")
    try:
        import onnx
    except ImportError:
        raise MissingPackageError(
            f"spec_onnx_bytes: onnx is not installed, need it to export an engine; {pip_extra('train')}"
        ) from None
    writer = _SpecWriter(weights, info)
    writer.write()
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        writer.nodes,
        f"specmoe_{info.size.name}",
        [value(INPUT_NAME, onnx.TensorProto.FLOAT, ["batch", len(info.channels), info.n_samples])],
        [value(OUTPUT_NAME, onnx.TensorProto.FLOAT, ["batch", info.n_classes])],
        writer.constants,
    )
    opsets = [onnx.helper.make_opsetid("", OPSET)]
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="rtbci")
    header = {
        "encoder": "specmoe",
        "size": info.size.name,
        "n_heads": str(info.size.n_heads),
        "readout": info.readout,
        "channels": json.dumps(list(info.channels)),
        "rate_hz": f"{info.rate_hz:g}",
        "unit": info.unit,
        "weights_sha256": info.sha256,
    }
    onnx.helper.set_model_props(model, header)
    onnx.checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


class _SpecWriter(GraphWriter):
    """Single channels of all windows are the batch of the experts."""

    def __init__(self, weights: "Weights", info: SpecInfo) -> None:
        super().__init__()
        self._weights, self._info, self._size = weights, info, info.size

    def write(self) -> None:
        """Write the whole decoder."""
        info, width = self._info, self._size.widths[-1]
        n_features = info.n_experts * width
        rows = self._op("Reshape", INPUT_NAME, self._shape(-1, info.n_samples))
        series = self._op("Reshape", rows, self._shape(-1, 1, info.n_samples))
        spectra = self._spectra(rows)
        parts = []
        for i in range(info.n_experts):
            share = self._op("Sigmoid", self._linear(spectra, f"gates.{i}"))
            parts.append(self._op("Mul", self._expert(series, f"experts.{i}"), share))
        joined = self._op("Concat", *parts, axis=1) if len(parts) > 1 else parts[0]
        weighed = self._op("Reshape", joined, self._shape(-1, len(info.channels), n_features))
        read = self._read_electrodes(weighed)
        hidden = self._gelu(self._linear(self._norm(read, "norm", HEAD_EPS), "hidden"))
        self._linear(hidden, "head", out=OUTPUT_NAME)

    def _read_electrodes(self, weighed: str) -> str:
        if self._info.readout == "electrodes":
            table = self._const("electrodes", self._weights["electrodes"])
            return self._op("ReduceSum", self._op("Mul", weighed, table), self._shape(1), keepdims=0)
        largest = self._op("ReduceMax", weighed, self._shape(1), keepdims=0)
        # A maximum may pass over what is not a number, a sum does not.
        nothing = self._op(
            "Mul", self._op("ReduceSum", weighed, self._shape(1), keepdims=0), self._scalar(0.0)
        )
        return self._op("Add", largest, nothing)

    def _spectra(self, rows: str) -> str:
        """``log(1 + density / floor)`` of each channel, (batch * n_channels, n_bins)."""
        n_samples = self._info.n_samples
        starts = range((n_samples - PSD_SEGMENT) % PSD_HOP, n_samples - PSD_SEGMENT + 1, PSD_HOP)
        waves = self._const("waves", _waves(len(starts)))
        powers = []
        for start in starts:
            ends = (self._shape(n) for n in (start, start + PSD_SEGMENT, 1, 1))
            product = self._op("MatMul", self._op("Slice", rows, *ends), waves)
            powers += [self._op("Mul", part, part) for part in self._split(product, 2)]
        total = powers[0]
        for power in powers[1:]:
            total = self._op("Add", total, power)
        return self._op("Log", self._op("Add", total, self._scalar(1.0)))

    def _expert(self, series: str, at: str) -> str:
        """Mean over time of the bottom, (batch * n_channels, D)."""
        widths, depths, n = self._size.widths, self._size.depths, self._info.n_samples
        x = self._down(series, f"{at}.down.0", DILATIONS[0])
        x = self._down(x, f"{at}.down.1", DILATIONS[1])
        tokens = self._layers(x, f"{at}.middle", depths[0], n // 4, widths[1])
        x = self._op("Transpose", tokens, perm=[0, 2, 1])
        x = self._down(x, f"{at}.down.2", DILATIONS[2])
        tokens = self._layers(x, f"{at}.bottom", depths[1], n // 8, widths[2])
        return self._op("ReduceMean", tokens, self._shape(1), keepdims=0)

    def _down(self, x: str, at: str, dilation: int) -> str:
        small = self._gelu(self._conv(x, f"{at}.small", f"{at}.norm_small", 1))
        large = self._gelu(self._conv(x, f"{at}.large", f"{at}.norm_large", dilation))
        both = self._op("Concat", small, large, axis=1)
        weight, bias = (
            self._const(f"{at}.join.{kind}", self._weights[f"{at}.join.{kind}"])
            for kind in ("weight", "bias")
        )
        return self._op("Conv", both, weight, bias, kernel_shape=[1])

    def _conv(self, x: str, at: str, norm: str, dilation: int) -> str:
        """Convolution of stride 2 with the BatchNorm behind it."""
        w = {name: value.astype(np.float64) for name, value in self._weights.items() if name.startswith(norm)}
        gain = w[f"{norm}.weight"] / np.sqrt(w[f"{norm}.running_var"] + BATCH_NORM_EPS)
        kernel = self._weights[f"{at}.weight"].astype(np.float64) * gain[:, None, None]
        shift = w[f"{norm}.bias"] - w[f"{norm}.running_mean"] * gain
        n = dilation * (kernel.shape[2] - 1) - 1
        constants = self._const(f"{at}.weight", kernel), self._const(f"{at}.bias", shift)
        return self._op(
            "Conv",
            x,
            *constants,
            kernel_shape=[kernel.shape[2]],
            strides=[2],
            dilations=[dilation],
            pads=[n // 2, n - n // 2],
        )

    def _layers(self, x: str, at: str, depth: int, n_tokens: int, width: int) -> str:
        """Transformer layers over time; (n, width, n_tokens) in, (n, n_tokens, width) out."""
        rows = self._op("Reshape", self._op("Transpose", x, perm=[0, 2, 1]), self._shape(-1, width))
        for i in range(depth):
            rows = self._layer(rows, f"{at}.{i}", n_tokens, width)
        return self._op("Reshape", rows, self._shape(-1, n_tokens, width))

    def _layer(self, rows: str, at: str, n_tokens: int, width: int) -> str:
        mixed = self._attention(self._norm(rows, f"{at}.norm1", LAYER_NORM_EPS), at, n_tokens, width)
        rows = self._op("Add", rows, self._linear(mixed, f"{at}.proj"))
        hidden = self._gelu(self._linear(self._norm(rows, f"{at}.norm2", LAYER_NORM_EPS), f"{at}.fc1"))
        return self._op("Add", rows, self._linear(hidden, f"{at}.fc2"))

    def _attention(self, rows: str, at: str, n_tokens: int, width: int) -> str:
        heads = self._size.n_heads
        weight, bias = self._turned(at, width)
        product = self._op(
            "Gemm", rows, self._const(f"{at}.qkv", weight.T), self._const(f"{at}.qkv_bias", bias)
        )
        tokens = self._op("Reshape", product, self._shape(-1, n_tokens, 5 * width))
        q, q_turned, k, k_turned, v = self._split(tokens, 5)
        cos, sin = self._turns(n_tokens, width)
        q, k = (
            self._op("Add", self._op("Mul", straight, cos), self._op("Mul", turned, sin))
            for straight, turned in ((q, q_turned), (k, k_turned))
        )
        split = self._shape(-1, n_tokens, heads, width // heads)
        q, k, v = (
            self._op("Transpose", self._op("Reshape", x, split), perm=perm)
            for x, perm in ((q, [0, 2, 1, 3]), (k, [0, 2, 3, 1]), (v, [0, 2, 1, 3]))
        )
        shares = self._op("Softmax", self._op("MatMul", q, k), axis=-1)
        mixed = self._op("Transpose", self._op("MatMul", shares, v), perm=[0, 2, 1, 3])
        return self._op("Reshape", mixed, self._shape(-1, width))

    def _turned(self, at: str, width: int) -> tuple[Array, Array]:
        """Weights that give queries (scaled), queries a quarter turn on, keys, the same of keys, and values."""
        w = {name: self._weights[f"{at}.{name}"].astype(np.float64) for name in
             ("query.weight", "query.bias", "key_value.weight", "key_value.bias")}  # fmt: skip
        scale, found = (width // self._size.n_heads) ** -0.5, []
        for kind in ("weight", "bias"):
            q, both = w[f"query.{kind}"] * scale, w[f"key_value.{kind}"]
            k, v = both[:width], both[width:]
            found.append(np.concatenate([q, self._quarter_turn(q), k, self._quarter_turn(k), v]))
        return found[0], found[1]

    def _quarter_turn(self, x: Array) -> Array:
        """Rows (a, b) of each head become (-b, a)."""
        heads = x.reshape(self._size.n_heads, 2, -1, *x.shape[1:])
        return np.stack([-heads[:, 1], heads[:, 0]], axis=1).reshape(x.shape)

    def _turns(self, n_tokens: int, width: int) -> tuple[str, str]:
        """Cosines and sines of RoPE, (n_tokens, width), written once for each resolution."""
        names = f"cos_{n_tokens}", f"sin_{n_tokens}"
        if all(constant.name != names[0] for constant in self.constants):
            half = width // self._size.n_heads // 2
            rates = ROPE_THETA ** (-np.arange(half) / half)
            angles = np.tile(np.arange(n_tokens)[:, None] * rates, (1, 2 * self._size.n_heads))
            for name, value in zip(names, (np.cos(angles), np.sin(angles)), strict=True):
                self._const(name, value)
        return names

    def _norm(self, x: str, at: str, epsilon: float) -> str:
        scale, bias = (
            self._const(f"{at}.{kind}", self._weights[f"{at}.{kind}"]) for kind in ("weight", "bias")
        )
        return self._op("LayerNormalization", x, scale, bias, axis=-1, epsilon=epsilon)

    def _linear(self, x: str, at: str, out: str = "") -> str:
        weight = self._const(f"{at}.weight", self._weights[f"{at}.weight"].T)
        return self._op("Gemm", x, weight, self._const(f"{at}.bias", self._weights[f"{at}.bias"]), out=out)


def _waves(n_segments: int) -> Array:
    """Windowed cosines, then sines, whose squared products sum to ``density / PSD_FLOOR``: (PSD_SEGMENT, 2 n_bins)."""
    n = np.arange(PSD_SEGMENT)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * n / PSD_SEGMENT)
    angles = 2 * np.pi * np.outer(n, np.arange(PSD_SEGMENT // 2 + 1)) / PSD_SEGMENT
    scale = np.full(angles.shape[1], 2.0 / (RATE_HZ * np.square(window).sum() * n_segments * PSD_FLOOR))
    scale[[0, -1]] /= 2.0
    waves: Array = np.stack([np.cos(angles), np.sin(angles)], axis=1) * window[:, None, None] * np.sqrt(scale)
    flat: Array = waves.reshape(PSD_SEGMENT, -1)
    return flat
