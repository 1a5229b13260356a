"""From a checkpoint to an engine's folder: ONNX file, weights, golden numbers and recipe.

    python tools/export_engine.py runs/nano.safetensors engines/dare_nano

The golden output is torch's; the ONNX file is run on the golden input before the recipe is written. The
same checkpoint gives the same ONNX file and so the same engine id. CARD.md is left to who trained it.
"""

import argparse
import json
import shutil
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file
from scipy.signal import lfilter

from rtbci.backends.dare_graph import INPUT_NAME, OPSET, OUTPUT_NAME
from rtbci.backends.export import export_checkpoint
from rtbci.backends.onnxruntime import OrtSession
from rtbci.backends.torch import TorchSession
from rtbci.encoder.checkpoint import CheckpointInfo, read_metadata
from rtbci.encoder.sizes import PATCH_SAMPLES
from rtbci.errors import EngineError, RtbciError

__all__ = ["write_engine"]

TOLERANCE_FP32 = 1e-5
# Computed step by step in fp16 / bf16, nano and light differ from torch by at most 0.0016 / 0.011, their cosines are
# 1 - 5e-7 / 1 - 5e-5 and above (windows of the gate and golden input).
TOLERANCES_LOW = """fp16 = { max_abs = 0.005, cosine = 0.99999 }
bf16 = { max_abs = 0.04, cosine = 0.999 }"""
N_GOLDEN = 16
SPREAD = {"uV": 15.0, "mV": 0.015, "whitened": 1.0}  # standard deviation of EEG in each unit


def write_engine(checkpoint: Path, folder: Path, name: str = "") -> str:
    """Write an engine's folder; see the module.

    Parameters
    ----------
    checkpoint : Path
        Written by `rtbci.encoder.checkpoint.write_checkpoint`; copied, unless it is in the folder already.
    folder : Path
        Made if absent; other files in it stay.
    name : str
        The engine's name; the folder's name by default.

    Returns
    -------
    str
        The engine's id.

    Raises
    ------
    EngineError
        When the checkpoint cannot be used, or the ONNX file does not agree with torch within 1e-5.
    """
    info = read_metadata(checkpoint)
    folder.mkdir(parents=True, exist_ok=True)
    weights, onnx = folder / "encoder.safetensors", folder / "encoder.onnx"
    if checkpoint.resolve() != weights.resolve():
        shutil.copyfile(checkpoint, weights)
    engine_id = export_checkpoint(weights, onnx)
    x = eeg_like_patches(N_GOLDEN, len(info.channels), SPREAD[info.unit])
    golden = TorchSession(weights).run(x)
    worst = float(np.abs(OrtSession(onnx).run(x) - golden).max())
    if not worst <= TOLERANCE_FP32:
        raise EngineError(f"{onnx}: differs from torch by {worst:.2g}, need at most {TOLERANCE_FP32:g}")
    save_file({"input": x, "output": golden}, folder / "golden.safetensors")
    weights_sha256 = sha256(weights.read_bytes()).hexdigest()
    (folder / "recipe.toml").write_text(
        recipe(info, name or folder.resolve().name, engine_id, weights_sha256)
    )
    print(f"{folder}: engine {engine_id[:12]}..., {onnx.stat().st_size / 1e6:.2f} MB, "
          f"differs from torch by {worst:.1e}")  # fmt: skip
    return engine_id


def eeg_like_patches(n: int, n_channels: int, spread: float) -> npt.NDArray[np.float32]:
    """Seeded noise with most power at low frequencies, shape (n, n_channels, 64), a common part in all channels."""
    rng = np.random.default_rng(20260)
    white = rng.standard_normal((n, n_channels + 1, 4 * PATCH_SAMPLES))
    coloured = lfilter([1.0], [1.0, -0.95], white, axis=-1)[..., -PATCH_SAMPLES:]
    mixed = coloured[:, 1:] + coloured[:, :1]
    return np.ascontiguousarray(spread * mixed / mixed.std(), np.float32)


def recipe(info: CheckpointInfo, name: str, onnx_sha256: str, weights_sha256: str) -> str:
    """Text of `recipe.toml`."""
    size, channels = info.size, ", ".join(json.dumps(channel) for channel in info.channels)
    return f"""schema = 1
name = {json.dumps(name)}
kind = "patch"
encoder = "dare"
size = {json.dumps(size.name)}
n_heads = {size.n_heads}
onnx = "encoder.onnx"
onnx_sha256 = "{onnx_sha256}"
weights = "encoder.safetensors"
weights_sha256 = "{weights_sha256}"
opset = {OPSET}
golden = "golden.safetensors"
precisions = ["fp32", "fp16", "bf16"]
max_batch = 256

[input]
name = "{INPUT_NAME}"
channels = [{channels}]
rate_hz = {info.rate_hz!r}
unit = {json.dumps(info.unit)}
n_samples = {PATCH_SAMPLES}

[output]
name = "{OUTPUT_NAME}"
meaning = "features"
shape = [{size.n_summary}, {size.n_features}]

[tolerance]
fp32 = {TOLERANCE_FP32!r}
{TOLERANCES_LOW}
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line; 0 when the engine was written."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("checkpoint", type=Path, help="safetensors file of an encoder")
    parser.add_argument("folder", type=Path, help="the engine's folder, for instance engines/dare_nano")
    parser.add_argument("--name", default="", help="name of the engine (default: the folder's)")
    given = parser.parse_args(arguments)
    try:
        write_engine(given.checkpoint, given.folder, given.name)
    except RtbciError as error:
        print(error)
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
