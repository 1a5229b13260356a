"""A TensorRT engine as a session: pinned memory, one stream, one CUDA graph per batch size."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Protocol

import numpy as np

from rtbci.backends.cuda import Cuda
from rtbci.backends.tensorrt_api import load_api
from rtbci.backends.tensorrt_engine import EngineDescription, OpenedEngine
from rtbci.errors import EngineError
from rtbci.recipes import Precision
from rtbci.stages.stage import Float32Array

__all__ = ["TensorRTSession"]


class _Work(Protocol):
    """What computes a batch: a `rtbci.backends.cuda.Graph`, or `_Enqueued`."""

    def launch(self) -> None: ...

    def close(self) -> None: ...


class _Enqueued:
    """Work that cannot be recorded: put on the stream piece by piece, each time."""

    def __init__(self, enqueue: Callable[[], None]) -> None:
        self.launch = enqueue

    def close(self) -> None:
        """Nothing is held."""


@dataclass(frozen=True)
class _Recorded:
    """The work for an input's shape, with views of the session's pinned memory."""

    x: Float32Array
    y: Float32Array
    work: _Work


class TensorRTSession:
    """An engine of TensorRT or TensorRT for RTX on the GPU.

    Parameters
    ----------
    data : bytes
        As `rtbci.backends.tensorrt_build.build_engine` gives it.
    backend : {'tensorrt', 'tensorrt_rtx'}
        What it was built with.
    network_id : str
        sha256 of the ONNX file that it was built from, before its precision was lowered.
    precision : {'fp32', 'fp16', 'bf16'}
        What it computes in.
    max_batch : int
        Largest batch that memory is kept for.
    cuda : Cuda, optional
        The GPU; the first one by default.
    host_code : bool
        See `OpenedEngine`.

    Attributes
    ----------
    backend, network_id, engine_id, precision, device, input_shape, output_shape
        See `Session`. `device` is the GPU's name.
    why_no_graph : str
        Why work is not recorded as a CUDA graph; empty when it is. The same results, later.

    Raises
    ------
    EngineError
        When the engine cannot be opened or run here, with what TensorRT or CUDA said.
    MissingPackageError
        When the back end or cuda-bindings is not installed.

    Notes
    -----
    A run copies the input into pinned memory, starts a graph (copy to the GPU, network, copy back), and waits once.
    Graphs are recorded for batches of powers of two; others are run as the next larger one, so that there are few.
    The smallest batch's is recorded when the session is opened, others when they are first needed, which may take
    long. `run` may be called from one thread at a time, and from another one than opened it.
    """

    def __init__(
        self,
        data: bytes,
        backend: str,
        *,
        network_id: str,
        precision: Precision,
        max_batch: int,
        cuda: Cuda | None = None,
        host_code: bool = False,
    ) -> None:
        api = load_api(backend)
        self._cuda = Cuda() if cuda is None else cuda
        self.backend, self.network_id = str(api.backend), network_id
        self.precision: Precision = precision
        self.engine_id = sha256(data).hexdigest()
        self.device = self._cuda.gpu.name
        self._where = f"{api.title} engine {self.engine_id[:12]}"
        self._recorded: dict[tuple[int, ...], _Recorded] = {}
        self._works: dict[int, _Work] = {}
        self._contexts: list[object] = []
        self.why_no_graph = ""
        self._memory: list[int] = []
        self._closed = False
        self._stream = self._cuda.stream()
        try:
            self._opened = OpenedEngine(data, api, host_code)
            self._prepare(max_batch)
        except BaseException:
            self.close()
            raise

    def run(self, x: Float32Array) -> Float32Array:
        """Run the network; see `Session.run`.

        Returns
        -------
        ndarray of float32, shape (n, ...)
            A read-only view of pinned memory, overwritten by the next call. Not-a-number in the input comes out as
            not-a-number.

        Raises
        ------
        EngineError
            When shape or dtype is not what the engine was built for, the session is closed, or CUDA fails.
        """
        recorded = self._recorded.get(x.shape)
        if recorded is None or x.dtype != np.float32:
            recorded = self._record(x)
        recorded.x[...] = x
        recorded.work.launch()
        self._cuda.synchronize(self._stream)
        return recorded.y

    def close(self) -> None:
        """Free the engine and the GPU's memory; may be called more than once. Results that were given stay.

        Raises nothing: a GPU that went away frees nothing either, and another back end goes on in its place.
        """
        if self._closed:
            return
        self._closed = True
        with suppress(EngineError):  # after a failure something may still be running
            self._cuda.synchronize(self._stream)
        self._recorded = {}
        for work in self._works.values():
            work.close()
        self._works = {}
        # TensorRT's own objects go in this order, before the memory that they use.
        self._contexts.clear()
        if hasattr(self, "_opened"):
            self._opened.close()
        for pointer in self._memory:
            with suppress(EngineError):
                self._cuda.free(pointer)
        with suppress(EngineError):
            self._cuda.close_stream(self._stream)

    def _prepare(self, max_batch: int) -> None:
        found = self._opened.description
        self._check_tensors(found)
        self._input, self._output = found.inputs[0], found.outputs[0]
        self._smallest, largest = found.batches[0][0], max(high for _, high in found.batches)
        if not self._smallest <= max_batch <= largest:
            raise EngineError(
                f"{self._where}: got a largest batch of {max_batch}, built for {self._smallest} to {largest}; "
                "build it again for that batch"
            )
        self._largest = max_batch
        self.input_shape: tuple[int, ...] = (self._smallest, *self._input.shape[1:])
        self.output_shape: tuple[int, ...] = (self._smallest, *self._output.shape[1:])
        self._x = self._cuda.pinned((max_batch, *self._input.shape[1:]))
        self._y = self._cuda.pinned((max_batch, *self._output.shape[1:]))
        for n_bytes in (self._x.nbytes, self._y.nbytes, max(self._opened.scratch_bytes, 1)):
            self._memory.append(self._cuda.device_memory(n_bytes))
        self.run(np.zeros(self.input_shape, np.float32))

    def _check_tensors(self, found: EngineDescription) -> None:
        tensors = (*found.inputs, *found.outputs)
        fixed = all(size > 0 for one in tensors for size in one.shape[1:])
        if len(found.inputs) != 1 or len(found.outputs) != 1 or not fixed:
            raise EngineError(f"{self._where}: has {tensors}, need one input and one output of fixed sizes")
        if {one.dtype for one in tensors} != {"float32"}:
            raise EngineError(f"{self._where}: has {tensors}, need float32 input and output; build it again")

    def _record(self, x: Float32Array) -> _Recorded:
        """Check an input of a shape that is new, and find or record a graph for it."""
        self._check(x)
        n_run = min(max(1 << (len(x) - 1).bit_length(), self._smallest), self._largest)
        if n_run not in self._works:
            self._works[n_run] = self._prepare_work(n_run)
        y = self._y[: len(x)]
        y.flags.writeable = False
        self._recorded[x.shape] = _Recorded(self._x[: len(x)], y, self._works[n_run])
        return self._recorded[x.shape]

    def _prepare_work(self, n: int) -> _Work:
        # A context of its own: a graph goes on using what it found in the context that it was recorded from.
        x, y, (x_device, y_device, scratch) = self._x[:n], self._y[:n], self._memory
        stream = int(self._stream)
        context = self._opened.context(self._i_profile(n), scratch, stream)
        self._contexts.append(context)
        if not context.set_input_shape(self._input.name, x.shape):
            raise self._opened.failure(f"a batch of {n} is refused")
        for name, address in ((self._input.name, x_device), (self._output.name, y_device)):
            if not context.set_tensor_address(name, address):
                raise self._opened.failure(f"the memory for '{name}' is refused")

        def enqueue() -> None:
            self._cuda.copy_in(x_device, x, self._stream)
            if not context.execute_async_v3(stream):
                raise self._opened.failure(f"a batch of {n} cannot be run")
            self._cuda.copy_out(y, y_device, self._stream)

        enqueue()  # compiles and allocates, which a graph cannot hold
        self._cuda.synchronize(self._stream)
        return self._record_work(context, enqueue)

    def _record_work(self, context: Any, enqueue: Callable[[], None]) -> _Work:
        """Record what `enqueue` does; where that cannot be, it is done anew each time, which is slower and as right."""
        try:
            self._opened.check_recordable(context, int(self._stream))
            graph = self._cuda.capture(self._stream, enqueue)
            graph.launch()
            self._cuda.synchronize(self._stream)
            return graph
        except EngineError as error:
            self.why_no_graph = str(error)
        self._cuda.forget_error()
        enqueue()  # a GPU that can do nothing any more says so here
        self._cuda.synchronize(self._stream)
        return _Enqueued(enqueue)

    def _i_profile(self, n: int) -> int:
        """Index of the first optimisation profile that takes a batch of `n`; where none does, TensorRT says so."""
        ranges = enumerate(self._opened.description.batches)
        return next((i for i, (low, high) in ranges if low <= n <= high), 0)

    def _check(self, x: Float32Array) -> None:
        if self._closed:
            raise EngineError(f"{self._where}: session is closed, need an open one; open it again")
        sizes = self._input.shape[1:]
        fits = x.ndim == len(sizes) + 1 and x.shape[1:] == sizes and x.dtype == np.float32
        if fits and self._smallest <= len(x) <= self._largest:
            return
        free = self._smallest < self._largest
        limit = f", n from {self._smallest} to {self._largest}" if free else ""
        need = f"({'n' if free else self._smallest}, {', '.join(map(str, sizes))}) float32{limit}"
        raise EngineError(f"{self._where}: input is {x.shape} {x.dtype}, need {need}")
