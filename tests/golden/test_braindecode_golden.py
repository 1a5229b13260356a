"""Models of braindecode, themselves, as engines: what torch gives and what ONNX Runtime gives of each."""

from pathlib import Path

import numpy as np
import pytest
import torch

from rtbci.backends.golden import read_golden
from rtbci.braindecode.importing import ModelRequest, import_model
from rtbci.braindecode.models import ModelSettings, scaling_of
from rtbci.recipes import read_engine
from tests.braindecode_stand_in import real_braindecode

CHANNELS = ("F3", "FZ", "F4", "C3", "CZ", "C4", "P3", "PZ", "P4", "O1", "O2")
MODELS: dict[str, tuple[float, float, dict[str, object]]] = {
    "EEGNet": (128.0, 3.0, {}),
    "ATCNet": (250.0, 4.0, {}),
    "Labram": (200.0, 4.0, {"num_layers": 2}),
    "EEGPT": (256.0, 4.0, {"depth": 2, "embed_dim": 64}),
    "REVE": (200.0, 4.0, {"depth": 2, "embed_dim": 64}),
}
"""Rate, window, and less depth and width than they are published with, so that it takes seconds."""


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_as_an_engine_it_is_the_model(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_braindecode(monkeypatch)
    rate_hz, window_s, options = MODELS[name]
    gain, zscore = scaling_of(name)
    settings = ModelSettings(model=name, options=options, gain=gain, zscore=zscore)
    request = ModelRequest(settings, name.lower(), CHANNELS, rate_hz, round(window_s * rate_hz))
    told: list[str] = []
    made = import_model(request, tmp_path / "engine", told.append)
    assert made.is_onnx, told
    golden = read_golden(read_engine(str(tmp_path / "engine")))
    assert golden is not None
    size = float(np.abs(golden[1]).max())
    assert made.max_abs is not None
    assert made.max_abs <= 1e-4 * size  # of the largest output: some heads begin with tiny numbers
    assert np.ptp(golden[1], axis=0).min() > 0  # it looks at its input
    served = import_model(
        ModelRequest(**{**request.__dict__, "onnx": False}), tmp_path / "served", told.append
    )
    assert not served.is_onnx
    again = read_golden(read_engine(str(tmp_path / "served")))
    assert again is not None
    np.testing.assert_array_equal(again[1], golden[1])
    assert torch.get_num_threads() == 1
