"""Packages with plug-ins, installed for one test: a module and the files that say what it brings."""

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import pytest

__all__ = ["LOUDER", "install", "write_plugin_engine"]

LOUDER = """
import numpy as np

class Louder:
    "Class i is the more probable, the stronger channel i is against the others."

    def __init__(self, contract):
        self.contract = contract
        self.n_calls = 0

    def run(self, x):
        power = np.log((x.astype(np.float64) ** 2).mean(axis=2) + 1e-6)
        return power[:, [0, -1]].astype(np.float32)
"""
"""The encoder of `tests.tiny`, as a class."""

ENGINE = """
schema = 1
name = "tiny"
kind = "window"
plugin = "{plugin}"
[settings]
{settings}
[input]
name = "x"
n_channels = 3
rate_hz = 128.0
n_samples = 64
[output]
name = "y"
meaning = "logits"
shape = [2]
"""


def install(
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    module: str,
    code: str,
    points: Mapping[str, Mapping[str, str]],
    *,
    version: str = "1.0",
) -> Path:
    """Write a package of one module, with the entry points of each group, where Python looks for packages.

    Once more with the same module and place: the package is replaced, as by an update.
    """
    (place / module).mkdir(parents=True, exist_ok=True)
    (place / module / "__init__.py").write_text(code)
    for old in place.glob(f"{module}-*.dist-info"):
        for path in old.iterdir():
            path.unlink()
        old.rmdir()
    info = place / f"{module}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: {version}\n")
    sections = [
        "\n".join([f"[{group}]", *(f"{name} = {value}" for name, value in named.items())])
        for group, named in points.items()
    ]
    (info / "entry_points.txt").write_text("\n".join(sections) + "\n")
    if str(place) not in sys.path:
        monkeypatch.syspath_prepend(str(place))
    for name in [one for one in sys.modules if one == module or one.startswith(f"{module}.")]:
        monkeypatch.delitem(sys.modules, name)
    for name in (module, f"{module}.models"):  # what is imported from here is forgotten with the test
        if name not in sys.modules:
            monkeypatch.setitem(sys.modules, name, ModuleType(name))
            del sys.modules[name]
    sys.path_importer_cache.clear()
    importlib.invalidate_caches()
    return place / module


def write_plugin_engine(folder: Path, plugin: str, settings: str = "") -> Path:
    """Write the recipe of an engine that is a plug-in in place of the one of `tests.tiny.write_paradigm`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recipe.toml").write_text(ENGINE.format(plugin=plugin, settings=settings))
    return folder
