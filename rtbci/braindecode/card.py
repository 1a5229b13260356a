"""What came of an import, and recipe and card of the engine as text."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rtbci.braindecode.models import ModelSettings
from rtbci.recipes import EngineRecipe

__all__ = ["Imported", "card_of", "recipe_of"]


@dataclass(frozen=True)
class Imported:
    """What came of an import.

    Parameters
    ----------
    folder : Path
    n_parameters : int
    is_onnx : bool
    why_not_onnx : str
        Empty when it is.
    max_abs : float or None
        Largest difference of ONNX Runtime from torch; None where there is no ONNX file.
    torch_ms : float
    onnx_ms : float or None
        Median time of one window, one thread.
    random : tuple of str
        Tensors with random weights; all of them where no weights were given.
    output_shape : tuple of int
    """

    folder: Path
    n_parameters: int
    is_onnx: bool
    why_not_onnx: str
    max_abs: float | None
    torch_ms: float
    onnx_ms: float | None
    random: tuple[str, ...]
    output_shape: tuple[int, ...]


def recipe_of(recipe: EngineRecipe) -> str:
    """The recipe as TOML."""
    content = recipe.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude_none=True)
    tables = {key: value for key, value in content.items() if isinstance(value, dict)}
    lines = [f"{key} = {_toml(value)}" for key, value in content.items() if key not in tables]
    for key, table in tables.items():
        lines += ["", f"[{key}]", *(f"{name} = {_toml(value)}" for name, value in table.items())]
    return "\n".join(lines) + "\n"


def card_of(
    recipe: EngineRecipe, settings: ModelSettings, imported: Imported, version: str, weights: str
) -> str:
    """What was imported, for people."""
    span_s = recipe.input.n_samples / recipe.input.rate_hz
    runs = (
        f"As ONNX it differs from torch by at most {imported.max_abs:.1e} on {recipe.name}'s golden windows."
        if imported.is_onnx
        else f"torch runs it, through the plug-in `braindecode`: {imported.why_not_onnx}."
    )
    scaling = f"Input in {recipe.input.unit}, times {settings.gain:g}" + (
        ", then z-scored per channel and window" * settings.zscore
    )
    lines = [
        f"# {recipe.name}",
        "",
        f"{settings.model} of braindecode {version} (BSD-3), {imported.n_parameters:,} parameters, options {settings.options or 'as they are'}.",
        f"{len(recipe.input.channels)} channels, {recipe.input.n_samples} samples at {recipe.input.rate_hz:g} Hz ({span_s:g} s). {scaling}.",
        f"Output: {recipe.output.meaning}, {list(recipe.output.shape)}. Weights: {weights}.",
        _random_words(imported),
        runs,
        "",
    ]
    return "\n".join(line for line in lines if line is not None)


def _random_words(imported: Imported) -> str:
    if not imported.random:
        return "All weights are those of the file."
    return (
        f"**{len(imported.random)} tensors have random weights**: it decodes nothing until they are trained."
    )


def _toml(value: Any) -> str:
    """A value as TOML; what JSON writes is TOML too, but for tables and null."""
    if isinstance(value, dict):
        inside = ", ".join(
            f"{json.dumps(key)} = {_toml(one)}" for key, one in value.items() if one is not None
        )
        return "{" + inside + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)
