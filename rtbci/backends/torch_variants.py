"""What engines are compared with beside eager torch: torch.compile, and torch on a GPU."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np

from rtbci.backends.torch import TorchSession
from rtbci.errors import EngineError
from rtbci.recipes import Precision
from rtbci.stages.stage import Float32Array

__all__ = ["TorchVariant"]


class TorchVariant(TorchSession):
    """An encoder's checkpoint, run by torch in another way than the reference is.

    Parameters
    ----------
    path, engine_id, n_threads
        See `TorchSession`.
    is_compiled : bool
        Whether torch.compile is used; on a GPU with CUDA graphs. It compiles at the first call, and again when
        the batch changes for the first time.
    device : {'cpu', 'cuda'}
        Where it runs. Copies to the device and back are part of `run`.
    precision : {'fp32', 'fp16', 'bf16'}
        Below fp32 by autocast, which keeps LayerNorm and softmax in fp32 as our engines do; weights of matrix products
        are kept in that precision, so that no call converts them.

    Raises
    ------
    EngineError
        As `TorchSession`; also when there is no such device.
    """

    def __init__(
        self,
        path: Path | str,
        engine_id: str | None = None,
        n_threads: int | None = None,
        *,
        is_compiled: bool = False,
        device: Literal["cpu", "cuda"] = "cpu",
        precision: Precision = "fp32",
    ) -> None:
        super().__init__(path, engine_id, n_threads)
        if device == "cuda" and not self._torch.cuda.is_available():
            raise EngineError(f"{path}: torch {self._torch.__version__} finds no GPU, need one; use the CPU")
        self.device = device
        self.precision: Precision = precision
        self.backend = "torch.compile" if is_compiled else "torch"
        self._encoder = self._encoder.to(device).eval()
        if precision in (types := self._types()):
            for module in self._encoder.modules():
                if isinstance(module, self._torch.nn.Linear):
                    module.to(types[precision])
        self._ids = self._ids.to(device)
        if is_compiled:
            # Else the ninth shape or size in one process runs uncompiled, and nothing says so.
            self._torch.compiler.reset()
        mode = "reduce-overhead" if device == "cuda" else "default"
        encode: Callable[..., Any] = self._encoder.encode_patches
        self._compiled = self._torch.compile(encode, mode=mode) if is_compiled else encode

    def run(self, x: Float32Array) -> Float32Array:
        """Run the encoder; see `TorchSession.run`."""
        self._check(x)
        torch = self._torch
        with torch.inference_mode(), self._autocast():
            patches = torch.from_numpy(np.array(x, order="C")).to(self.device)
            features: Float32Array = self._compiled(patches, self._ids).float().cpu().numpy()
        return features

    def _autocast(self) -> Any:
        types = self._types()
        is_low = self.precision in types
        return self._torch.autocast(
            self.device, dtype=types.get(self.precision, self._torch.bfloat16), enabled=is_low
        )

    def _types(self) -> dict[Precision, Any]:
        return {"fp16": self._torch.float16, "bf16": self._torch.bfloat16}
