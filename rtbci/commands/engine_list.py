"""`rtbci engine list` and `rtbci engine cache`: what there is."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import typer
from rich.table import Table

from rtbci.backends.cache import EngineCache, KeptEngine
from rtbci.backends.gate import GateReport
from rtbci.backends.gate_store import GateStore
from rtbci.backends.plugin import list_plugins
from rtbci.backends.usable import Usable, what_is_there
from rtbci.commands.options import console_of, teller_of
from rtbci.commands.profile_output import Output, table_of
from rtbci.errors import ConfigError, FileFormatError
from rtbci.recipes import EngineRecipe, all_recipes, read_engine

__all__ = ["clear_cache", "list_engines", "show_cache"]

ENGINE_TITLES = ("engine", "kind", "input", "precisions", "file")
PLUGIN_TITLES = ("plug-in", "class", "package", "version")
BACKEND_TITLES = ("back end", "version", "here")
CACHE_TITLES = ("engine", "back end", "type", "batch", "size", "gate", "for")


def list_engines(out: Output) -> None:
    """Show recipes, back ends and compiled engines."""
    recipes = [read_engine(str(folder)) for folder in all_recipes("engines").values()]
    plugins = list_plugins()
    usable = what_is_there()
    cache = EngineCache()
    kept = cache.entries(deep=False)
    data = {
        "engines": [_plain_recipe(recipe) for recipe in recipes],
        "plugins": [one._asdict() for one in plugins],
        "backends": usable,
        "cache": _plain_cache(cache, kept),
    }
    out.result(
        data,
        table_of(ENGINE_TITLES, [_recipe_row(recipe) for recipe in recipes]),
        "",
        table_of(PLUGIN_TITLES, plugins) if plugins else "no plug-ins",
        "",
        table_of(BACKEND_TITLES, [_backend_row(one) for one in usable]),
        "",
        *_cache_tables(cache, kept),
    )


def show_cache(out: Output) -> None:
    """Show compiled engines, each verified."""
    cache = EngineCache()
    kept = cache.entries()
    out.result(_plain_cache(cache, kept), *_cache_tables(cache, kept))


def clear_cache(out: Output, *, sure: bool) -> None:
    """Remove compiled engines, after asking.

    Raises
    ------
    ConfigError
        When nobody can be asked and `sure` is False.
    FileFormatError
        When some could not be removed.
    """
    cache = EngineCache(told=teller_of(console_of()))
    n = len(cache.entries(deep=False))
    if not sure:
        if not sys.stdin.isatty():
            raise ConfigError(f"engine cache clear: {n} engines in {cache.root}, nobody to ask; give --yes")
        typer.confirm(f"Remove {n} compiled engines ({cache.root})?", abort=True)
    n, n_bytes = cache.clear()
    out.result(
        {"path": str(cache.root), "engines": n, "bytes": n_bytes},
        f"removed {n} compiled engines, {n_bytes / 1e6:.1f} MB, from {cache.root}",
    )
    if left := len(cache.entries(deep=False)):
        raise FileFormatError(
            f"engine cache clear: {left} engines in {cache.root} could not be removed, see above"
        )


def _plain_recipe(recipe: EngineRecipe) -> dict[str, Any]:
    return {
        "name": recipe.name,
        "folder": str(recipe.folder),
        "kind": recipe.kind,
        "size": recipe.size,
        "n_channels": _n_channels(recipe),
        "n_samples": recipe.input.n_samples,
        "rate_hz": recipe.input.rate_hz,
        "plugin": recipe.plugin,
        "precisions": recipe.precisions,
        "max_batch": recipe.max_batch,
        "onnx_sha256": recipe.onnx_sha256,
    }


def _recipe_row(recipe: EngineRecipe) -> Sequence[str]:
    path = recipe.folder / (recipe.onnx or recipe.weights or "recipe.toml")
    size = f"{path.stat().st_size / 1e6:.1f} MB" if path.is_file() else "missing"
    shape = f"{_n_channels(recipe) or '?'} x {recipe.input.n_samples}, {recipe.input.rate_hz:g} Hz"
    runs = f"plug-in {recipe.plugin}" if recipe.plugin else " ".join(recipe.precisions)
    return recipe.name, recipe.kind, shape, runs, size


def _n_channels(recipe: EngineRecipe) -> int | None:
    return len(recipe.input.channels) or recipe.input.n_channels


def _backend_row(one: Usable) -> Sequence[str]:
    if one.can_run:
        return one.backend, one.version, one.device
    can = "builds for other computers; " if one.can_build else ""
    return one.backend, one.version or "-", f"{can}{one.why_not}" + (f"; {one.remedy}" if one.remedy else "")


def _cache_tables(cache: EngineCache, kept: Sequence[KeptEngine]) -> list[Table | str]:
    total = sum(one.n_bytes for one in kept)
    line = f"cache: {total / 1e6:.1f} of {cache.limit_bytes / 1e6:.0f} MB in {cache.root}"
    if not kept:
        return [f"cache: empty ({cache.root})"]
    reports = _reports(cache)
    rows = [_cache_row(one, reports) for one in kept]
    return [table_of(CACHE_TITLES, rows), line]


def _cache_row(one: KeptEngine, reports: dict[str, GateReport]) -> Sequence[str]:
    size = f"{one.n_bytes / 1e6:.1f} MB"
    if one.entry is None:
        return "?", "-", "-", "-", size, "broken", f"{one.folder.name[:8]}...: {one.fault}"
    key = one.entry.key
    return (
        one.entry.name or f"{key.network_id[:8]}...",
        key.backend,
        key.precision,
        str(key.max_batch),
        size,
        _verdict(reports.get(one.entry.sha256)),
        f"{key.device or ' '.join(key.targets)}",
    )


def _verdict(report: GateReport | None) -> str:
    if report is None:
        return "not run"
    return "passed" if report.passed else "FAILED"


def _plain_cache(cache: EngineCache, kept: Sequence[KeptEngine]) -> dict[str, Any]:
    reports = _reports(cache)
    return {
        "path": str(cache.root),
        "limit_bytes": cache.limit_bytes,
        "entries": [_plain_entry(one, reports) for one in kept],
    }


def _plain_entry(one: KeptEngine, reports: dict[str, GateReport]) -> dict[str, Any]:
    entry = None if one.entry is None else msgspec.to_builtins(one.entry)
    report = None if one.entry is None else reports.get(one.entry.sha256)
    name = None if one.entry is None else one.entry.name
    gate = None if report is None else {"passed": report.passed, "reasons": report.reasons}
    return {
        "engine": name,
        "folder": str(one.folder),
        "bytes": one.n_bytes,
        "fault": one.fault,
        "entry": entry,
        "gate": gate,
    }


def _reports(cache: EngineCache) -> dict[str, GateReport]:
    """What the gate found, by engine id."""
    store = GateStore(Path(cache.root / "gates"), lambda _text: None)
    return {key.engine_id: report for key, report in store.reports()}
