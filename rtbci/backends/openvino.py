"""OpenVINO on the CPU: an optional back end that on many processors beats ONNX Runtime."""

from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import numpy as np

from rtbci.backends.onnx_file import check_input, read_onnx
from rtbci.backends.words import first_line
from rtbci.errors import EngineError
from rtbci.recipes import Precision
from rtbci.stages.stage import Float32Array

__all__ = ["PRECISIONS", "OpenVinoSession", "why_no_bf16"]

PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16")
"""What it computes in."""
FREE = -1


class OpenVinoSession:
    """A network in an ONNX file, run by OpenVINO on the CPU.

    Parameters
    ----------
    source : Path or bytes
        An ONNX file, or its content; one float32 input and one float32 output, fixed shapes except the
        first axis.
    n_threads : int
        Threads that one call may use. 1 is right for patches.
    precision : {'fp32', 'bf16'}
        bf16: matrix products in bfloat16, as `rtbci.backends.precision.lower_precision` writes them into the graph, for
        processors that have such products (`why_no_bf16`).
    network_id : str
        Of the network that `source` was lowered from to `precision`; empty: `source` is that network.

    Attributes
    ----------
    backend, network_id, engine_id, precision, device, input_shape, output_shape
        See `Session`; both ids are the file's sha256 in fp32, the engine's is that of the lowered file in bf16.

    Raises
    ------
    EngineError
        When the file is missing or corrupt, the network has other inputs or outputs, or this processor does not have
        the precision.
    MissingPackageError
        When a network is to be lowered without onnx.
    ImportError
        Without openvino.

    Notes
    -----
    `run` may be called from one thread at a time. Batch 1 has a network of fixed shape, its tensors bound
    once: the same network with a free batch took 0.56 ms where this takes 0.12 (nano). The first call with
    another batch compiles the network again with a free batch, which takes about as long as opening.
    Nothing is written to disk. Computes in float32 also on processors that have bfloat16, unless bf16 is asked for:
    then in the types that the lowered graph names and no others. OpenVINO's own hint for bfloat16 took 0.93 of the
    time (small) and was 16 times further from float32 on dare_light, whose log powers it rounds.
    """

    backend = "openvino"
    device = "cpu"

    def __init__(
        self,
        source: Path | str | bytes,
        n_threads: int = 1,
        precision: Precision = "fp32",
        network_id: str = "",
    ) -> None:
        if n_threads < 1:
            raise EngineError(f"OpenVinoSession: got {n_threads} threads, need at least 1")
        self._where = "OpenVinoSession" if isinstance(source, bytes) else str(source)
        data = source if isinstance(source, bytes) else read_onnx(Path(source))
        self.precision: Precision = precision
        self.network_id = network_id or sha256(data).hexdigest()
        self._data = data if network_id or precision == "fp32" else self._lowered(data)
        self.engine_id = sha256(self._data).hexdigest()
        self._settings = _settings(n_threads)
        model = self._read()
        self.input_shape, self._free_batch = self._shape(model)
        self._any_batch: Any = None
        model.reshape(list(self.input_shape))
        self._request: Any = self._compile(model).create_infer_request()
        self._bind()

    def run(self, x: Float32Array) -> Float32Array:
        """Run the network; see `Session.run`.

        Returns
        -------
        ndarray of float32
            A fresh array. Not-a-number in the input comes out as not-a-number.

        Raises
        ------
        EngineError
            When shape or dtype is not what the engine was built for, or the session is closed.
        """
        if x.shape != self.input_shape or x.dtype != np.float32 or self._request is None:
            return self._run_unusual(x)
        self._x[...] = x
        self._request.infer()
        y: Float32Array = self._y.copy()
        return y

    def close(self) -> None:
        """Free the network; may be called more than once."""
        self._request = self._any_batch = None

    def _run_unusual(self, x: Float32Array) -> Float32Array:
        """Refuse the input, or run another batch than 1."""
        if self._request is None:
            raise EngineError(f"{self._where}: session is closed, need an open one; open it again")
        check_input(self._where, x, self.input_shape, self._free_batch)
        if self._any_batch is None:
            self._any_batch = self._compile(self._read()).create_infer_request()
        results = self._any_batch.infer([np.ascontiguousarray(x)], share_inputs=True)
        return np.array(results[0])

    @property
    def network(self) -> bytes:
        """The ONNX file that it runs, lowered where that was asked for."""
        return self._data

    def _lowered(self, data: bytes) -> bytes:
        if self.precision not in PRECISIONS:
            raise EngineError(
                f"{self._where}: openvino computes in {' or '.join(PRECISIONS)}, got {self.precision}; take fp32"
            )
        if why := why_no_bf16():
            raise EngineError(f"{self._where}: {why}; take fp32")
        from rtbci.backends.precision import LowPrecision, lower_precision

        return lower_precision(data, cast(LowPrecision, self.precision))

    def _read(self) -> Any:
        import openvino

        try:
            return openvino.Core().read_model(self._data, b"")
        except RuntimeError as error:
            raise EngineError(
                f"{self._where}: OpenVINO cannot read it ({first_line(error)}), need a whole ONNX file; "
                "export or install it again"
            ) from error

    def _compile(self, model: Any) -> Any:
        import openvino

        try:
            return openvino.Core().compile_model(model, "CPU", self._settings)
        except RuntimeError as error:
            raise EngineError(
                f"{self._where}: OpenVINO cannot compile it ({first_line(error)}); use onnxruntime"
            ) from error

    def _shape(self, model: Any) -> tuple[tuple[int, ...], bool]:
        """Input's shape for batch 1, and whether its batch is free."""
        types = [port.get_element_type().get_type_name() for port in (*model.inputs, *model.outputs)]
        if types != ["f32", "f32"] or len(model.inputs) != 1:
            raise EngineError(
                f"{self._where}: network has {len(model.inputs)} inputs and {len(model.outputs)} outputs "
                f"({', '.join(types)}), need one of each, f32; export it again"
            )
        shape = model.inputs[0].get_partial_shape()
        sizes = [] if shape.rank.is_dynamic else [FREE if d.is_dynamic else d.get_length() for d in shape]
        if not sizes or FREE in sizes[1:]:
            raise EngineError(
                f"{self._where}: input has shape {shape}, "
                "need fixed sizes on all axes but the first; export it for one layout"
            )
        free = sizes[0] == FREE
        return (1 if free else sizes[0], *sizes[1:]), free

    def _bind(self) -> None:
        """Give the network our own arrays to read from and write to, and run it once."""
        import openvino

        shape = self._request.get_output_tensor(0).shape
        self.output_shape: tuple[int, ...] = tuple(int(size) for size in shape)
        given, result = (openvino.Tensor(openvino.Type.f32, list(s)) for s in (self.input_shape, shape))
        self._request.set_input_tensor(given)
        self._request.set_output_tensor(result)
        self._x, self._y = given.data, result.data
        self.run(np.zeros(self.input_shape, np.float32))


def why_no_bf16() -> str:
    """Why this processor should not compute in bf16; empty when it has matrix products in it (AVX512_BF16, AMX)."""
    import openvino

    if "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        return ""
    return "this processor has no matrix products in bf16 (AVX512_BF16 or AMX)"


def _settings(n_threads: int) -> dict[str, Any]:
    return {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": "1",
        "INFERENCE_NUM_THREADS": n_threads,
        "INFERENCE_PRECISION_HINT": "f32",  # what the graph names; its default is bfloat16 where the processor has it
        "ENABLE_CPU_PINNING": False,  # the acquisition thread is not ours to pin
        "CACHE_DIR": "",
        # OpenVINO 2026.4.1 ends the process while it compiles dare_nano for one thread (a pass over "snippets",
        # its fused elementwise kernels). Without them nano took 0.126 ms where it took 0.118, light 0.87 for 0.80.
        "SNIPPETS_MODE": "DISABLE",
    }
