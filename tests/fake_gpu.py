"""Stand-ins for ``cuda.bindings.runtime`` and for TensorRT: host memory, numpy, and a record of every call.

As on a GPU, what is put on a stream happens later: here when the stream is waited for, and never before.
"""

import ctypes
import gc
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

SUCCESS = 0
N_OUT = 6


def collect_garbage() -> None:
    """Collect all garbage, also where another thread is at it: then `gc.collect` returns at once, with 0.

    A process of pytest-xdist has such a thread, which waits for the next tests.
    """
    while True:
        certain: list[object] = []
        certain.append(certain)
        del certain
        if gc.collect():
            return


class Status(int):
    """A status that is not success, with CUDA's name."""

    name = "cudaErrorMemoryAllocation"


class FakeRuntime:
    """One GPU without a GPU."""

    cudaStreamNonBlocking = 1
    cudaHostAllocDefault = 0
    cudaMemcpyKind = SimpleNamespace(cudaMemcpyHostToDevice=1, cudaMemcpyDeviceToHost=2)
    cudaStreamCaptureMode = SimpleNamespace(cudaStreamCaptureModeThreadLocal=1)

    def __init__(self, n_devices: int = 1) -> None:
        self.calls: list[str] = []
        self.fails: set[str] = set()
        self.blocks: dict[int, Any] = {}
        self.pending: list[Callable[[], None]] = []
        self.recording: list[Callable[[], None]] | None = None
        self.n_devices = n_devices

    def enqueue(self, work: Callable[[], None]) -> None:
        """Put work on the stream, or into the graph that is being recorded."""
        (self.pending if self.recording is None else self.recording).append(work)

    def _called(self, name: str, *results: Any) -> tuple[Any, ...]:
        self.calls.append(name)
        return (Status(2), *(None for _ in results)) if name in self.fails else (SUCCESS, *results)

    def cudaGetDeviceCount(self) -> tuple[Any, ...]:
        return self._called("cudaGetDeviceCount", self.n_devices)

    def cudaGetDeviceProperties(self, device: int) -> tuple[Any, ...]:
        properties = SimpleNamespace(name=b"Fake 1000\0\0", major=8, minor=6)
        return self._called("cudaGetDeviceProperties", properties)

    def cudaDriverGetVersion(self) -> tuple[Any, ...]:
        return self._called("cudaDriverGetVersion", 13010)

    def cudaGetErrorString(self, status: int) -> tuple[Any, ...]:
        return SUCCESS, b"out of memory"

    def cudaStreamCreateWithFlags(self, flags: int) -> tuple[Any, ...]:
        return self._called("cudaStreamCreateWithFlags", 77)

    def cudaStreamDestroy(self, stream: int) -> tuple[Any, ...]:
        return self._called("cudaStreamDestroy")

    def _allocate(self, name: str, n_bytes: int) -> tuple[Any, ...]:
        block = (ctypes.c_byte * n_bytes)()
        pointer = ctypes.addressof(block)
        status, *results = self._called(name, pointer)
        if status == SUCCESS:
            self.blocks[pointer] = block
        return (status, *results)

    def cudaMalloc(self, n_bytes: int) -> tuple[Any, ...]:
        return self._allocate("cudaMalloc", n_bytes)

    def cudaHostAlloc(self, n_bytes: int, flags: int) -> tuple[Any, ...]:
        return self._allocate("cudaHostAlloc", n_bytes)

    def _work_off(self) -> None:
        work, self.pending = self.pending, []
        for one in work:
            one()

    def cudaFree(self, pointer: int) -> tuple[Any, ...]:
        self._work_off()  # as CUDA waits: what is on the stream may read and write this memory
        del self.blocks[pointer]
        return self._called("cudaFree")

    def cudaFreeHost(self, pointer: int) -> tuple[Any, ...]:
        self._work_off()
        del self.blocks[pointer]
        return self._called("cudaFreeHost")

    def cudaMemcpyAsync(
        self, target: int, source: int, n_bytes: int, kind: int, stream: int
    ) -> tuple[Any, ...]:
        def copy() -> None:
            ctypes.memmove(target, source, n_bytes)

        self.enqueue(copy)
        return self._called("cudaMemcpyAsync")

    def cudaStreamSynchronize(self, stream: int) -> tuple[Any, ...]:
        self._work_off()
        return self._called("cudaStreamSynchronize")

    def cudaStreamBeginCapture(self, stream: int, mode: int) -> tuple[Any, ...]:
        self.recording = []
        return self._called("cudaStreamBeginCapture")

    def cudaStreamEndCapture(self, stream: int) -> tuple[Any, ...]:
        graph, self.recording = self.recording, None
        return self._called("cudaStreamEndCapture", graph)

    def cudaGraphInstantiate(self, graph: Any, flags: int) -> tuple[Any, ...]:
        return self._called("cudaGraphInstantiate", list(graph or []))

    def cudaGraphDestroy(self, graph: Any) -> tuple[Any, ...]:
        return self._called("cudaGraphDestroy")

    def cudaGraphExecDestroy(self, executable: Any) -> tuple[Any, ...]:
        return self._called("cudaGraphExecDestroy")

    def cudaGraphLaunch(self, executable: Any, stream: int) -> tuple[Any, ...]:
        self.pending.extend(executable)
        return self._called("cudaGraphLaunch")


def network(x: Any) -> Any:
    """What the stand-in computes: (n, n_channels, n_samples) to (n, 1, 6)."""
    return 2.0 * x.mean(axis=1)[:, None, :N_OUT]


class FakeTensorRT(ModuleType):
    """The module ``tensorrt``, as far as a session uses it.

    `batches` are the ranges of the engine's optimisation profiles, `dtypes` those of input and output.
    """

    def __init__(self, runtime: FakeRuntime, backend: str = "tensorrt") -> None:
        super().__init__(backend)
        self.backend = backend
        self.__version__ = "11.0"
        self.runtime = runtime
        self.batches = [(1, 1), (1, 8)]
        self.shapes = {"x": (-1, 5, 64), "y": (-1, 1, N_OUT)}
        self.dtypes = {"x": "float32", "y": "float32"}
        self.capturable = True
        self.runs = True
        self.settings: list[tuple[str, Any]] = []
        self.ILogger = FakeLogger
        self.TensorIOMode = SimpleNamespace(INPUT="in", OUTPUT="out")
        self.ExecutionContextAllocationStrategy = SimpleNamespace(USER_MANAGED="by us")
        if backend == "tensorrt_rtx":
            self.DynamicShapesKernelSpecializationStrategy = SimpleNamespace(EAGER="eager")
            self.CudaGraphStrategy = SimpleNamespace(DISABLED="disabled")

    def nptype(self, dtype: str) -> type:
        if dtype == "bfloat16":
            raise TypeError("no such type")
        return np.dtype(dtype).type

    def Runtime(self, logger: Any) -> Any:
        trt = self

        class Runtime:
            def deserialize_cuda_engine(self, data: bytes) -> Any:
                if data != b"engine":
                    logger.log(FakeLogger.ERROR, "magicTag is wrong")
                    return None
                return FakeEngine(trt)

        return Runtime()


class FakeLogger:
    """Base class of loggers."""

    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)


class FakeEngine:
    """An engine whose network is `network`."""

    device_memory_size_v2 = 1000

    def __init__(self, trt: FakeTensorRT) -> None:
        self.trt = trt
        self.num_io_tensors = len(trt.shapes)
        self.num_optimization_profiles = len(trt.batches)

    def get_tensor_name(self, i: int) -> str:
        return list(self.trt.shapes)[i]

    def get_tensor_mode(self, name: str) -> str:
        return "in" if name.startswith("x") else "out"

    def get_tensor_dtype(self, name: str) -> Any:
        return NamedStr(self.trt.dtypes[name])

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self.trt.shapes[name]

    def get_tensor_profile_shape(self, name: str, i: int) -> list[tuple[int, ...]]:
        low, high = self.trt.batches[i]
        return [(n, *self.trt.shapes[name][1:]) for n in (low, high, high)]

    def create_runtime_config(self) -> Any:
        return SimpleNamespace(
            set_execution_context_allocation_strategy=lambda to: self.trt.settings.append(("memory", to))
        )

    def create_execution_context(self, how: Any) -> Any:
        self.trt.settings.append(("context", how if isinstance(how, str) else vars(how)))
        return FakeContext(self.trt)


class NamedStr(str):
    """A type's name, with the attribute that TensorRT's types have."""

    @property
    def name(self) -> str:
        return self.upper()


class FakeContext:
    """Runs on addresses, as TensorRT does."""

    def __init__(self, trt: FakeTensorRT) -> None:
        self.trt = trt
        self.addresses: dict[str, int] = {}
        self.shape: tuple[int, ...] = ()

    def set_optimization_profile_async(self, i: int, stream: int) -> bool:
        self.trt.settings.append(("profile", i))
        return True

    def set_device_memory(self, pointer: int, n_bytes: int) -> None:
        assert pointer in self.trt.runtime.blocks
        assert n_bytes == FakeEngine.device_memory_size_v2

    def is_stream_capturable(self, stream: int) -> bool:
        return self.trt.capturable

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self.shape = shape
        return True

    def set_tensor_address(self, name: str, pointer: int) -> None:
        self.addresses[name] = pointer

    def execute_async_v3(self, stream: int) -> bool:
        self.trt.runtime.calls.append("execute_async_v3")
        shape, source, target = self.shape, self.addresses["x"], self.addresses["y"]

        def work() -> None:
            y = network(_array(source, shape)).astype(np.float32)
            _array(target, y.shape)[...] = y

        self.trt.runtime.enqueue(work)
        return self.trt.runs


def _array(pointer: int, shape: tuple[int, ...]) -> Any:
    block = (ctypes.c_float * int(np.prod(shape))).from_address(pointer)
    return np.ctypeslib.as_array(block).reshape(shape)
