"""A model of braindecode made into the folder of an engine: ONNX file or weights, golden numbers, recipe, card."""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal
from warnings import catch_warnings, simplefilter

import numpy as np
from safetensors.numpy import save

from rtbci.backends.dare_graph import OPSET
from rtbci.backends.gate_windows import gate_windows
from rtbci.backends.golden import run_each
from rtbci.backends.onnxruntime import OrtSession
from rtbci.braindecode.card import Imported, card_of, recipe_of
from rtbci.braindecode.models import ModelSettings, build_model, load_state, put_weights, scaled_model
from rtbci.clock import now
from rtbci.errors import EngineError, RtbciError
from rtbci.files import write_together
from rtbci.recipes import EngineInput, EngineOutput, EngineRecipe, Tolerance
from rtbci.stages.stage import Float32Array

if TYPE_CHECKING:
    import torch

__all__ = ["ModelRequest", "import_model"]

PARITY = 1e-4
"""Largest difference between ONNX Runtime and torch, divided by the window's largest output where that is above 1."""
N_GOLDEN = 4
N_TIMED = 20
SEED = 0


@dataclass(frozen=True)
class ModelRequest:
    """What is to be imported.

    Parameters
    ----------
    settings : ModelSettings
    name : str
        Of the engine.
    channels : tuple of str
    rate_hz : float
    n_samples : int
    unit : {'uV', 'whitened'}
    weights : Path or None
        None: random ones, of a fixed seed.
    source : str
        Where the weights are from, in words.
    onnx : bool
        Whether to try ONNX before the model is left to torch.
    new_head : bool
        Whether the classifier may keep random weights, as when pretrained weights have another or none.
    """

    settings: ModelSettings
    name: str
    channels: tuple[str, ...]
    rate_hz: float
    n_samples: int
    unit: Literal["uV", "whitened"] = "uV"
    weights: Path | None = None
    source: str = ""
    onnx: bool = True
    new_head: bool = False


def import_model(request: ModelRequest, folder: Path, told: Callable[[str], None]) -> Imported:
    """Build, export, compare, write.

    Parameters
    ----------
    request : ModelRequest
    folder : Path
        Is made; files of an engine that is there are replaced.
    told : callable
        Gets a sentence about everything that a person should know.

    Raises
    ------
    MissingPackageError
        When braindecode, torch or what exports is not there.
    EngineError
        When model, settings and weights do not fit each other.
    """
    with catch_warnings():
        simplefilter("ignore")  # of models about their padding, of the exporter about itself
        return _import(request, folder, told)


def _import(request: ModelRequest, folder: Path, told: Callable[[str], None]) -> Imported:
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    settings = request.settings
    model = build_model(settings, request.channels, request.rate_hz, request.n_samples)
    random = tuple(model.state_dict())
    if request.weights is not None:
        state = load_state(request.weights)
        random = tuple(put_weights(model, state, str(request.weights), head_may_lack=request.new_head))
    scaled = scaled_model(model, settings, request.channels)
    recipe = _contract(request, _output_shape(scaled, request))
    x = gate_windows(recipe, (1, len(request.channels), request.n_samples))["noise"][:N_GOLDEN]
    wanted, torch_ms = _torch_outputs(scaled, x)
    # Golden numbers are compared as they are, so a network with large outputs may differ by more.
    allowed = Tolerance(max_abs=PARITY * max(1.0, float(np.abs(wanted).max())), cosine=0.99999)
    recipe = recipe.model_copy(update={"tolerance": {"fp32": allowed}})
    found = _try_onnx(scaled, x, wanted, told) if request.onnx else _Export(why_not="not asked for")
    if found.data is None:
        told(f"engine '{request.name}': runs on torch, and not as ONNX: {found.why_not}")
    settled, files = _settled(recipe, found, model)
    files["golden.safetensors"] = save({"input": x, "output": wanted})
    imported = Imported(
        folder,
        sum(one.numel() for one in model.parameters()),
        found.data is not None,
        found.why_not,
        found.max_abs,
        torch_ms,
        found.took_ms,
        random,
        settled.output.shape,
    )
    files["recipe.toml"] = recipe_of(settled).encode()
    said = request.source or (str(request.weights.name) if request.weights else "random, of seed 0")
    files["CARD.md"] = card_of(settled, settings, imported, version("braindecode"), said).encode()
    folder.mkdir(parents=True, exist_ok=True)
    write_together({folder / name: data for name, data in files.items()})
    for name in {"encoder.onnx", "weights.safetensors"} - files.keys():  # of an earlier import
        (folder / name).unlink(missing_ok=True)
    return imported


@dataclass(frozen=True)
class _Export:
    data: bytes | None = None
    why_not: str = ""
    max_abs: float | None = None
    took_ms: float | None = None


def _contract(request: ModelRequest, shape: tuple[int, ...]) -> EngineRecipe:
    meaning: Literal["features", "logits"] = request.settings.output
    return EngineRecipe(
        schema=1,
        name=request.name,
        kind="window",
        plugin="braindecode",
        settings=request.settings.model_dump(),
        golden="golden.safetensors",
        max_batch=1,
        input=EngineInput(
            name="x",
            channels=request.channels,
            rate_hz=request.rate_hz,
            unit=request.unit,
            n_samples=request.n_samples,
        ),
        output=EngineOutput(name="y", meaning=meaning, shape=shape),
    )


def _output_shape(scaled: "torch.nn.Module", request: ModelRequest) -> tuple[int, ...]:
    import torch

    x = torch.zeros(1, len(request.channels), request.n_samples)
    try:
        with torch.inference_mode():
            y = scaled(x)
    except Exception as error:  # whatever a model raises
        raise EngineError(
            f"braindecode {request.settings.model}: cannot be run on {tuple(x.shape)} ({type(error).__name__}: {error}); change "
            "channels, rate, window or options"
        ) from error
    shape = tuple(int(n) for n in y.shape[1:])
    if request.settings.output == "logits" and shape != (request.settings.n_outputs,):
        raise EngineError(
            f"braindecode {request.settings.model}: gives {shape} for a window, need ({request.settings.n_outputs},): one number for "
            "each class; take its features (--output features), or another window"
        )
    return shape


def _torch_outputs(scaled: "torch.nn.Module", x: Float32Array) -> tuple[Float32Array, float]:
    """Outputs of single windows, and the median time of one in milliseconds."""
    import torch

    with torch.inference_mode():
        y = np.concatenate([scaled(torch.from_numpy(one[np.newaxis].copy())).numpy() for one in x])
        one = torch.from_numpy(x[:1].copy())
        took = [_timed_ms(lambda: scaled(one)) for _ in range(N_TIMED)]
    if not np.isfinite(y).all():
        raise EngineError(
            "braindecode: gives numbers that are not finite for plain noise; check weights and scaling"
        )
    return y, float(np.median(took))


def _try_onnx(
    scaled: "torch.nn.Module", x: Float32Array, wanted: Float32Array, told: Callable[[str], None]
) -> _Export:
    """The ONNX file, held to what torch gives; or why there is none."""
    told("exporting to ONNX")
    try:
        data = _onnx_bytes(scaled, x[:1])
    except RtbciError:
        raise
    except Exception as error:  # the exporter's own, of many kinds
        return _Export(
            why_not=f"it cannot be exported ({type(error).__name__}: {str(error).splitlines()[0][:200]})"
        )
    with TemporaryDirectory() as place:
        path = Path(place) / "encoder.onnx"
        path.write_bytes(data)
        try:
            session = OrtSession(path, 1)
            got = run_each(session, x)
            took_ms = float(np.median([_timed_ms(lambda: session.run(x[:1])) for _ in range(N_TIMED)]))
            session.close()
        except EngineError as error:
            return _Export(why_not=f"ONNX Runtime does not run what was exported ({error})")
    size = np.maximum(1.0, np.abs(wanted).max(axis=1, keepdims=True))
    differs = float((np.abs(got.reshape(wanted.shape) - wanted) / size).max())
    if not differs <= PARITY:
        return _Export(
            why_not=f"what was exported differs from torch by {differs:.2g}, need at most {PARITY:g}"
        )
    return _Export(data, max_abs=float(np.abs(got.reshape(wanted.shape) - wanted).max()), took_ms=took_ms)


def _onnx_bytes(scaled: "torch.nn.Module", x: Float32Array) -> bytes:
    import torch

    with TemporaryDirectory() as place, torch.inference_mode():
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        path = Path(place) / "encoder.onnx"
        torch.onnx.export(
            scaled,
            (torch.from_numpy(x.copy()),),
            str(path),
            input_names=["x"],
            output_names=["y"],
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        return path.read_bytes()


def _tensors(model: "torch.nn.Module") -> dict[str, Any]:
    return {name: x.detach().contiguous() for name, x in model.state_dict().items()}


def _timed_ms(run: Callable[[], object]) -> float:
    t_start = now()
    run()
    return 1e3 * (now() - t_start)


def _settled(
    recipe: EngineRecipe, found: _Export, model: "torch.nn.Module"
) -> tuple[EngineRecipe, dict[str, bytes]]:
    """What the recipe says of its network, an ONNX file or weights for torch, and that file."""
    if found.data is not None:
        onnx = {"onnx": "encoder.onnx", "onnx_sha256": _sha256(found.data), "opset": OPSET}
        settled = recipe.model_copy(update={**onnx, "plugin": "", "settings": {}})
        return settled, {"encoder.onnx": found.data}
    weights = save({name: x.numpy() for name, x in _tensors(model).items()})
    named = {"weights": "weights.safetensors", "weights_sha256": _sha256(weights)}
    return recipe.model_copy(update=named), {"weights.safetensors": weights}


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
