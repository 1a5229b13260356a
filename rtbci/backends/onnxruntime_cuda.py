"""ONNX Runtime on an NVIDIA GPU, with input and output bound to the device's memory."""

import ctypes
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np

from rtbci.backends.cuda import install_cuda
from rtbci.backends.onnxruntime import OrtSession, load_session
from rtbci.backends.onnxruntime_api import load_onnxruntime
from rtbci.errors import EngineError, MissingPackageError
from rtbci.stages.stage import Float32Array

__all__ = ["OrtCudaSession", "preload"]


PROVIDER_FILE = "libonnxruntime_providers_cuda.so"


class OrtCudaSession(OrtSession):
    """A network in an ONNX file, run by ONNX Runtime's CUDA provider.

    Parameters
    ----------
    source, n_threads
        See `OrtSession`.

    Attributes
    ----------
    backend, device : str
        ``"onnxruntime-cuda"``, and for instance ``"cuda:0"``; the others as `OrtSession` has them.

    Raises
    ------
    EngineError
        As `OrtSession`; also when ONNX Runtime would quietly run the network on the CPU.
    MissingPackageError
        When the onnxruntime that is installed has no CUDA provider.

    Notes
    -----
    `run` may be called from one thread at a time. Arrays on the device are made anew when the batch changes.
    TF32 is switched off: it keeps ten bits of a product's factors, and this back end says fp32.
    """

    backend = "onnxruntime-cuda"
    _provider = "CUDAExecutionProvider"
    _memory, _i_device = "cuda", 0
    device = f"cuda:{_i_device}"

    def __init__(self, source: Path | str | bytes, n_threads: int = 1) -> None:
        self._bound_shape: tuple[int, ...] = ()
        self._binding: Any = None
        self._given: Any = None
        self._result: Any = None
        super().__init__(source, n_threads)

    def run(self, x: Float32Array) -> Float32Array:
        """Run the network; see `Session.run`. The result is a fresh array.

        Raises
        ------
        EngineError
            When shape or dtype is not what the engine was built for, or the session is closed.
        """
        if x.shape != self._bound_shape or x.dtype != np.float32 or self._closed:
            self._check(x)
            self._bind(x.shape)
        self._given.update_inplace(np.ascontiguousarray(x))
        self._session.run_with_iobinding(self._binding)
        y: Float32Array = self._result.numpy()
        return y

    def close(self) -> None:
        """Free the network and the device's memory; may be called more than once."""
        self._binding = self._given = self._result = None
        super().close()

    def _load(self, data: bytes, n_threads: int) -> Any:
        ort = load_onnxruntime()
        have = ort.get_available_providers()
        if self._provider not in have:
            raise MissingPackageError(
                f"{self._where}: onnxruntime {ort.__version__} has the providers {', '.join(have)}, "
                f"need {self._provider}; {install_cuda()}"
            )
        provider = self._provider, self._settings()
        with redirect_stdout(sys.stderr):  # it prints what it falls back to
            session = load_session(self._where, data, n_threads, [provider])
        if self._provider not in session.get_providers():
            raise EngineError(
                f"{self._where}: ONNX Runtime gave up on {self._provider} and took "
                f"{', '.join(session.get_providers())} ({_why_no_provider()}), need a GPU, its driver, CUDA and cuDNN; "
                f"look at `nvidia-smi`, or install again: {install_cuda()}"
            )
        session.disable_fallback()
        return session

    def _settings(self) -> dict[str, str]:
        preload()
        return {"device_id": str(self._i_device), "use_tf32": "0"}

    def _bind(self, shape: tuple[int, ...]) -> None:
        """Make arrays on the device for this shape; a run without them shows the output's."""
        ort = load_onnxruntime()
        zeros = np.zeros(shape, np.float32)
        result = self._session.run(self._output_names, {self._input_name: zeros})[0].shape
        new, place = ort.OrtValue.ortvalue_from_shape_and_type, (self._memory, self._i_device)
        self._given, self._result = new(shape, np.float32, *place), new(result, np.float32, *place)
        self._binding = self._session.io_binding()
        self._binding.bind_ortvalue_input(self._input_name, self._given)
        self._binding.bind_ortvalue_output(self._output_names[0], self._result)
        self._bound_shape = shape


def preload() -> None:
    """Load CUDA's and cuDNN's libraries from where pip has put them; does nothing without the CUDA provider.

    They are large: a run does this before its first sample.
    """
    ort = load_onnxruntime()
    if OrtCudaSession._provider in ort.get_available_providers():
        with redirect_stdout(sys.stderr):  # it prints what it does not find
            ort.preload_dlls()


def _why_no_provider() -> str:
    """What the library of the provider misses: ONNX Runtime says that in a warning, or not at all."""
    ort = load_onnxruntime()
    file = Path(ort.__file__).parent / "capi" / PROVIDER_FILE
    built_for = f"it is built for CUDA {getattr(ort, 'cuda_version', '') or '?'}"
    try:
        ctypes.CDLL(str(file))
    except OSError as error:
        if "cannot open shared object file" in str(error):
            return f"{error}, {built_for}"
    return built_for
