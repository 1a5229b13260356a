"""Models that follow the interface of braindecode, for tests where it is not installed; and what it needs of torchaudio.

The public torchaudio is built for one torch and does not load beside another; braindecode imports it for two filters
that the models tested here do not have.
"""

import importlib
import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any
from warnings import catch_warnings, simplefilter

import pytest
import torch

from tests.plugin_samples import install

__all__ = ["install_stand_in", "real_braindecode"]

MODELS = '''
"""Small networks with the arguments, methods and state that models of braindecode have."""
import torch
from torch import nn


class TinyNet(nn.Module):
    def __init__(self, n_chans=None, n_outputs=None, n_times=None, sfreq=None, chs_info=None, n_filters=4):
        super().__init__()
        if n_times < 32:
            raise ValueError(f"n_times is {n_times}, need 32 or more")
        self.names = [one["ch_name"] for one in chs_info]
        self.conv = nn.Conv1d(n_chans, n_filters, 16, padding=8)
        self.norm = nn.BatchNorm1d(n_filters)
        self.final_layer = nn.Linear(n_filters, n_outputs)

    def forward(self, x, return_features=False):
        features = self.norm(self.conv(x)).square().mean(dim=-1).log1p()
        return {"features": features, "cls_token": None} if return_features else self.final_layer(features)


class NamesNet(TinyNet):
    "Must be told the channels' names with each window, as Labram must."

    def forward(self, x, *, ch_names=None):
        if ch_names is None:
            raise ValueError("need ch_names")
        return super().forward(x * (1.0 + ch_names.index("C3")))


class BlindNet(nn.Module):
    "Gives no features, and another number of outputs than it is asked for."

    def __init__(self, n_chans=None, n_outputs=None, n_times=None, sfreq=None, chs_info=None):
        super().__init__()
        self.final_layer = nn.Linear(n_chans * n_times, n_outputs + 1)

    def forward(self, x):
        return self.final_layer(x.flatten(start_dim=1))


class LoopNet(TinyNet):
    "What no graph can follow: the path depends on the numbers."

    def forward(self, x):
        return super().forward(x) if float(x.abs().sum()) > 1.0 else super().forward(x + 1.0)
'''


def install_stand_in(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put these models where braindecode's are, with a version of their own."""
    folder = install(place, monkeypatch, "braindecode", "", {}, version="0.0")
    (folder / "models.py").write_text(MODELS)


class Absent(ModuleType):
    """A module whose names can be imported and not be used."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__spec__ = ModuleSpec(name, None)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def refuse(*_: Any, **__: Any) -> None:
            raise ImportError(f"{self.__name__}.{name}: torchaudio cannot be used here")

        return type(name, (torch.nn.Module,), {"__init__": refuse})  # some names are base classes


def real_braindecode(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Module `braindecode.models`; skips without braindecode. Models that need torchaudio are not used, so it may be absent."""
    if find_spec("braindecode") is None:
        pytest.skip("braindecode is not installed: pip install '.[braindecode]'")
    with catch_warnings():
        simplefilter("ignore")
        try:
            importlib.import_module("torchaudio")
        except (ImportError, OSError):  # an installed torchaudio may not fit the installed torch
            for name in ("torchaudio", "torchaudio.functional", "torchaudio.transforms"):
                monkeypatch.setitem(sys.modules, name, Absent(name))
            for part in ("functional", "transforms"):
                setattr(sys.modules["torchaudio"], part, sys.modules[f"torchaudio.{part}"])
        return importlib.import_module("braindecode.models")
