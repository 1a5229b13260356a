"""Eager torch on the CPU for SpecMoE: the reference for all other back ends."""

from hashlib import sha256
from pathlib import Path

import numpy as np

from rtbci.backends.onnx_file import check_input
from rtbci.backends.session import Float32Array, Precision
from rtbci.encoder.specmoe.checkpoint import read_decoder
from rtbci.errors import EngineError

__all__ = ["TorchSpecSession"]


class TorchSpecSession:
    """A decoder's checkpoint, run by torch.

    Parameters
    ----------
    path : Path
        A checkpoint (`rtbci.encoder.specmoe.checkpoint`).
    engine_id : str, optional
        Id of the engine that this stands in for; sha256 of the checkpoint's file by default.
    n_threads : int, optional
        Threads of torch, for the whole process; left as it is by default.

    Attributes
    ----------
    backend, network_id, engine_id, precision, device, input_shape, output_shape
        See `Session`.
    info : SpecInfo
        What the checkpoint says of itself.

    Raises
    ------
    EngineError
        When the checkpoint cannot be used.
    """

    backend: str = "torch"
    precision: Precision = "fp32"
    device: str = "cpu"

    def __init__(self, path: Path | str, engine_id: str | None = None, n_threads: int | None = None) -> None:
        import torch

        self._where, self._torch = str(path), torch
        self._decoder, self.info = read_decoder(Path(path))
        if n_threads is not None:
            torch.set_num_threads(n_threads)
        self._closed = False
        self.network_id = self.engine_id = engine_id or sha256(Path(path).read_bytes()).hexdigest()
        self.input_shape: tuple[int, ...] = (1, len(self.info.channels), self.info.n_samples)
        self.output_shape: tuple[int, ...] = (1, self.info.n_classes)

    def run(self, x: Float32Array) -> Float32Array:
        """Run the decoder; see `Session.run`. The batch is free; the result is a fresh array.

        Raises
        ------
        EngineError
            When shape or dtype is not what the decoder takes, or the session is closed.
        """
        if self._closed:
            raise EngineError(f"{self._where}: session is closed, need an open one; open it again")
        check_input(self._where, x, self.input_shape, free_batch=True)
        with self._torch.inference_mode():
            # A copy, because torch warns of arrays that it may not write to.
            logits: Float32Array = self._decoder(self._torch.from_numpy(np.array(x, order="C"))).numpy()
        return logits

    def close(self) -> None:
        """Refuse further calls; may be called more than once."""
        self._closed = True
