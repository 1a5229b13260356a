"""Opening a TensorRT engine, and what it says of itself."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rtbci.backends.tensorrt_api import Api
from rtbci.errors import EngineError

__all__ = ["EngineDescription", "EngineTensor", "OpenedEngine"]


@dataclass(frozen=True)
class EngineTensor:
    """An input or output; -1 on a free axis.

    `dtype` as NumPy names it, for instance ``"float32"``; ``"BF16"`` and others that NumPy lacks as TensorRT does.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class EngineDescription:
    """Inputs and outputs of an engine.

    Attributes
    ----------
    inputs, outputs : tuple of EngineTensor
        In the engine's order.
    batches : tuple of (int, int)
        Smallest and largest batch of each of its optimisation profiles.
    """

    inputs: tuple[EngineTensor, ...]
    outputs: tuple[EngineTensor, ...]
    batches: tuple[tuple[int, int], ...]


class OpenedEngine:
    """An engine in the GPU's memory.

    Parameters
    ----------
    data : bytes
        As `rtbci.backends.tensorrt_build.build_engine` gives it.
    api : Api
        The package that it was built with.
    host_code : bool
        Whether code for the CPU that is inside the engine may be run, which a version-compatible one needs; only for
        engines that were built here.

    Attributes
    ----------
    api : Api
        As given.
    engine : ICudaEngine
        TensorRT's own object.
    description : EngineDescription
        See there.

    Raises
    ------
    EngineError
        When it is not an engine of this version of the package, or is for another GPU; and on a machine without a
        GPU: TensorRT makes a CUDA stream before it reads more than an engine's header.
    """

    def __init__(self, data: bytes, api: Api, host_code: bool = False) -> None:
        self.api = api
        self.logger = api.logger()
        # Runtime and logger must outlive the engine.
        self._runtime: Any = self._made(data)
        self._configs: list[Any] = []
        if host_code:
            self._runtime.engine_host_code_allowed = True
        self.engine: Any = self._runtime.deserialize_cuda_engine(data)
        if self.engine is None:
            raise self.failure("the engine cannot be opened")
        self.description = _describe(self.engine, api.module)

    def failure(self, what: str) -> EngineError:
        """Put what TensorRT said into an error."""
        return self.api.failure(self.logger, what, "build it again on this GPU: rtbci engine build")

    @property
    def scratch_bytes(self) -> int:
        """Memory that a context needs while it runs; contexts that take turns may share it."""
        return int(self.engine.device_memory_size_v2)

    def context(self, i_profile: int, scratch: int, stream: int) -> Any:
        """Make an execution context for an optimisation profile.

        Parameters
        ----------
        i_profile : int
            Index of the profile.
        scratch : int
            Address of `scratch_bytes` on the GPU.
        stream : int
            Handle of the stream that it will run on.

        Raises
        ------
        EngineError
            When it cannot be made.
        """
        context = self._made_context()
        if context is None:
            raise self.failure("the engine cannot be prepared to run")
        context.set_device_memory(scratch, self.scratch_bytes)
        # The first profile is chosen already, and is all that an engine of one fixed batch has.
        is_chosen = context.active_optimization_profile == i_profile
        if not is_chosen and not context.set_optimization_profile_async(i_profile, stream):
            raise self.failure("the engine cannot be prepared for this batch")
        return context

    def check_recordable(self, context: Any, stream: int) -> None:
        """Ask a context that has run once whether its work can be recorded as a CUDA graph; plain TensorRT cannot be asked.

        Raises
        ------
        EngineError
            When it says no.
        """
        if not getattr(context, "is_stream_capturable", lambda _: True)(stream):
            raise self.failure("the engine's work cannot be recorded as a CUDA graph")

    def _made_context(self) -> Any:
        trt = self.api.module
        by_us = trt.ExecutionContextAllocationStrategy.USER_MANAGED
        if not hasattr(trt, "DynamicShapesKernelSpecializationStrategy"):
            return self.engine.create_execution_context(by_us)
        # TensorRT for RTX picks kernels for a shape at its first run. It shall be done with that before the run
        # returns, because the graph that is recorded next keeps what it finds; and record no graph of its own.
        config = self.engine.create_runtime_config()
        config.set_execution_context_allocation_strategy(by_us)
        eager = trt.DynamicShapesKernelSpecializationStrategy.EAGER
        config.dynamic_shapes_kernel_specialization_strategy = eager
        config.cuda_graph_strategy = trt.CudaGraphStrategy.DISABLED
        self._configs.append(config)  # nobody says that a context does without it later
        return self.engine.create_execution_context(config)

    def close(self) -> None:
        """Free it, when no context of it is left; may be called more than once."""
        self._configs.clear()
        self.engine = None
        self._runtime = None

    def _made(self, data: bytes) -> Any:
        if not data:
            raise EngineError(f"{self.api.title}: engine is empty, need a whole one; build it again")
        try:
            return self.api.module.Runtime(self.logger)
        except (TypeError, RuntimeError):  # pybind11: the factory gave a null pointer
            what = "its runtime cannot be started"
            raise self.api.failure(self.logger, what, "check the NVIDIA driver with nvidia-smi") from None


def _describe(engine: Any, trt: Any) -> EngineDescription:
    names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
    inputs = [name for name in names if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT]
    described = tuple(_tensor(engine, name, trt) for name in inputs)
    return EngineDescription(
        described,
        tuple(_tensor(engine, name, trt) for name in names if name not in inputs),
        tuple(_batches(engine, described[0])) if described else (),
    )


def _batches(engine: Any, given: EngineTensor) -> Iterator[tuple[int, int]]:
    if given.shape[0] > 0:  # a fixed batch was built without a profile
        yield given.shape[0], given.shape[0]
        return
    for i in range(engine.num_optimization_profiles):
        smallest, _, largest = engine.get_tensor_profile_shape(given.name, i)
        yield int(smallest[0]), int(largest[0])


def _tensor(engine: Any, name: str, trt: Any) -> EngineTensor:
    kind = engine.get_tensor_dtype(name)
    try:
        dtype = str(trt.nptype(kind).__name__)
    except TypeError:  # NumPy has no such type
        dtype = str(kind.name)
    return EngineTensor(name, dtype, tuple(engine.get_tensor_shape(name)))
