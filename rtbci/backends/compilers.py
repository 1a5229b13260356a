"""Back ends that compile: how one of their engines is built and opened. Imports their packages when it is called."""

from typing import NamedTuple, Protocol

from rtbci.backends.session import Session
from rtbci.backends.tensorrt_build import Built, Target
from rtbci.backends.tensorrt_progress import Progress
from rtbci.recipes import Precision

__all__ = ["COMPILERS", "BuildOptions", "Compiler", "TensorRTCompiler"]


class BuildOptions(NamedTuple):
    """What an engine is built for.

    Parameters
    ----------
    max_batch : int
        Largest batch of one call; 1: every call has exactly one patch or window.
    target : Target
        GPUs that it is to run on.
    """

    max_batch: int = 1
    target: Target = Target()

    @property
    def fixed_batch(self) -> bool:
        """Whether every call has the same batch."""
        return self.max_batch == 1


class Compiler(Protocol):
    """One back end that compiles."""

    def version(self) -> str:
        """Version of the back end's library.

        Raises
        ------
        MissingPackageError
            When it is not installed; says how to install it.
        """
        ...

    def build(
        self, model: bytes, options: BuildOptions, timing_cache: bytes | None, progress: Progress | None
    ) -> Built:
        """Compile an ONNX file; see `rtbci.backends.tensorrt_build.build_engine`.

        Raises
        ------
        EngineError
            When it cannot be compiled.
        """
        ...

    def open(
        self, data: bytes, network_id: str, precision: Precision, max_batch: int, *, host_code: bool = False
    ) -> Session:
        """Open a compiled engine on this computer's GPU.

        `host_code`: whether code for the CPU inside the engine may be run, which a version-compatible one needs.

        Raises
        ------
        EngineError
            When it cannot be run here.
        """
        ...


class TensorRTCompiler:
    """TensorRT, or TensorRT for RTX: a `Compiler`.

    Parameters
    ----------
    backend : str
        ``"tensorrt"`` or ``"tensorrt_rtx"``.
    """

    def __init__(self, backend: str) -> None:
        self._backend = backend

    def version(self) -> str:
        """Version of the package; see `Compiler.version`."""
        from rtbci.backends.tensorrt_api import load_api

        return load_api(self._backend).version

    def build(
        self, model: bytes, options: BuildOptions, timing_cache: bytes | None, progress: Progress | None
    ) -> Built:
        """Compile; see `Compiler.build`."""
        from rtbci.backends.tensorrt_build import build_engine

        return build_engine(
            model,
            self._backend,
            max_batch=options.max_batch,
            fixed_batch=options.fixed_batch,
            target=options.target,
            timing_cache=timing_cache,
            progress=progress,
        )

    def open(
        self, data: bytes, network_id: str, precision: Precision, max_batch: int, *, host_code: bool = False
    ) -> Session:
        """Open; see `Compiler.open`."""
        from rtbci.backends.tensorrt_session import TensorRTSession

        return TensorRTSession(
            data,
            self._backend,
            network_id=network_id,
            precision=precision,
            max_batch=max_batch,
            host_code=host_code,
        )


COMPILERS: dict[str, Compiler] = {name: TensorRTCompiler(name) for name in ("tensorrt", "tensorrt_rtx")}
"""Back ends that compile, by name."""
