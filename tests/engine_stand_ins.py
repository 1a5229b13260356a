"""Stand-ins for a GPU and what compiles for it: engines are ONNX files behind a line of text, run on the CPU."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from rtbci.backends import bench, compiled, gated, open_engine, usable
from rtbci.backends.compilers import COMPILERS, BuildOptions
from rtbci.backends.cuda import Gpu
from rtbci.backends.onnxruntime import OrtSession
from rtbci.backends.session import Session
from rtbci.backends.tensorrt_build import Built
from rtbci.backends.tensorrt_progress import Progress
from rtbci.errors import EngineError, MissingPackageError
from rtbci.recipes import Precision
from rtbci.stages.stage import Float32Array
from tests.tiny import write_engine

__all__ = ["GPU", "AlteredSession", "FakeCompiler", "FakeSession", "give_gpu", "write_compilable"]

GPU = Gpu("Test GPU", "SM89", "13.0")
HEAD = b"engine: "


class FakeSession(OrtSession):
    """Computes in fp32 on the CPU and calls itself what it is told to."""

    def __init__(
        self, data: bytes, backend: str, network_id: str, precision: Precision, change: Callable[[Any], Any]
    ) -> None:
        self._change = change
        super().__init__(data.removeprefix(HEAD))
        self.backend, self.device = backend, GPU.name
        self.network_id, self.engine_id, self.precision = network_id, sha256(data).hexdigest(), precision

    def run(self, x: Float32Array) -> Float32Array:
        y: Float32Array = self._change(super().run(x))
        return y


class AlteredSession:
    """A session whose output is changed.

    Parameters
    ----------
    inner : Session
        Computes.
    change : callable
        From an input and its output to another output.
    precision : str, optional
        What it says that it computes in; as `inner` by default.
    """

    def __init__(
        self,
        inner: Session,
        change: Callable[[Float32Array, Float32Array], Any],
        precision: Precision | None = None,
    ) -> None:
        self._inner, self._change = inner, change
        self.precision: Precision = precision or inner.precision
        self.backend, self.device = inner.backend, inner.device
        self.network_id, self.engine_id = inner.network_id, inner.engine_id
        self.input_shape, self.output_shape = inner.input_shape, inner.output_shape

    def run(self, x: Float32Array) -> Float32Array:
        y: Float32Array = self._change(x, self._inner.run(x).copy())
        return y

    def close(self) -> None:
        self._inner.close()


class FakeCompiler:
    """A `Compiler`; counts what it builds.

    Attributes
    ----------
    change : callable
        What its engines do to the output.
    fault : Exception or None
        What building raises.
    missing : bool
        Whether its package is not installed.
    host_code : list of bool
        What each engine was opened with.
    """

    def __init__(self, backend: str) -> None:
        self.backend, self.n_built = backend, 0
        self.change: Callable[[Any], Any] = lambda y: y
        self.fault: Exception | None = None
        self.missing = False
        self.timings: list[bytes | None] = []
        self.host_code: list[bool] = []

    def version(self) -> str:
        if self.missing:
            raise MissingPackageError(f"{self.backend}: is not installed; pip install it")
        return "1.0"

    def build(
        self, model: bytes, options: BuildOptions, timing_cache: bytes | None, progress: Progress | None
    ) -> Built:
        if self.fault is not None:
            raise self.fault
        self.n_built += 1
        self.timings.append(timing_cache)
        if progress is not None:
            progress("all", 1.0)
        return Built(HEAD + model, b"timings")

    def open(
        self, data: bytes, network_id: str, precision: Precision, max_batch: int, *, host_code: bool = False
    ) -> FakeSession:
        self.host_code.append(host_code)
        return FakeSession(data, self.backend, network_id, precision, self.change)


def write_compilable(folder: Path) -> Path:
    """Write an engine that may be compiled in fp32 and fp16, and that no paradigm names: the gate takes a moment."""
    file = write_engine(folder) / "recipe.toml"
    head = 'precisions = ["fp32", "fp16"]\nmax_batch = 1\nonnx ='
    file.write_text(file.read_text().replace("onnx =", head))
    return folder


def give_gpu(monkeypatch: pytest.MonkeyPatch, gpu: Gpu | None = GPU) -> dict[str, FakeCompiler]:
    """Let this computer have a GPU (or none), and both back ends that compile."""

    def find() -> Gpu:
        if gpu is None:
            raise EngineError("cuda: no GPU is visible; look at nvidia-smi")
        return gpu

    for module in (bench, compiled, gated, open_engine, usable):
        monkeypatch.setattr(module, "find_gpu", find)
    fakes = {name: FakeCompiler(name) for name in COMPILERS}
    for name, fake in fakes.items():
        monkeypatch.setitem(COMPILERS, name, fake)
    return fakes
