"""Pretraining of SpecMoE's experts, on the reader, the loop and the files of the DARE encoder's."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from rtbci.encoder.specmoe.checkpoint import write_expert
from rtbci.encoder.specmoe.hinet import SpecHiNet
from rtbci.encoder.specmoe.losses import SpecLosses, SpecPretraining
from rtbci.encoder.specmoe.masks import draw_masks
from rtbci.encoder.specmoe.sizes import RATE_HZ, find_spec_size
from rtbci.errors import ConfigError
from tools.pretraining.batches import WindowSource
from tools.pretraining.processes import Processes
from tools.pretraining.shards import ShardIndex
from tools.pretraining.states import read_state, write_state

__all__ = [
    "SHOWN",
    "SpecBatch",
    "SpecSource",
    "SpecTrainSettings",
    "SpecTraining",
    "not_of_expert",
    "person_of",
]

CLIP = 5.0
LAST_RATE = 1e-6
SECOND = round(RATE_HZ)
SHOWN = ("total", "fine", "spectrum", "masked")
PERSON = re.compile(r"(?:^|[^a-z])(sub-?\d+|s\d+)(?!\d)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SpecTrainSettings:
    """Settings of an expert's training; a resumed one must have the same.

    Parameters
    ----------
    size : str
        See `rtbci.encoder.specmoe.sizes.SIZES`.
    steps, batch : int
        Optimiser steps in all; windows of a step over all processes.
    channels : int
        Electrodes drawn from each window, anew for each step; 0 takes all.
    window_s : float
        A whole number of seconds, 3 or more. 30 s were published.
    rate, weight_decay : float
        Of AdamW; the rate falls to 1e-6 along a cosine.
    seed : int
    expert, n_experts : int
        Which of how many: each is trained on people of its own.
    exclude : tuple of str
        Patterns of recordings that no expert is trained on.

    Raises
    ------
    ConfigError
        When a value cannot be used.
    """

    size: str = "mini"
    steps: int = 1000
    batch: int = 32
    channels: int = 4
    window_s: float = 8.0
    rate: float = 1e-3
    weight_decay: float = 5e-2
    seed: int = 0
    expert: int = 0
    n_experts: int = 3
    exclude: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        find_spec_size(self.size)
        if self.window_s != round(self.window_s) or self.window_s < 3 or self.steps < 2 or self.channels < 0:
            raise ConfigError(
                f"SpecTrainSettings: got {self}, need windows of whole seconds, 3 or more, 2 steps or more, and 0 channels "
                "or more"
            )
        if not 0 <= self.expert < self.n_experts or self.seed < 0 or not 0 < self.rate < 1:
            raise ConfigError(
                f"SpecTrainSettings: got expert {self.expert} of {self.n_experts}, rate {self.rate:g} and seed {self.seed}, "
                "need an expert from 0, a rate between 0 and 1, and a seed of 0 or more"
            )

    @property
    def n_samples(self) -> int:
        """Samples of a window."""
        return round(self.window_s) * SECOND


@dataclass(frozen=True, slots=True, eq=False)
class SpecBatch:
    """One process's part of a batch: windows (n, n_channels, n_samples) and their masks (n, 201, n_frames)."""

    x: Tensor
    masks: Tensor


class SpecSource:
    """Draws batches for an expert.

    Parameters
    ----------
    windows : WindowSource
    n_channels : int
        Electrodes drawn from each window; 0 takes all.
    people : sequence of str
        Whose recordings are drawn from.
    """

    def __init__(self, windows: WindowSource, n_channels: int, people: Sequence[str] = ()) -> None:
        self._windows, self._n_channels = windows, n_channels
        self.people = tuple(people)

    @property
    def channels(self) -> tuple[str, ...]:
        """Electrodes of all recordings drawn from."""
        return self._windows.channels

    @property
    def n_windows(self) -> int:
        """Windows that can be drawn."""
        return self._windows.n_windows

    def draw(self, i_step: int) -> SpecBatch:
        """Draw the batch of a step; it follows from the seed and the step alone."""
        labels, x, generator = self._windows.draw_windows(i_step)
        rows = self._windows.rows
        n = self._n_channels or len(labels)
        # Masks and electrodes of the whole batch are drawn by each process, so that many draw what one would.
        masks = draw_masks(self._windows.batch, x.shape[2], generator)[rows]
        order = torch.rand(self._windows.batch, len(labels), generator=generator)[rows].argsort(dim=1)[:, :n]
        return SpecBatch(torch.from_numpy(x)[torch.arange(len(x))[:, None], order], masks)


class SpecTraining:
    """Network, optimiser and schedule of one expert's training; see `tools.pretraining.training.Training`.

    Parameters
    ----------
    settings : SpecTrainSettings
    index : ShardIndex
    processes : Processes

    Raises
    ------
    ConfigError
        When the shards have another rate than the network.
    """

    def __init__(self, settings: SpecTrainSettings, index: ShardIndex, processes: Processes) -> None:
        if index.rate_hz != RATE_HZ:
            raise ConfigError(
                f"SpecTraining: shards are at {index.rate_hz:g} Hz, need {RATE_HZ:g} Hz; prepare them with --encoder specmoe"
            )
        self.settings, self._processes = settings, processes
        torch.manual_seed(settings.seed + settings.expert)
        self.model = SpecPretraining(SpecHiNet(settings.size)).to(processes.device)
        self._network: nn.Module = self.model
        if processes.count > 1:
            self._network = DistributedDataParallel(self.model)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=settings.rate, weight_decay=settings.weight_decay
        )
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, settings.steps, LAST_RATE)
        self.n_done = 0
        self._identity: dict[str, Any] = {
            **asdict(settings),
            "exclude": list(settings.exclude),
            "shards": index.sha256,
            "encoder": "specmoe",
        }

    @property
    def rate(self) -> float:
        """Learning rate of the next step."""
        return float(self.schedule.get_last_lr()[0])

    def step(self, batch: SpecBatch) -> Tensor:
        """Do one step; losses of the whole batch, in the order of `SpecLosses`."""
        device = self._processes.device
        losses: SpecLosses = self._network(batch.x.to(device), batch.masks.to(device))
        self.optimizer.zero_grad()
        losses.total.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        self.optimizer.step()
        self.schedule.step()
        self.n_done += 1
        return self._processes.mean(torch.stack(losses).detach())

    def save(self, path: Path) -> None:
        """Write the state."""
        write_state(
            path,
            {"model": self.model},
            self.optimizer,
            self.schedule,
            {"n_done": self.n_done, "settings": self._identity},
        )

    def resume(self, path: Path) -> None:
        """Go on from a state; see `read_state` for what it refuses."""
        header = read_state(path, {"model": self.model}, self.optimizer, self.schedule, self._identity)
        self.n_done = int(header["n_done"])

    def write(self, out: Path, channels: tuple[str, ...], unit: Any, notes: dict[str, str]) -> None:
        """Write ``expert.safetensors``."""
        write_expert(out / "expert.safetensors", self.model.network, channels, unit, notes)


def person_of(name: str) -> str:
    """Who a recording is of, by its name: the first ``sub-01`` or ``S001`` in it.

    Raises
    ------
    ConfigError
        When the name holds no such part: people could not be kept apart.
    """
    found = PERSON.search(name)
    if found is None:
        raise ConfigError(
            f"person_of: recording '{name}' names nobody, need a part like sub-01 or S001; rename the files"
        )
    return found[1].upper()


def not_of_expert(names: Sequence[str], expert: int, n_experts: int) -> list[str]:
    """Recordings that an expert is not trained on: those of the other experts' people.

    Parameters
    ----------
    names : sequence of str
        All that may be trained on.
    expert, n_experts : int
        Person i of the sorted ones belongs to expert ``i % n_experts``.

    Raises
    ------
    ConfigError
        When there are fewer people than experts.
    """
    people = sorted({person_of(name) for name in names})
    if len(people) < n_experts:
        raise ConfigError(
            f"not_of_expert: {len(people)} people for {n_experts} experts, need one each at least"
        )
    mine = set(people[expert::n_experts])
    return [name for name in names if person_of(name) not in mine]
