"""`rtbci engine import`: a model of braindecode made into an engine's folder."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rtbci.braindecode.card import Imported
from rtbci.braindecode.importing import ModelRequest, import_model
from rtbci.braindecode.models import ModelSettings, scaling_of
from rtbci.commands.options import console_of, teller_of
from rtbci.commands.profile_output import Output
from rtbci.errors import ConfigError, MissingPackageError
from rtbci.installing import pip_install
from rtbci.recipes import AlignSettings, ParadigmRecipe, ResampleSettings, read_paradigm
from rtbci.settings import check_settings
from rtbci.stream.labels import canonical_label

__all__ = ["ImportFlags", "import_engine"]

HUB_FILE = "model.safetensors"


@dataclass(frozen=True)
class ImportFlags:
    """What the command line says; empty or None: not said.

    Parameters
    ----------
    model : str
    weights : Path or None
    hub : str
        ``owner/name`` of a repository of weights.
    paradigm : str
    channels : list of str
    rate_hz, window_s, scale : float or None
    n_classes : int or None
    zscore, onnx, new_head : bool or None
    output : str
    options : list of str
        ``KEY=VALUE``, the value as JSON.
    name : str
    out : Path
    """

    model: str
    weights: Path | None
    hub: str
    paradigm: str
    channels: list[str]
    rate_hz: float | None
    window_s: float | None
    n_classes: int | None
    scale: float | None
    zscore: bool | None
    output: str
    options: list[str]
    onnx: bool
    new_head: bool
    name: str
    out: Path


def import_engine(flags: ImportFlags, out: Output) -> None:
    """Import, and say what came of it.

    Raises
    ------
    ConfigError
        When something is not said that is needed.
    EngineError, MissingPackageError
        See `rtbci.braindecode.importing.import_model`.
    """
    told = teller_of(console_of())
    request = _request(flags)
    made = import_model(request, flags.out, told)
    out.result(_plain(made), *_lines(request, made))


def _request(flags: ImportFlags) -> ModelRequest:
    recipe = read_paradigm(flags.paradigm) if flags.paradigm else None
    gain, zscore = scaling_of(flags.model)
    whitened = recipe is not None and any(isinstance(one, AlignSettings) for one in recipe.stages)
    gain = 1.0 if whitened else gain  # whitened signals have no unit any more
    content = {
        "model": flags.model,
        "options": dict(_option(text) for text in flags.options),
        "gain": gain if flags.scale is None else flags.scale,
        "zscore": zscore if flags.zscore is None else flags.zscore,
        "output": flags.output,
        "n_outputs": _said("--classes", flags.n_classes, None if recipe is None else len(recipe.classes)),
    }
    channels = _said(
        "--channels", flags.channels or None, None if recipe is None else list(recipe.input.channels)
    )
    rate_hz = _said("--rate", flags.rate_hz, None if recipe is None else _rate_of(recipe))
    window_s = _said("--window", flags.window_s, None if recipe is None else recipe.window.length_s)
    weights, source = flags.weights, ""
    if flags.hub:
        if weights is not None:
            raise ConfigError("engine import: got --weights and --hub, need one of them; leave one out")
        weights, source = _from_hub(flags.hub), f"{flags.hub} ({HUB_FILE})"
    unit: Literal["uV", "whitened"] = "whitened" if whitened else "uV"
    return ModelRequest(
        settings=check_settings(ModelSettings, content, "engine import"),
        name=flags.name or flags.out.resolve().name,
        channels=tuple(canonical_label(label) for label in channels),
        rate_hz=rate_hz,
        n_samples=round(window_s * rate_hz),
        unit=unit,
        weights=weights,
        source=source,
        onnx=flags.onnx,
        new_head=flags.new_head,
    )


def _said(flag: str, given: Any, known: Any) -> Any:
    if given is None and known is None:
        raise ConfigError(f"engine import: needs {flag}, or a --paradigm that says it; give one")
    return known if given is None else given


def _rate_of(recipe: ParadigmRecipe) -> float | None:
    rates = [one.rate_hz for one in recipe.stages if isinstance(one, ResampleSettings)]
    return rates[-1] if rates else None


def _option(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key.isidentifier():
        raise ConfigError(f"--set: got '{text}', need KEY=VALUE, as F1=16; correct it")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def _from_hub(name: str) -> Path:
    try:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    except ImportError as error:
        raise MissingPackageError(
            f"--hub: huggingface_hub is not installed; {pip_install('huggingface_hub')}, or fetch the weights yourself and give --weights"
        ) from error
    try:
        return Path(hf_hub_download(name, HUB_FILE))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        raise ConfigError(
            f"--hub: {HUB_FILE} of '{name}' cannot be had ({str(error).splitlines()[0]}); check name and network, or give --weights FILE"
        ) from error


def _lines(request: ModelRequest, made: Imported) -> list[str]:
    runs = f"ONNX, {made.onnx_ms:.2f} ms a window" if made.onnx_ms is not None else "torch"
    lines = [
        f"{request.settings.model}: {made.n_parameters:,} parameters, {list(made.output_shape)} {request.settings.output} from "
        f"{len(request.channels)} x {request.n_samples}; {runs}, torch {made.torch_ms:.2f} ms (one thread)",
    ]
    if made.max_abs is not None:
        lines.append(f"ONNX Runtime differs from torch by at most {made.max_abs:.1e}")
    if made.random:
        what = (
            "all weights are random"
            if request.weights is None
            else f"random weights: {', '.join(made.random[:4])}"
        )
        lines.append(f"{what}: it decodes nothing until they are trained")
    return [*lines, f"written to {made.folder}; `rtbci engine check {made.folder}` compares back ends"]


def _plain(made: Imported) -> dict[str, Any]:
    return {
        "folder": str(made.folder),
        "n_parameters": made.n_parameters,
        "onnx": made.is_onnx,
        "why_not_onnx": made.why_not_onnx,
        "max_abs": made.max_abs,
        "torch_ms": made.torch_ms,
        "onnx_ms": made.onnx_ms,
        "n_random": len(made.random),
        "output_shape": list(made.output_shape),
    }
