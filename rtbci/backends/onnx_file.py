"""What back ends that run an ONNX file have in common: reading it, and refusing an input."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rtbci.errors import EngineError
from rtbci.stages.stage import Float32Array

if TYPE_CHECKING:  # what is measured in a process of its own shall not grow by it
    from rtbci.recipes import EngineRecipe

__all__ = ["check_input", "check_network", "read_onnx"]


def read_onnx(path: Path) -> bytes:
    """Read the content of an ONNX file.

    Raises
    ------
    EngineError
        When it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise EngineError(
            f"{path}: {error.strerror}, need an ONNX file; export or install it again"
        ) from None


def check_network(recipe: "EngineRecipe", network_id: str) -> None:
    """Refuse an ONNX file of another sha256 than its recipe names.

    Raises
    ------
    EngineError
        When it is another file. A recipe that names none takes any.
    """
    if recipe.onnx_sha256 and network_id != recipe.onnx_sha256:
        raise EngineError(
            f"engine '{recipe.name}': {recipe.onnx_path} has sha256 {network_id[:12]}..., its recipe says "
            f"{recipe.onnx_sha256[:12]}...; install it again"
        )


def check_input(where: str, x: Float32Array, shape: tuple[int, ...], free_batch: bool) -> None:
    """Refuse an array that a network of this input does not take.

    Parameters
    ----------
    where : str
        What the message starts with.
    x : ndarray
        The array.
    shape : tuple of int
        The network's input, batch axis included.
    free_batch : bool
        Whether the first axis may have another length than `shape` says.

    Raises
    ------
    EngineError
        When shape or dtype is another one; says got and need.
    """
    fits = x.shape[1:] == shape[1:] if free_batch and x.ndim else x.shape == shape
    if x.dtype != np.float32 or not fits or not len(x):
        batch = "n" if free_batch else shape[0]
        need = f"need ({', '.join(map(str, (batch, *shape[1:])))}) float32"
        raise EngineError(f"{where}: input is {x.shape} {x.dtype}, {need}")
