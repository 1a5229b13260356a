"""ONNX Runtime on the CPU: the default back end."""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from rtbci.backends.onnx_file import check_input, read_onnx
from rtbci.backends.onnxruntime_api import load_onnxruntime
from rtbci.backends.words import first_line
from rtbci.errors import EngineError
from rtbci.recipes import Precision
from rtbci.stages.stage import Float32Array

__all__ = ["OrtSession", "load_session"]

LOG_ERRORS_ONLY = 3


class OrtSession:
    """A network in an ONNX file, run by ONNX Runtime on the CPU.

    Parameters
    ----------
    source : Path or bytes
        An ONNX file, or its content; one float32 input and one float32 output, fixed shapes except the
        first axis.
    n_threads : int
        Threads that one call may use. 1 is right for patches: at this size threads cost more than they give.

    Attributes
    ----------
    backend : str
        ``"onnxruntime"``.
    network_id, engine_id : str
        sha256 of the file.
    precision, device : str
        ``"fp32"`` and ``"cpu"``.
    input_shape, output_shape : tuple of int
        For batch 1.
    metadata : dict of str to str
        What the file's header says.

    Raises
    ------
    EngineError
        When the file is missing or corrupt, or the network has other inputs or outputs.

    Notes
    -----
    `run` may be called from one thread at a time. Threads do not spin while they wait. Plain `run` is used
    because binding preallocated buffers won 1.3 of 50 microseconds (nano) and 3 of 345 (light), and would
    return an array that the next call overwrites. The memory arena stays on: without it a nano session took
    0.2 MB less and light was 1 % slower.
    """

    backend = "onnxruntime"
    precision: Precision = "fp32"
    device: str = "cpu"

    def __init__(self, source: Path | str | bytes, n_threads: int = 1) -> None:
        if n_threads < 1:
            raise EngineError(f"OrtSession: got {n_threads} threads, need at least 1")
        self._where = "OrtSession" if isinstance(source, bytes) else str(source)
        data = source if isinstance(source, bytes) else read_onnx(Path(source))
        self.network_id = self.engine_id = sha256(data).hexdigest()
        self._closed = False
        self._session: Any = self._load(data, n_threads)
        node_in, node_out = self._nodes()
        self._input_name, self._output_names = node_in.name, [node_out.name]
        self.input_shape, self._free_batch = self._shape(node_in)
        self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)
        self.output_shape: tuple[int, ...] = self._first_run().shape

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
        if x.shape != self.input_shape or x.dtype != np.float32 or self._closed:
            self._check(x)
        y: Float32Array = self._session.run(self._output_names, {self._input_name: x})[0]
        return y

    def close(self) -> None:
        """Free the network; may be called more than once."""
        self._closed = True
        self._session = None

    def _check(self, x: Float32Array) -> None:
        if self._closed:
            raise EngineError(f"{self._where}: session is closed, need an open one; open it again")
        check_input(self._where, x, self.input_shape, self._free_batch)

    def _load(self, data: bytes, n_threads: int) -> Any:
        return load_session(self._where, data, n_threads, ["CPUExecutionProvider"])

    def _nodes(self) -> tuple[Any, Any]:
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        types = [node.type for node in (*inputs, *outputs)]
        if types != ["tensor(float)", "tensor(float)"] or len(inputs) != 1:
            names = [f"{node.name}: {node.type}" for node in (*inputs, *outputs)]
            raise EngineError(
                f"{self._where}: network has {len(inputs)} inputs and {len(outputs)} outputs "
                f"({', '.join(names)}), need one of each, tensor(float); export it again"
            )
        return inputs[0], outputs[0]

    def _shape(self, node: Any) -> tuple[tuple[int, ...], bool]:
        if not node.shape or any(not isinstance(size, int) for size in node.shape[1:]):
            raise EngineError(
                f"{self._where}: input '{node.name}' has shape {node.shape}, "
                "need fixed sizes on all axes but the first; export it for one layout"
            )
        free = not isinstance(node.shape[0], int)
        return (1 if free else node.shape[0], *node.shape[1:]), free

    def _first_run(self) -> Float32Array:
        """Run on zeros: allocates all buffers before the first sample, and shows the output's shape."""
        try:
            return self.run(np.zeros(self.input_shape, np.float32))
        except EngineError:
            raise
        except Exception as error:  # ONNX Runtime's own classes share no base
            raise EngineError(f"{self._where}: network fails on zeros ({first_line(error)})") from error


def load_session(
    where: str, data: bytes, n_threads: int, providers: Sequence[str | tuple[str, dict[str, str]]]
) -> Any:
    """Open an ONNX Runtime session with our settings; an EngineError where it cannot be."""
    ort = load_onnxruntime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = n_threads
    options.inter_op_num_threads = 1
    options.log_severity_level = LOG_ERRORS_ONLY
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return ort.InferenceSession(data, options, providers=providers)
    except Exception as error:  # ONNX Runtime's own classes share no base
        raise EngineError(
            f"{where}: ONNX Runtime cannot load it ({first_line(error)}), need a whole ONNX file; "
            "export or install it again"
        ) from error
