"""Back ends by name."""

from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Literal, NamedTuple

from rtbci.backends import openvino
from rtbci.backends.cuda import install_cuda
from rtbci.backends.session import Session
from rtbci.errors import EngineError, MissingPackageError
from rtbci.installing import pip_extra, pip_install
from rtbci.recipes import Precision

__all__ = ["BACKENDS", "Backend", "find_checkpoint", "open_session"]


class Backend(NamedTuple):
    """What is known of a back end before it is opened.

    Parameters
    ----------
    opener : callable or None
        From an ONNX file's path, a number of threads and one of the `precisions` to a session; None for back ends that
        compile.
    package : str
        What it needs, for messages.
    installer : callable
        Says the command line that installs it; asked when a message needs it.
    kind : {'cpu', 'gpu'}
        What it runs on.
    precisions : tuple of str
        What it computes in without building: the first unless another one is asked for. For back ends that compile
        the recipe says.
    """

    opener: Callable[[Path, int, Precision], Session] | None
    package: str
    installer: Callable[[], str]
    kind: Literal["cpu", "gpu"] = "cpu"
    precisions: tuple[Precision, ...] = ("fp32",)

    @property
    def install(self) -> str:
        """The command line that installs it."""
        return self.installer()

    @property
    def compiles(self) -> bool:
        """Whether an engine must be built first; such a one is opened by `rtbci.backends.open_engine.open_engine`."""
        return self.opener is None


def open_session(
    path: Path | str, backend: str = "onnxruntime", n_threads: int = 1, precision: Precision = "fp32"
) -> Session:
    """Open an engine that needs no building.

    Parameters
    ----------
    path : Path or str
        An ONNX file. For ``"torch"`` a checkpoint, or an ONNX file with its checkpoint beside it
        (``encoder.onnx``, ``encoder.safetensors``): the session then carries the ONNX file's id.
    backend : str
        One of `BACKENDS`.
    n_threads : int
        Threads that one call may use.
    precision : str
        One of the back end's.

    Returns
    -------
    Session

    Raises
    ------
    EngineError
        When there is no such back end, it runs only what was built for it or does not have the precision, or the
        engine cannot be loaded.
    MissingPackageError
        When the back end's package is not installed.
    """
    if backend not in BACKENDS:
        raise EngineError(f"open_session: got back end {backend!r}, need one of {', '.join(BACKENDS)}")
    known = BACKENDS[backend]
    if known.opener is None:
        raise EngineError(
            f"open_session: back end '{backend}' runs engines that were built for it, got {path}; "
            "build it first (`rtbci engine build`), and open it with open_engine"
        )
    if precision not in known.precisions:
        raise EngineError(
            f"open_session: back end '{backend}' computes in {' or '.join(known.precisions)}, got {precision}; "
            "take one that it has"
        )
    try:
        return known.opener(Path(path), n_threads, precision)
    except ImportError as error:
        if isinstance(error, MissingPackageError):
            raise
        raise MissingPackageError(
            f"open_session: back end '{backend}' needs {known.package} ({error}); {known.install}"
        ) from error


def _open_onnxruntime(path: Path, n_threads: int, _precision: Precision) -> Session:
    from rtbci.backends.onnxruntime import OrtSession

    return OrtSession(path, n_threads)


def _open_onnxruntime_cuda(path: Path, n_threads: int, _precision: Precision) -> Session:
    from rtbci.backends.onnxruntime_cuda import OrtCudaSession

    return OrtCudaSession(path, n_threads)


def _open_torch(path: Path, n_threads: int, _precision: Precision) -> Session:
    from rtbci.backends.torch import TorchSession
    from rtbci.backends.torch_specmoe import TorchSpecSession
    from rtbci.encoder.specmoe.checkpoint import is_spec_checkpoint

    checkpoint, engine_id = find_checkpoint(path)
    opener = TorchSpecSession if is_spec_checkpoint(checkpoint) else TorchSession
    return opener(checkpoint, engine_id, n_threads)


def find_checkpoint(path: Path) -> tuple[Path, str | None]:
    """The checkpoint that torch runs for an engine, and the id that it then stands in for.

    Parameters
    ----------
    path : Path
        An ONNX file with its checkpoint beside it, or a checkpoint, which stands for itself (None).

    Raises
    ------
    EngineError
        When there is no checkpoint, or the ONNX file was made from another one.
    """
    if path.suffix != ".onnx":
        return path, None
    checkpoint = path.with_suffix(".safetensors")
    if not checkpoint.is_file():
        raise EngineError(f"{path}: torch needs the checkpoint {checkpoint.name} beside it; use onnxruntime")
    _check_same_weights(path, checkpoint)
    return checkpoint, sha256(path.read_bytes()).hexdigest()


def _check_same_weights(path: Path, checkpoint: Path) -> None:
    from rtbci.backends.export import onnx_metadata
    from rtbci.encoder.checkpoint import read_metadata
    from rtbci.encoder.specmoe.checkpoint import is_spec_checkpoint, read_spec_metadata

    read = read_spec_metadata if is_spec_checkpoint(checkpoint) else read_metadata
    made_from, beside = onnx_metadata(path).get("weights_sha256"), read(checkpoint).sha256
    if made_from != beside:
        raise EngineError(
            f"{path}: was made from weights {made_from}, {checkpoint.name} holds {beside}; export it again"
        )


BACKENDS: dict[str, Backend] = {
    "onnxruntime": Backend(_open_onnxruntime, "onnxruntime", partial(pip_install, "onnxruntime")),
    "openvino": Backend(
        openvino.OpenVinoSession, "openvino", partial(pip_extra, "openvino"), precisions=openvino.PRECISIONS
    ),
    "torch": Backend(_open_torch, "torch and onnx", partial(pip_extra, "train")),
    "onnxruntime-cuda": Backend(_open_onnxruntime_cuda, "onnxruntime-gpu", install_cuda, "gpu"),
    "tensorrt": Backend(None, "tensorrt", partial(pip_extra, "tensorrt"), "gpu"),
    "tensorrt_rtx": Backend(None, "tensorrt_rtx", partial(pip_extra, "tensorrt-rtx"), "gpu"),
}
"""All back ends by name."""
