"""Who takes part in a benchmark, and engines of random weights to bench."""

from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from rtbci.backends.apart import NO_ANSWER, measure_apart
from rtbci.backends.registry import BACKENDS, find_checkpoint, open_session
from rtbci.backends.session import Session
from rtbci.errors import EngineError, MissingPackageError
from rtbci.recipes import Precision
from rtbci.stream.caps import CAPS

__all__ = ["Contender", "contenders", "torch_on_gpu", "write_random_engine"]

TORCH_COMPILE = "torch.compile"
Device = Literal["cpu", "cuda"]
DEFAULT = ("onnxruntime", "openvino", "torch", TORCH_COMPILE)
MODULES = {"onnxruntime": "onnxruntime", "openvino": "openvino", "torch": "torch", TORCH_COMPILE: "torch"}
TIMEOUT_S = 120.0


class Contender(NamedTuple):
    """One that takes part.

    Parameters
    ----------
    name : str
        For the table.
    open : callable
        Makes its session.
    memory_mb : callable, optional
        Megabytes that it needs, measured when called; see `rtbci.backends.measured_apart.memory_mb`.
    """

    name: str
    open: Callable[[], Session]
    memory_mb: Callable[[], float | None] | None = None


def contenders(
    path: Path,
    backends: Sequence[str] | None = None,
    n_threads: int = 1,
    precisions: Sequence[str] = (),
) -> list[Contender]:
    """Back ends that run an ONNX file without building, and torch.compile.

    Parameters
    ----------
    path : Path
        An ONNX file; for torch with its checkpoint beside it.
    backends : sequence of str, optional
        Of `BACKENDS`, or ``"torch.compile"``; by default those of the CPU that are installed.
    n_threads : int
        Threads that one call may use.
    precisions : sequence of str
        What back ends that have more than fp32 take part in beside it.

    Raises
    ------
    EngineError
        When a name is none of these.
    """
    wanted = [name for name in DEFAULT if find_spec(MODULES[name])] if backends is None else backends
    can = [name for name, known in BACKENDS.items() if not known.compiles] + [TORCH_COMPILE]
    if unknown := [name for name in wanted if name not in can]:
        raise EngineError(f"bench: got back ends {', '.join(unknown)}, need some of {', '.join(can)}")
    found: list[Contender] = []
    for name in wanted:
        if name == TORCH_COMPILE:
            found.append(Contender(name, partial(_open_torch, path, n_threads, True)))
            continue
        own = BACKENDS[name].precisions
        found += [_contender(path, name, n_threads, p) for p in own if p == "fp32" or p in precisions]
    return found


def torch_on_gpu(path: Path, precision: Precision = "fp32") -> list[Contender]:
    """Eager torch and torch.compile with CUDA graphs, on the GPU, to compare compiled engines with."""
    return [
        Contender(
            f"{name} {precision}", partial(_open_torch, path, 1, name == TORCH_COMPILE, "cuda", precision)
        )
        for name in ("torch", TORCH_COMPILE)
    ]


def write_random_engine(size: str, folder: Path, channels: Sequence[str] = CAPS["10-20"]) -> Path:
    """Write an encoder of random weights as ``encoder.onnx`` with its checkpoint; time depends on neither.

    Raises
    ------
    EngineError
        When there is no such size.
    MissingPackageError
        Without torch or onnx.
    """
    try:
        import torch

        from rtbci.encoder.dare import DareEncoder
    except ImportError:
        install = BACKENDS["torch"].install
        raise MissingPackageError(f"bench: random weights of size '{size}' need torch; {install}") from None
    from rtbci.backends.export import export_checkpoint
    from rtbci.encoder.checkpoint import write_checkpoint

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        encoder = DareEncoder(size, embedding_std=0.5)
    write_checkpoint(folder / "encoder.safetensors", encoder, channels, "uV")
    export_checkpoint(folder / "encoder.safetensors", folder / "encoder.onnx")
    return folder / "encoder.onnx"


def _contender(path: Path, backend: str, n_threads: int, precision: Precision) -> Contender:
    given = path, backend, n_threads, precision
    measure = partial(_memory_mb, *given) if BACKENDS[backend].kind == "cpu" else None
    name = backend if precision == "fp32" else f"{backend} {precision}"
    return Contender(name, partial(open_session, *given), measure)


def _open_torch(
    path: Path, n_threads: int, is_compiled: bool, device: Device = "cpu", precision: Precision = "fp32"
) -> Session:
    from rtbci.encoder.specmoe.checkpoint import is_spec_checkpoint

    try:
        from rtbci.backends.torch_variants import TorchVariant

        checkpoint, engine_id = find_checkpoint(path)
    except MissingPackageError:
        raise
    except ImportError as error:
        raise MissingPackageError(f"bench: {error}; {BACKENDS['torch'].install}") from None
    if is_spec_checkpoint(checkpoint):
        raise EngineError(
            f"bench: {TORCH_COMPILE} and torch on a GPU take DARE encoders, got {checkpoint}; leave them out"
        )
    return TorchVariant(
        checkpoint, engine_id, n_threads, is_compiled=is_compiled, device=device, precision=precision
    )


def _memory_mb(path: Path, backend: str, n_threads: int, precision: Precision) -> float | None:
    try:
        answer = measure_apart("memory", path, n_threads, backend, precision, timeout_s=TIMEOUT_S)
        return msgspec.json.decode(answer, type=float | None)
    except NO_ANSWER:
        return None
