"""What an inference session is, whatever computes it."""

from typing import Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["Float32Array", "Session"]

Float32Array = npt.NDArray[np.float32]


class Session(Protocol):
    """A compiled network of fixed input shape.

    Attributes
    ----------
    backend : str
        Name of the back end, for instance ``"onnxruntime"``.
    engine_id : str
        sha256 of the file that was loaded, in hexadecimal: the engine's id in messages and profiles.
    input_shape, output_shape : tuple of int
        Shapes for batch 1, batch axis included.
    """

    backend: str
    engine_id: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]

    def run(self, x: Float32Array) -> Float32Array:
        """Run the network.

        Parameters
        ----------
        x : ndarray of float32, shape ``input_shape`` (batch axis free where the engine allows it)
            C-contiguous; not written to.

        Returns
        -------
        ndarray of float32
            A fresh array, or one that is overwritten by the next call where the class says so.

        Raises
        ------
        EngineError
            When the shape or dtype is not what the engine was built for.
        """
        ...

    def close(self) -> None:
        """Free what the session holds; may be called more than once."""
        ...
