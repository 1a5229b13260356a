"""What an inference session is, whatever computes it."""

from typing import Protocol

from rtbci.recipes import Precision
from rtbci.stages.stage import Float32Array

__all__ = ["Session"]


class Session(Protocol):
    """A compiled network of fixed input shape.

    Attributes
    ----------
    backend : str
        Name of the back end, for instance ``"onnxruntime"``.
    network_id : str
        sha256 of the ONNX file that everything else is made from, in hexadecimal: what a profile was fitted on.
        The same whatever back end, precision or device runs it.
    engine_id : str
        sha256 of what really runs, in hexadecimal: of the compiled engine's file, or of the ONNX file where that
        is run as it is. The engine's id in messages.
    precision : str
        See `Precision`.
    device : str
        What it runs on, for instance ``"cpu"`` or ``"NVIDIA GeForce RTX 4070"``.
    input_shape, output_shape : tuple of int
        Shapes for batch 1, batch axis included.
    """

    backend: str
    network_id: str
    engine_id: str
    precision: Precision
    device: str
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
