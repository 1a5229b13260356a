"""The state of a training on disk: one safetensors file, replaced at once, so that a kill costs no more than the
steps since the last one.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from rtbci.errors import ConfigError, FileFormatError
from tools.pretraining.shards import replace_file

__all__ = ["STATE", "read_state", "write_state"]

STATE = "state.safetensors"
HEADER_KEY = "rtbci.pretraining"
FORMAT_VERSION = 1
Schedule = torch.optim.lr_scheduler.LRScheduler


def write_state(
    path: Path,
    modules: Mapping[str, nn.Module],
    optimizer: torch.optim.Optimizer,
    schedule: Schedule,
    header: Mapping[str, Any],
) -> None:
    """Write everything that a training goes on from.

    Parameters
    ----------
    path : Path
        Replaced at once or not at all.
    modules : mapping of str to Module
        Their tensors, each under the module's name.
    optimizer, schedule
        Their tensors and numbers.
    header : mapping
        JSON: steps done, and the settings that must not differ.
    """
    state = optimizer.state_dict()
    tensors = {
        f"{name}/{key}": value
        for name, module in modules.items()
        for key, value in module.state_dict().items()
    }
    for i, moments in state["state"].items():
        tensors |= {f"optimizer/{i}/{key}": value for key, value in moments.items()}
    numbers = {
        "format": FORMAT_VERSION,
        "header": dict(header),
        "groups": state["param_groups"],
        "schedule": schedule.state_dict(),
    }
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    contiguous = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    save_file(contiguous, partial, {HEADER_KEY: json.dumps(numbers)})
    replace_file(partial, path)


def read_state(
    path: Path,
    modules: Mapping[str, nn.Module],
    optimizer: torch.optim.Optimizer,
    schedule: Schedule,
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """Load a state into fresh objects.

    Returns
    -------
    dict
        The header.

    Raises
    ------
    FileFormatError
        When the file is damaged or of another network.
    ConfigError
        When it was written with other settings.
    """
    try:
        with safe_open(path, framework="pt") as file:
            numbers: dict[str, Any] = json.loads((file.metadata() or {})[HEADER_KEY])
            tensors: dict[str, Tensor] = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        header: dict[str, Any] = numbers["header"]
        differing = [key for key in settings if header["settings"].get(key) != settings[key]]
        if differing:
            given = ", ".join(
                f"{key} = {settings[key]!r} (was {header['settings'].get(key)!r})" for key in differing
            )
            raise ConfigError(f"{path}: resuming with {given}, need what it began with; choose another --out")
        for name, module in modules.items():
            module.load_state_dict(_below(tensors, f"{name}/"))
        optimizer.load_state_dict({"state": _moments(tensors), "param_groups": numbers["groups"]})
        schedule.load_state_dict(numbers["schedule"])
    except (OSError, SafetensorError, KeyError, ValueError, RuntimeError) as error:
        if isinstance(error, ConfigError):
            raise
        raise FileFormatError(
            f"{path}: cannot be resumed from ({type(error).__name__}: {error}); choose another --out"
        ) from None
    return header


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _moments(tensors: Mapping[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in _below(tensors, "optimizer/").items():
        number, name = key.split("/")
        moments.setdefault(int(number), {})[name] = value
    return moments
