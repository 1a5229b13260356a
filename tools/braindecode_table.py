"""Models of braindecode with random weights as engines: size, whether they export, how they agree, what a window costs.

    python -m tools.braindecode_table FOLDER

writes an engine for each into FOLDER, and the table of docs/braindecode.md to standard output. Times are of processor
time of the calling thread, so that other work on the machine lengthens them little.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from rtbci.backends.golden import read_golden
from rtbci.backends.onnxruntime import OrtSession
from rtbci.braindecode.importing import ModelRequest, import_model
from rtbci.braindecode.models import ModelSettings, build_model, scaled_model, scaling_of
from rtbci.recipes import read_engine
from rtbci.stream.caps import CAPS

MODELS = {
    "EEGNet": (128.0, 4.0),
    "ATCNet": (250.0, 4.0),
    "Labram": (200.0, 4.0),
    "EEGPT": (256.0, 4.0),
    "REVE": (200.0, 4.0),
}
"""Rate in Hz and window in seconds, as published; 19 channels."""
N_TIMED = 9


def main() -> None:
    """Print a line for each model as it is done."""
    print(
        "| model | parameters | window | exports to ONNX | largest output | largest difference | torch, ms | ONNX Runtime, ms |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |", flush=True)
    for name, (rate_hz, window_s) in MODELS.items():
        print(_row(name, rate_hz, round(window_s * rate_hz), Path(sys.argv[1]) / name.lower()), flush=True)


def _row(name: str, rate_hz: float, n_samples: int, folder: Path) -> str:
    gain, zscore = scaling_of(name)
    settings = ModelSettings(model=name, gain=gain, zscore=zscore)
    channels = tuple(CAPS["10-20"])
    made = import_model(ModelRequest(settings, name.lower(), channels, rate_hz, n_samples), folder, _silent)
    recipe = read_engine(str(folder))
    golden = read_golden(recipe)
    assert golden is not None
    x, y = golden
    model = scaled_model(build_model(settings, channels, rate_hz, n_samples), settings, channels)
    one = torch.from_numpy(x[:1].copy())
    with torch.inference_mode():
        torch_ms = _cpu_ms(lambda: model(one))
    cells = [
        name,
        f"{made.n_parameters:,}",
        f"19 x {n_samples}",
        "yes" if made.is_onnx else made.why_not_onnx,
    ]
    cells += [
        f"{np.abs(y).max():.2g}",
        "-" if made.max_abs is None else f"{made.max_abs:.1e}",
        f"{torch_ms:.2f}",
    ]
    if made.is_onnx:
        session = OrtSession(recipe.onnx_path, 1)
        cells.append(f"{_cpu_ms(lambda: session.run(x[:1])):.2f}")
        session.close()
    return f"| {' | '.join(cells)} |"


def _cpu_ms(run: Callable[[], object]) -> float:
    """Median processor time of the calling thread."""
    run()
    took = []
    for _ in range(N_TIMED):
        t_start = time.thread_time()
        run()
        took.append(1e3 * (time.thread_time() - t_start))
    return float(np.median(took))


def _silent(_line: str) -> None:
    """Tell nobody."""


if __name__ == "__main__":
    main()
