"""Stand-ins for ``cuda.bindings.runtime`` and for TensorRT: host memory, numpy, and a record of every call.

As on a GPU, what is put on a stream happens later: here when the stream is waited for, and never before. What the real
ones refuse is refused: copies that do not fit their memory or go the other way than is said, memory and graphs that were
freed, waiting or allocating in a thread that records, a network that is recorded before it has run once, contexts without
memory, addresses or a shape. `tests/unit/backends/test_bindings.py` compares the functions with the real bindings.
"""

import ctypes
import gc
import threading
from collections.abc import Callable
from enum import IntEnum
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

SUCCESS = 0
INVALID_VALUE, INVALID_HANDLE = 1, 400
NOT_WHILE_RECORDING, RECORDING_INVALIDATED, RECORDED_BY_ANOTHER_THREAD = 900, 901, 908
NAMES = {
    INVALID_VALUE: "cudaErrorInvalidValue",
    35: "cudaErrorInsufficientDriver",
    100: "cudaErrorNoDevice",
    INVALID_HANDLE: "cudaErrorInvalidResourceHandle",
    NOT_WHILE_RECORDING: "cudaErrorStreamCaptureUnsupported",
    RECORDING_INVALIDATED: "cudaErrorStreamCaptureInvalidated",
    RECORDED_BY_ANOTHER_THREAD: "cudaErrorStreamCaptureWrongThread",
}
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

    @property
    def name(self) -> str:
        return NAMES.get(self, "cudaErrorMemoryAllocation")


class CopyKind(IntEnum):
    """The real ones are an enumeration too, and take nothing else."""

    cudaMemcpyHostToDevice = 1
    cudaMemcpyDeviceToHost = 2


class CaptureMode(IntEnum):
    """See `CopyKind`."""

    cudaStreamCaptureModeGlobal = 0
    cudaStreamCaptureModeThreadLocal = 1
    cudaStreamCaptureModeRelaxed = 2


class Recording:
    """What one thread records on the stream."""

    def __init__(self, mode: CaptureMode) -> None:
        self.thread, self.mode = threading.get_ident(), mode
        self.work: list[Callable[[], None]] = []
        self.is_valid = True


class Executable(list[Callable[[], None]]):
    """A graph that can be launched until it is freed."""

    is_freed = False


class FakeRuntime:
    """One GPU without a GPU.

    `driver` is the version of CUDA that its driver brings (0: there is none), `fails` are the names of functions that
    fail.
    """

    cudaStreamNonBlocking = 1
    cudaHostAllocDefault = 0
    cudaMemcpyKind = CopyKind
    cudaStreamCaptureMode = CaptureMode

    def __init__(self, n_devices: int = 1, driver: int = 13010) -> None:
        self.calls: list[str] = []
        self.fails: set[str] = set()
        self.blocks: dict[int, Any] = {}
        self.is_pinned: dict[int, bool] = {}
        self.streams: set[int] = set()
        self.graphs: list[list[Callable[[], None]]] = []
        self.pending: list[Callable[[], None]] = []
        self.recording: Recording | None = None
        self.n_devices, self.driver = n_devices, driver

    def enqueue(self, work: Callable[[], None]) -> None:
        """Put work on the stream, or into the graph that is being recorded."""
        (self.pending if self.recording is None else self.recording.work).append(work)

    def holds(self, pointer: int, n_bytes: int, pinned: bool) -> bool:
        """Whether memory that was allocated and not freed has all of these bytes."""
        return any(
            start <= pointer and pointer + n_bytes <= start + ctypes.sizeof(block)
            for start, block in self.blocks.items()
            if self.is_pinned[start] == pinned
        )

    def invalidate(self) -> bool:
        """Spoil a recording by what must not be done meanwhile, by its thread or in global mode by any; whether there was one."""
        if self.recording is None:
            return False
        is_global = self.recording.mode is CaptureMode.cudaStreamCaptureModeGlobal
        if self.recording.thread != threading.get_ident() and not is_global:
            return False
        self.recording.is_valid = False
        return True

    def _called(self, name: str, *results: Any, status: int = SUCCESS) -> tuple[Any, ...]:
        self.calls.append(name)
        if name in self.fails:
            status = 2
        return (Status(status), *(None for _ in results)) if status else (SUCCESS, *results)

    def cudaGetDeviceCount(self) -> tuple[Any, ...]:
        status = 35 if self.driver < 13000 else 0 if self.n_devices else 100
        return self._called("cudaGetDeviceCount", self.n_devices, status=status)

    def cudaGetDeviceProperties(self, device: int) -> tuple[Any, ...]:
        properties = SimpleNamespace(name=b"Fake 1000\0\0", major=8, minor=6)
        return self._called("cudaGetDeviceProperties", properties)

    def cudaDriverGetVersion(self) -> tuple[Any, ...]:
        return self._called("cudaDriverGetVersion", self.driver)

    def cudaRuntimeGetVersion(self) -> tuple[Any, ...]:
        return self._called("cudaRuntimeGetVersion", 13050)

    def cudaGetErrorString(self, error: int) -> tuple[Any, ...]:
        assert isinstance(error, Status)
        return SUCCESS, b"out of memory"

    def cudaGetLastError(self) -> tuple[Any, ...]:
        return self._called("cudaGetLastError")

    def cudaStreamCreateWithFlags(self, flags: int) -> tuple[Any, ...]:
        self.streams.add(77)
        return self._called("cudaStreamCreateWithFlags", 77)

    def cudaStreamDestroy(self, stream: int) -> tuple[Any, ...]:
        status = self._status_of(stream)
        self.streams.discard(stream)
        return self._called("cudaStreamDestroy", status=status)

    def _status_of(self, stream: int) -> int:
        return SUCCESS if stream in self.streams else INVALID_HANDLE

    def _allocate(self, name: str, n_bytes: int) -> tuple[Any, ...]:
        if self.invalidate():
            return self._called(name, None, status=NOT_WHILE_RECORDING)
        block = (ctypes.c_byte * n_bytes)()
        pointer = ctypes.addressof(block)
        status, *results = self._called(name, pointer)
        if status == SUCCESS:
            self.blocks[pointer] = block
            self.is_pinned[pointer] = name == "cudaHostAlloc"
        return (status, *results)

    def cudaMalloc(self, size: int) -> tuple[Any, ...]:
        return self._allocate("cudaMalloc", size)

    def cudaHostAlloc(self, size: int, flags: int) -> tuple[Any, ...]:
        return self._allocate("cudaHostAlloc", size)

    def _work_off(self) -> None:
        work, self.pending = self.pending, []
        for one in work:
            one()

    def _free(self, name: str, pointer: int) -> tuple[Any, ...]:
        if self.invalidate():
            return self._called(name, status=NOT_WHILE_RECORDING)
        self._work_off()  # as CUDA waits: what is on the stream may read and write this memory
        assert self.is_pinned[pointer] == (name == "cudaFreeHost")
        answer = self._called(name)
        if answer[0] == SUCCESS:
            del self.blocks[pointer], self.is_pinned[pointer]
        return answer

    def cudaFree(self, devPtr: int) -> tuple[Any, ...]:
        return self._free("cudaFree", devPtr)

    def cudaFreeHost(self, ptr: int) -> tuple[Any, ...]:
        return self._free("cudaFreeHost", ptr)

    def cudaMemcpyAsync(self, dst: int, src: int, count: int, kind: CopyKind, stream: int) -> tuple[Any, ...]:
        assert isinstance(kind, CopyKind)
        to_gpu = kind is CopyKind.cudaMemcpyHostToDevice

        def fits() -> bool:
            return self.holds(dst, count, pinned=not to_gpu) and self.holds(src, count, pinned=to_gpu)

        def copy() -> None:
            assert fits(), "memory was freed before the copy"
            ctypes.memmove(dst, src, count)

        status = self._status_of(stream) or (SUCCESS if fits() else INVALID_VALUE)
        if not status:
            self.enqueue(copy)
        return self._called("cudaMemcpyAsync", status=status)

    def cudaStreamSynchronize(self, stream: int) -> tuple[Any, ...]:
        if self.recording is not None:  # whichever thread it is
            self.recording.is_valid = False
            return self._called("cudaStreamSynchronize", status=NOT_WHILE_RECORDING)
        self._work_off()
        return self._called("cudaStreamSynchronize", status=self._status_of(stream))

    def cudaStreamBeginCapture(self, stream: int, mode: CaptureMode) -> tuple[Any, ...]:
        assert isinstance(mode, CaptureMode)
        status = self._status_of(stream) or (INVALID_VALUE if self.recording else SUCCESS)
        if not status:
            self.recording = Recording(mode)
        return self._called("cudaStreamBeginCapture", status=status)

    def cudaStreamEndCapture(self, stream: int) -> tuple[Any, ...]:
        recording, self.recording = self.recording, None
        if recording is None:
            return self._called("cudaStreamEndCapture", None, status=INVALID_VALUE)
        if recording.thread != threading.get_ident():
            return self._called("cudaStreamEndCapture", None, status=RECORDED_BY_ANOTHER_THREAD)
        if not recording.is_valid:
            return self._called("cudaStreamEndCapture", None, status=RECORDING_INVALIDATED)
        answer = self._called("cudaStreamEndCapture", recording.work)
        if answer[0] == SUCCESS:
            self.graphs.append(recording.work)
        return answer

    def cudaGraphInstantiate(self, graph: Any, flags: int) -> tuple[Any, ...]:
        assert any(graph is one for one in self.graphs)
        return self._called("cudaGraphInstantiate", Executable(graph))

    def cudaGraphDestroy(self, graph: Any) -> tuple[Any, ...]:
        self.graphs = [one for one in self.graphs if one is not graph]
        return self._called("cudaGraphDestroy")

    def cudaGraphExecDestroy(self, graphExec: Executable) -> tuple[Any, ...]:
        assert not graphExec.is_freed, "freed twice"
        graphExec.is_freed = True
        return self._called("cudaGraphExecDestroy")

    def cudaGraphLaunch(self, graphExec: Executable, stream: int) -> tuple[Any, ...]:
        status = INVALID_HANDLE if graphExec.is_freed else self._status_of(stream)
        if not status and "cudaGraphLaunch" not in self.fails:
            self.pending.extend(graphExec)
        return self._called("cudaGraphLaunch", status=status)


def network(x: Any) -> Any:
    """What the stand-in computes: (n, n_channels, n_samples) to (n, 1, 6)."""
    return 2.0 * x.mean(axis=1)[:, None, :N_OUT]


class FakeTensorRT(ModuleType):
    """The module ``tensorrt``, as far as a session uses it.

    `batches` are the ranges of the engine's optimisation profiles, `dtypes` those of input and output. `capturable` is
    what TensorRT for RTX says, `records` whether the work can really be recorded, `runs` whether it can be run.
    """

    def __init__(self, runtime: FakeRuntime, backend: str = "tensorrt") -> None:
        super().__init__(backend)
        self.backend = backend
        self.__version__ = "11.0"
        self.runtime = runtime
        self.batches = [(1, 1), (1, 8)]
        self.shapes = {"x": (-1, 5, 64), "y": (-1, 1, N_OUT)}
        self.dtypes = {"x": "float32", "y": "float32"}
        self.capturable = self.records = self.runs = True
        self.n_contexts = 0
        self.settings: list[tuple[str, Any]] = []
        self.ILogger = FakeLogger
        self.TensorIOMode = SimpleNamespace(INPUT="in", OUTPUT="out")
        self.ExecutionContextAllocationStrategy = SimpleNamespace(USER_MANAGED="by us")
        if backend == "tensorrt_rtx":
            self.DynamicShapesKernelSpecializationStrategy = SimpleNamespace(EAGER="eager")
            self.CudaGraphStrategy = SimpleNamespace(DISABLED="disabled")

    def nptype(self, trt_type: str) -> type:
        if trt_type == "bfloat16":
            raise TypeError("no such type")
        return np.dtype(trt_type).type

    def Runtime(self, logger: Any) -> Any:
        return FakeTensorRTRuntime(self, logger)


class FakeTensorRTRuntime:
    """Opens ``b"engine"``, and ``b"lean engine"`` where code for the CPU is allowed."""

    engine_host_code_allowed = False

    def __init__(self, trt: FakeTensorRT, logger: Any) -> None:
        self._trt, self._logger = trt, logger

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> Any:
        if serialized_engine == b"lean engine" and not self.engine_host_code_allowed:
            self._logger.log(FakeLogger.ERROR, "getEngineHostCodeAllowed() is false")
            return None
        if serialized_engine not in (b"engine", b"lean engine"):
            self._logger.log(FakeLogger.ERROR, "magicTag is wrong")
            return None
        return FakeEngine(self._trt, self._logger)


class FakeLogger:
    """Base class of loggers."""

    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)


class FakeEngine:
    """An engine whose network is `network`."""

    device_memory_size_v2 = 1000

    def __init__(self, trt: FakeTensorRT, logger: Any) -> None:
        self.trt, self.logger = trt, logger
        self.num_io_tensors = len(trt.shapes)
        self.num_optimization_profiles = len(trt.batches)

    def get_tensor_name(self, index: int) -> str:
        return list(self.trt.shapes)[index]

    def get_tensor_mode(self, name: str) -> str:
        return "in" if name.startswith("x") else "out"

    def get_tensor_dtype(self, name: str) -> Any:
        return NamedStr(self.trt.dtypes[name])

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self.trt.shapes[name]

    def get_tensor_profile_shape(self, name: str, profile_index: int) -> list[tuple[int, ...]]:
        if self.trt.shapes[name][0] > 0:
            return [(), (), ()]  # built without a profile: nothing says what comes then
        low, high = self.trt.batches[profile_index]
        return [(n, *self.trt.shapes[name][1:]) for n in (low, high, high)]

    def create_runtime_config(self) -> Any:
        return SimpleNamespace(
            set_execution_context_allocation_strategy=lambda to: self.trt.settings.append(("memory", to))
        )

    def create_execution_context(self, how: Any) -> Any:
        self.trt.settings.append(("context", how if isinstance(how, str) else vars(how)))
        kind = RtxContext if self.trt.backend == "tensorrt_rtx" else FakeContext
        return kind(self.trt, self.logger)


class NamedStr(str):
    """A type's name, with the attribute that TensorRT's types have."""

    @property
    def name(self) -> str:
        return self.upper()


class FakeContext:
    """Runs on addresses, as TensorRT does."""

    def __init__(self, trt: FakeTensorRT, logger: Any) -> None:
        self.trt, self.logger = trt, logger
        self.active_optimization_profile = 0
        self.addresses: dict[str, int] = {}
        self.shape: tuple[int, ...] = ()
        self.has_memory = self.has_run = False
        trt.n_contexts += 1

    def __del__(self) -> None:
        assert not self.trt.runtime.pending, "a context was freed while it computed"
        self.trt.n_contexts -= 1

    def set_optimization_profile_async(self, profile_index: int, stream_handle: int) -> bool:
        self.trt.settings.append(("profile", profile_index))
        self.active_optimization_profile, self.shape = profile_index, ()
        return profile_index < len(self.trt.batches) and self.trt.shapes["x"][0] < 0

    def set_device_memory(self, memory: int, size: int) -> None:
        assert self.trt.runtime.holds(memory, FakeEngine.device_memory_size_v2, pinned=False)
        assert size == FakeEngine.device_memory_size_v2
        self.has_memory = True

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        low, high = self.trt.batches[self.active_optimization_profile]
        if not low <= shape[0] <= high:
            self.logger.log(FakeLogger.ERROR, "shape is outside of the profile")
            return False
        self.shape = shape
        return True

    def set_tensor_address(self, name: str, memory: int) -> bool:
        if not self.trt.runtime.holds(memory, 1, pinned=False):
            return False
        self.addresses[name] = memory
        return True

    def execute_async_v3(self, stream_handle: int) -> bool:
        runtime = self.trt.runtime
        runtime.calls.append("execute_async_v3")
        is_ready = self.has_memory and self.shape and set(self.addresses) == {"x", "y"}
        if not is_ready or stream_handle not in runtime.streams:
            self.logger.log(FakeLogger.ERROR, "the context is not prepared")
            return False
        # The first run allocates, as does one that cannot be recorded: not in a thread that records.
        if (not self.has_run or not self.trt.records) and runtime.invalidate():
            self.logger.log(FakeLogger.ERROR, "operation not permitted when stream is capturing")
            return False
        self.has_run = True
        shape, source, target = self.shape, self.addresses["x"], self.addresses["y"]

        def work() -> None:
            assert runtime.holds(source, 4 * int(np.prod(shape)), pinned=False), "the input was freed"
            y = network(_array(source, shape)).astype(np.float32)
            assert runtime.holds(target, y.nbytes, pinned=False), "the output was freed"
            _array(target, y.shape)[...] = y

        runtime.enqueue(work)
        return self.trt.runs


class RtxContext(FakeContext):
    """TensorRT for RTX can be asked what it is able to do, once it has its shape and has run."""

    def is_stream_capturable(self, stream: int) -> bool:
        return self.trt.capturable and self.has_run


def _array(pointer: int, shape: tuple[int, ...]) -> Any:
    block = (ctypes.c_float * int(np.prod(shape))).from_address(pointer)
    return np.ctypeslib.as_array(block).reshape(shape)
