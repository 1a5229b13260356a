"""A model of braindecode that torch runs: the plug-in ``braindecode``, for what does not export to ONNX."""

import numpy as np

from rtbci.backends.plugin import EncoderContract
from rtbci.braindecode.models import ModelSettings, build_model, load_state, put_weights, scaled_model
from rtbci.errors import EngineError
from rtbci.settings import check_settings
from rtbci.stages.stage import Float32Array

__all__ = ["BraindecodeEncoder"]


class BraindecodeEncoder:
    """See `rtbci.backends.plugin.Encoder`; the recipe's ``[settings]`` are a `ModelSettings`.

    Raises
    ------
    EngineError
        When the recipe names no weights or no channels, or the model does not take them.
    """

    def __init__(self, contract: EncoderContract) -> None:
        import torch

        settings = check_settings(ModelSettings, dict(contract.settings), f"{contract.folder}, [settings]")
        if contract.weights is None or not contract.channels:
            raise EngineError(
                f"engine '{contract.name}': needs weights and the names of its channels; import it again"
            )
        self._torch = torch
        torch.set_num_threads(contract.n_threads)
        model = build_model(settings, contract.channels, contract.rate_hz, contract.n_samples)
        put_weights(model, load_state(contract.weights), str(contract.weights))
        self._model = scaled_model(model, settings, contract.channels)

    def run(self, x: Float32Array) -> Float32Array:
        """Run the model on each window by itself, so that no row depends on another."""
        with self._torch.inference_mode():
            rows = [self._model(self._torch.from_numpy(one[np.newaxis].copy())).numpy() for one in x]
        return np.concatenate(rows)
