"""Back ends by name."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from rtbci.backends.session import Session
from rtbci.errors import EngineError, MissingPackageError

__all__ = ["BACKENDS", "open_session"]


def open_session(path: Path | str, backend: str = "onnxruntime", n_threads: int = 1) -> Session:
    """Open an engine.

    Parameters
    ----------
    path : Path or str
        An ONNX file. For ``"torch"`` a checkpoint, or an ONNX file with its checkpoint beside it
        (``encoder.onnx``, ``encoder.safetensors``): the session then carries the ONNX file's id.
    backend : str
        One of `BACKENDS`.
    n_threads : int
        Threads that one call may use.

    Returns
    -------
    Session

    Raises
    ------
    EngineError
        When there is no such back end, or the engine cannot be loaded.
    MissingPackageError
        When the back end's package is not installed.
    """
    if backend not in BACKENDS:
        raise EngineError(f"open_session: got back end {backend!r}, need one of {', '.join(BACKENDS)}")
    opener, package, install = BACKENDS[backend]
    try:
        return opener(Path(path), n_threads)
    except ImportError as error:
        if isinstance(error, MissingPackageError):
            raise
        raise MissingPackageError(
            f"open_session: back end '{backend}' needs {package} ({error}); {install}"
        ) from error


def _open_onnxruntime(path: Path, n_threads: int) -> Session:
    from rtbci.backends.onnxruntime import OrtSession

    return OrtSession(path, n_threads)


def _open_torch(path: Path, n_threads: int) -> Session:
    from rtbci.backends.torch import TorchSession

    if path.suffix != ".onnx":
        return TorchSession(path, n_threads=n_threads)
    checkpoint = path.with_suffix(".safetensors")
    if not checkpoint.is_file():
        raise EngineError(f"{path}: torch needs the checkpoint {checkpoint.name} beside it; use onnxruntime")
    _check_same_weights(path, checkpoint)
    engine_id = sha256(path.read_bytes()).hexdigest()
    return TorchSession(checkpoint, engine_id, n_threads)


def _check_same_weights(path: Path, checkpoint: Path) -> None:
    from rtbci.backends.export import onnx_metadata
    from rtbci.encoder.checkpoint import read_metadata

    made_from, beside = onnx_metadata(path).get("weights_sha256"), read_metadata(checkpoint).sha256
    if made_from != beside:
        raise EngineError(
            f"{path}: was made from weights {made_from}, {checkpoint.name} holds {beside}; export it again"
        )


BACKENDS: dict[str, tuple[Callable[[Path, int], Session], str, str]] = {
    "onnxruntime": (_open_onnxruntime, "onnxruntime", "pip install onnxruntime"),
    "torch": (_open_torch, "torch and onnx", "pip install 'rtbci[train]'"),
}
"""Opener, package and install line of each back end."""
