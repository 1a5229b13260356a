"""From a trained decoder to an engine's folder and a profile that uses it."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter
from safetensors.numpy import save_file
from scipy.signal import lfilter

from rtbci.backends.dare_graph import OPSET
from rtbci.backends.onnxruntime import OrtSession
from rtbci.backends.specmoe_graph import INPUT_NAME, OUTPUT_NAME, export_spec_checkpoint
from rtbci.backends.torch_specmoe import TorchSpecSession
from rtbci.encoder.specmoe.checkpoint import SpecInfo, write_decoder
from rtbci.encoder.specmoe.moe import SpecMoe
from rtbci.encoder.specmoe.sizes import RATE_HZ
from rtbci.errors import EngineError
from rtbci.probe.profile import Accuracy, BranchEntry, Profile, chain_hash, write_profile
from rtbci.recipes import StageSettings
from rtbci.stages.stage import FloatArray
from tools.training.shipping import CLASSES, DATA_NOTE, trained_on
from tools.training.signals import LAYOUT
from tools.training.specmoe.data import SPEC_CHAIN, WINDOW
from tools.training.specmoe.experts import PEOPLE

__all__ = ["golden_windows", "spec_chain", "write_population", "write_spec_engine"]

BRANCH, PARADIGM = "specmoe", "motor_imagery_specmoe"
HOP = round(0.125 * RATE_HZ)
N_GOLDEN = 4
TOLERANCE = 1e-5
ALLOWED = "fp32 = { max_abs = 3e-05, cosine = 0.999999 }"


def write_spec_engine(decoder: SpecMoe, folder: Path, command: str, people: Sequence[str]) -> str:
    """Write checkpoint, ONNX file, golden numbers and recipe; CARD.md is left to who trained it.

    `people` are those on whom the experts were pretrained: whoever takes these out of the engine must know.

    Returns
    -------
    str
        The engine's id: sha256 of the ONNX file.

    Raises
    ------
    EngineError
        When the ONNX file does not agree with torch within 1e-5.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights, onnx = folder / "decoder.safetensors", folder / "decoder.onnx"
    notes = {"data": DATA_NOTE, "command": command, PEOPLE: json.dumps(people)}
    info = write_decoder(weights, decoder, LAYOUT, "whitened", WINDOW, notes)
    engine_id = export_spec_checkpoint(weights, onnx)
    x = golden_windows(N_GOLDEN, len(LAYOUT))
    golden = TorchSpecSession(weights).run(x)
    worst = float(np.abs(OrtSession(onnx).run(x) - golden).max())
    if not worst <= TOLERANCE:
        raise EngineError(f"{onnx}: differs from torch by {worst:.2g}, need at most {TOLERANCE:g}")
    save_file({"input": x, "output": golden}, folder / "golden.safetensors")
    text = _recipe(info, folder.name, engine_id, sha256(weights.read_bytes()).hexdigest())
    (folder / "recipe.toml").write_text(text)
    print(
        f"{folder}: engine {engine_id[:12]}..., {onnx.stat().st_size / 1e6:.2f} MB, differs from torch by {worst:.1e}"
    )
    return engine_id


def golden_windows(n: int, n_channels: int) -> npt.NDArray[np.float32]:
    """Seeded noise with most power at low frequencies, variance 1, shape (n, n_channels, WINDOW)."""
    white = np.random.default_rng(20262).standard_normal((n, n_channels, 4 * WINDOW))
    coloured = lfilter([1.0], [1.0, -0.9], white, axis=-1)[..., -WINDOW:]
    return np.ascontiguousarray(coloured / coloured.std(), np.float32)


def write_population(
    folder: Path,
    engine: str,
    engine_id: str,
    covariance: FloatArray,
    temperature: float,
    subjects: Iterable[int],
    accuracy: Accuracy,
    n_trials: int,
) -> Profile:
    """Write the decoder's profile: the alignment's start, the temperature, who it was trained on."""
    chain = spec_chain()
    profile = Profile(
        user="population",
        paradigm=PARADIGM,
        classes=list(CLASSES),
        channels=list(LAYOUT),
        rate_hz=RATE_HZ,
        window_samples=WINDOW,
        hop_samples=HOP,
        chain=chain,
        chain_hash=chain_hash(chain),
        branches=[BranchEntry(name=BRANCH, kind="window", engine=engine, engine_id=engine_id)],
        bias=[0.0, 0.0],
        temperature=temperature,
        n_trials=n_trials,
        accuracy=accuracy,
        trained_on=trained_on(subjects),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        weights={"align.covariance": covariance.astype(np.float32)},
    )
    return write_profile(folder, profile, replace=True)


def spec_chain() -> list[dict[str, Any]]:
    """`SPEC_CHAIN` as the paradigm's recipe would give it, every default filled in."""
    adapter: TypeAdapter[Any] = TypeAdapter(tuple[StageSettings, ...])
    return [stage.model_dump(mode="json") for stage in adapter.validate_python(SPEC_CHAIN)]


def _recipe(info: SpecInfo, name: str, onnx_sha256: str, weights_sha256: str) -> str:
    channels: Sequence[str] = [json.dumps(channel) for channel in info.channels]
    return f"""schema = 1
name = {json.dumps(name)}
kind = "window"
encoder = "specmoe"
size = {json.dumps(info.size.name)}
n_heads = {info.size.n_heads}
onnx = "decoder.onnx"
onnx_sha256 = "{onnx_sha256}"
weights = "decoder.safetensors"
weights_sha256 = "{weights_sha256}"
opset = {OPSET}
golden = "golden.safetensors"
precisions = ["fp32"]
max_batch = 16

[input]
name = "{INPUT_NAME}"
channels = [{", ".join(channels)}]
rate_hz = {info.rate_hz!r}
unit = {json.dumps(info.unit)}
n_samples = {info.n_samples}

[output]
name = "{OUTPUT_NAME}"
meaning = "logits"
shape = [{info.n_classes}]

[tolerance]
{ALLOWED}
"""
