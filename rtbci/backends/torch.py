"""Eager torch on the CPU: slow, and the reference for all other back ends."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rtbci.backends.onnx_file import check_input
from rtbci.encoder.checkpoint import read_checkpoint
from rtbci.encoder.sizes import PATCH_SAMPLES
from rtbci.errors import EngineError
from rtbci.recipes import Precision
from rtbci.stages.stage import Float32Array

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Network", "TorchSession"]

Network = Callable[["Tensor"], "Tensor"]
"""From a batch of inputs to one of outputs, both float32."""


class TorchSession:
    """An encoder's checkpoint, run by torch.

    Parameters
    ----------
    path : Path
        A checkpoint (`rtbci.encoder.checkpoint`); the layout is the one that it names.
    engine_id : str, optional
        Id of the engine that this stands in for; sha256 of the checkpoint's file by default.
    n_threads : int, optional
        Threads of torch, for the whole process; left as it is by default.

    Attributes
    ----------
    backend, network_id, engine_id, precision, device, input_shape, output_shape
        See `Session`.

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
        self._network: Network
        self.input_shape: tuple[int, ...]
        self.output_shape: tuple[int, ...]
        self._network, self.input_shape, self.output_shape = self._read(Path(path))
        if n_threads is not None:
            torch.set_num_threads(n_threads)
        self._closed = False
        self.network_id = self.engine_id = engine_id or sha256(Path(path).read_bytes()).hexdigest()

    def run(self, x: Float32Array) -> Float32Array:
        """Run the network; see `Session.run`. The batch is free; the result is a fresh array.

        Raises
        ------
        EngineError
            When shape or dtype is not what the network takes, or the session is closed.
        """
        self._check(x)
        with self._torch.inference_mode():
            # A copy, because torch warns of arrays that it may not write to.
            y: Float32Array = self._network(self._torch.from_numpy(np.array(x, order="C"))).numpy()
        return y

    def close(self) -> None:
        """Refuse further calls; may be called more than once."""
        self._closed = True

    def _check(self, x: Float32Array) -> None:
        if self._closed:
            raise EngineError(f"{self._where}: session is closed, need an open one; open it again")
        check_input(self._where, x, self.input_shape, free_batch=True)

    def _read(self, path: Path) -> tuple[Network, tuple[int, ...], tuple[int, ...]]:
        """What computes, and the shapes of its input and output at batch 1."""
        from rtbci.encoder.dare import channel_ids

        encoder, info = read_checkpoint(path)
        self._encoder, self._ids = encoder, channel_ids(info.channels)
        shape = (1, info.size.n_summary, info.size.n_features)
        return self._encode, (1, len(info.channels), PATCH_SAMPLES), shape

    def _encode(self, patches: "Tensor") -> "Tensor":
        return self._encoder.encode_patches(patches, self._ids)
