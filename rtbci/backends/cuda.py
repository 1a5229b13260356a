"""One NVIDIA GPU: memory, a stream, and graphs of work, through CUDA's runtime library.

The GPU is CUDA's first one; the environment variable CUDA_VISIBLE_DEVICES says which that is.
"""

import ctypes
import importlib
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from rtbci.errors import EngineError, MissingPackageError
from rtbci.installing import pip_extra, pip_install
from rtbci.stages.stage import Float32Array

__all__ = ["Cuda", "Gpu", "Graph", "find_gpu", "install_cuda", "mend_driver"]

NO_DEVICE = 100  # cudaErrorNoDevice


@dataclass(frozen=True)
class Gpu:
    """What an engine's cache has to know of a GPU.

    Attributes
    ----------
    name : str
        For instance ``"NVIDIA GeForce RTX 4070"``.
    capability : str
        Compute capability as TensorRT names it, for instance ``"SM89"``.
    driver : str
        Version of CUDA that the driver brings, for instance ``"13.0"``.
    """

    name: str
    capability: str
    driver: str


def find_gpu() -> Gpu:
    """Ask for the GPU.

    Raises
    ------
    EngineError
        When there is none that CUDA can use; with CUDA's own name for it.
    MissingPackageError
        Without cuda-bindings.
    """
    return Cuda().gpu


class Graph:
    """Work that was recorded once and is started by one call."""

    def __init__(self, cuda: "Cuda", executable: Any, stream: Any) -> None:
        self._launch = cuda.runtime.cudaGraphLaunch
        self._check = cuda.check
        self._executable, self._stream = executable, stream
        self._free = weakref.finalize(self, cuda.runtime.cudaGraphExecDestroy, executable)
        self._free.atexit = False  # the process's end frees it; CUDA may have ended before

    def launch(self) -> None:
        """Start it on its stream; returns at once.

        Raises
        ------
        EngineError
            With CUDA's own name for what is wrong.
        """
        self._check("cudaGraphLaunch", self._launch(self._executable, self._stream))

    def close(self) -> None:
        """Free it; may be called more than once."""
        self._free()


class Cuda:
    """CUDA's runtime, with errors as exceptions.

    Parameters
    ----------
    runtime : module, optional
        Stands in for ``cuda.bindings.runtime``.

    Attributes
    ----------
    gpu : Gpu
        The GPU.
    runtime : module
        As given, or imported.

    Raises
    ------
    EngineError
        When there is no GPU that CUDA can use.
    MissingPackageError
        Without cuda-bindings.

    Notes
    -----
    Any thread may use it: CUDA's runtime gives each thread the GPU's one context at its first call. A stream belongs to
    one at a time, and what is recorded is recorded by one.
    """

    def __init__(self, runtime: Any = None) -> None:
        self.runtime = _import_runtime() if runtime is None else runtime
        status, n_devices = self.runtime.cudaGetDeviceCount()
        if status != 0 or not n_devices:
            raise self._why_no_gpu(status)
        properties, driver = self.call("cudaGetDeviceProperties", 0), self.call("cudaDriverGetVersion")
        self.gpu = Gpu(_text(properties.name), f"SM{properties.major}{properties.minor}", _version(driver))

    def call(self, name: str, *arguments: Any) -> Any:
        """Call a function of CUDA's runtime by name; returns its result without the status.

        Raises
        ------
        EngineError
            When the status is not success; carries CUDA's name for it.
        """
        status_and_results = getattr(self.runtime, name)(*arguments)
        self.check(name, status_and_results)
        return status_and_results[1] if len(status_and_results) > 1 else None

    def check(self, name: str, status_and_results: Any) -> None:
        """Raise when the status that the function `name` gave is not success."""
        if status_and_results[0] != 0:
            raise self._error(name, status_and_results[0])

    def stream(self) -> Any:
        """Make a stream that does not wait for CUDA's default one; int() of it is its handle."""
        return self.call("cudaStreamCreateWithFlags", self.runtime.cudaStreamNonBlocking)

    def synchronize(self, stream: Any) -> None:
        """Wait until all work of a stream is done."""
        self.check("cudaStreamSynchronize", self.runtime.cudaStreamSynchronize(stream))

    def close_stream(self, stream: Any) -> None:
        """Free a stream."""
        self.call("cudaStreamDestroy", stream)

    def pinned(self, shape: tuple[int, ...]) -> Float32Array:
        """Allocate host memory that the GPU can copy by itself; zeros.

        Returns
        -------
        ndarray of float32
            The memory is freed when the last view of it is gone.
        """
        n_bytes = 4 * int(np.prod(shape))
        pointer = int(self.call("cudaHostAlloc", n_bytes, self.runtime.cudaHostAllocDefault))
        block = (ctypes.c_float * (n_bytes // 4)).from_address(pointer)
        # NumPy keeps the block as the base of every view, so its end is the end of the last view.
        free = weakref.finalize(block, self.runtime.cudaFreeHost, pointer)
        free.atexit = False  # a view may be read until the very end, which frees it anyway
        array: Float32Array = np.ctypeslib.as_array(block).reshape(shape)
        array[...] = 0.0
        return array

    def device_memory(self, n_bytes: int) -> int:
        """Allocate memory of the GPU; returns its address."""
        return int(self.call("cudaMalloc", n_bytes))

    def free(self, pointer: int) -> None:
        """Free what `device_memory` gave."""
        self.call("cudaFree", pointer)

    def copy_in(self, target: int, source: Float32Array, stream: Any) -> None:
        """Enqueue a copy from pinned memory to the GPU."""
        kind = self.runtime.cudaMemcpyKind.cudaMemcpyHostToDevice
        self.call("cudaMemcpyAsync", target, source.ctypes.data, source.nbytes, kind, stream)

    def copy_out(self, target: Float32Array, source: int, stream: Any) -> None:
        """Enqueue a copy from the GPU to pinned memory."""
        kind = self.runtime.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self.call("cudaMemcpyAsync", target.ctypes.data, source, target.nbytes, kind, stream)

    def capture(self, stream: Any, work: Callable[[], None]) -> Graph:
        """Record what `work` enqueues on a stream, without doing it.

        Raises
        ------
        EngineError
            When something in it cannot be recorded. What `work` raises passes, and the stream is as before.
        """
        # Thread-local: other threads may allocate meanwhile.
        mode = self.runtime.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        self.call("cudaStreamBeginCapture", stream, mode)
        try:
            work()
        except BaseException:
            status, unfinished = self.runtime.cudaStreamEndCapture(stream)
            if status == 0:
                self.runtime.cudaGraphDestroy(unfinished)
            raise
        graph = self.call("cudaStreamEndCapture", stream)
        try:
            return Graph(self, self.call("cudaGraphInstantiate", graph, 0), stream)
        finally:
            self.call("cudaGraphDestroy", graph)

    def forget_error(self) -> None:
        """Clear the error that CUDA keeps for this thread, after one that was dealt with."""
        self.runtime.cudaGetLastError()

    def _why_no_gpu(self, status: Any) -> EngineError:
        driver, needed = self.call("cudaDriverGetVersion"), self.call("cudaRuntimeGetVersion")
        if not driver:
            return EngineError(
                "cuda: no NVIDIA driver is installed, need one for a GPU; install it until nvidia-smi shows the GPU"
            )
        if driver // 1000 < needed // 1000:
            return EngineError(
                f"cuda: the NVIDIA driver brings CUDA {_version(driver)}, cuda-bindings need CUDA {needed // 1000}; "
                f"{mend_driver(driver // 1000)}"
            )
        if status in (0, NO_DEVICE):
            return EngineError(
                f"cuda: the NVIDIA driver is there (CUDA {_version(driver)}), no GPU is visible, need one; see "
                "CUDA_VISIBLE_DEVICES and nvidia-smi"
            )
        return self._error("cudaGetDeviceCount", status)

    def _error(self, name: str, status: Any) -> EngineError:
        said = getattr(status, "name", None) or f"status {status}"
        _, text = self.runtime.cudaGetErrorString(status)
        return EngineError(
            f"cuda: {name} failed with {said} ({_text(text)}); check the NVIDIA driver with nvidia-smi"
        )


def _import_runtime() -> Any:
    try:
        return importlib.import_module("cuda.bindings.runtime")
    except ImportError as error:
        raise MissingPackageError(
            f"cuda: cuda-bindings cannot be imported ({error}), need it for a GPU; {pip_install('cuda-bindings')}"
        ) from None


def mend_driver(cuda: int) -> str:
    """What to do about a driver that brings CUDA `cuda`, where what is installed is for a newer one."""
    if cuda != 12:
        return "update the driver"
    return (  # for people whose driver brings CUDA 12 and cannot be updated
        f"update the driver, or for CUDA 12: {pip_install('cuda-bindings<13')} with tensorrt-cu12, tensorrt-rtx-cu12 or "
        "'onnxruntime-gpu[cuda,cudnn]<1.27' in place of what is for CUDA 13"
    )


def install_cuda() -> str:
    """The command line that installs ONNX Runtime on a GPU.

    Both of its packages install the module `onnxruntime`; the one that is written last is the one that is there.
    """
    return f"{pip_extra('cuda')} && {pip_install('--force-reinstall', '--no-deps', 'onnxruntime-gpu')}"


def _version(number: int) -> str:
    """CUDA's version as people write it: 13010 is 13.1."""
    return f"{number // 1000}.{number % 1000 // 10}"


def _text(value: Any) -> str:
    return value.split(b"\0")[0].decode(errors="replace") if isinstance(value, bytes) else str(value)
