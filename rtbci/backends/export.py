"""From an encoder to an ONNX file: fixed electrode layout, free batch, and a header that says what it is."""

import json
from hashlib import sha256
from pathlib import Path

from rtbci.backends.dare_graph import dare_graph
from rtbci.encoder.checkpoint import CheckpointInfo, Weights, read_weights
from rtbci.errors import EngineError, MissingPackageError
from rtbci.files import write_whole
from rtbci.installing import pip_extra

__all__ = ["export_checkpoint", "onnx_bytes", "onnx_metadata"]


def export_checkpoint(checkpoint: Path, path: Path) -> str:
    """Write a checkpoint as an ONNX file, for the layout that it names; needs no torch.

    Returns
    -------
    str
        sha256 of the file, which is the engine's id. The same checkpoint gives the same file.

    Raises
    ------
    EngineError
        When the checkpoint cannot be used.
    MissingPackageError
        Without onnx.
    """
    return _write(path, onnx_bytes(*read_weights(checkpoint)))


def onnx_bytes(weights: Weights, info: CheckpointInfo, batch: int | None = None) -> bytes:
    """Make the checked ONNX model of `weights`; the same arguments give the same bytes.

    Raises
    ------
    EngineError
        When `batch` is below 1.
    MissingPackageError
        Without onnx.
    """
    if batch is not None and batch < 1:
        raise EngineError(f"onnx_bytes: got a batch of {batch}, need at least 1, or None for a free batch")
    try:
        import onnx
    except ImportError:
        raise MissingPackageError(
            f"onnx_bytes: onnx is not installed, need it to export an engine; {pip_extra('train')}"
        ) from None
    model = dare_graph(weights, info.size, info.channels, batch, info.power)
    header = {
        "encoder": "dare",
        "size": info.size.name,
        "n_heads": str(info.size.n_heads),
        "embedding_std": f"{info.embedding_std:g}",
        "channels": json.dumps(list(info.channels)),
        "rate_hz": f"{info.rate_hz:g}",
        "unit": info.unit,
        "weights_sha256": info.sha256,
    }
    onnx.helper.set_model_props(model, header)
    onnx.checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def onnx_metadata(path: Path) -> dict[str, str]:
    """Header of an ONNX file, by key.

    Raises
    ------
    EngineError
        When the file cannot be read.
    """
    import onnx

    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # OSError, or one of protobuf's own
        raise EngineError(f"{path}: cannot be read ({error}), need an ONNX file; export it again") from None
    return {prop.key: prop.value for prop in model.metadata_props}


def _write(path: Path, data: bytes) -> str:
    write_whole(path, data)
    return sha256(data).hexdigest()
