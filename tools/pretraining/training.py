"""The training loop of pretraining."""

import contextlib
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from rtbci.encoder.checkpoint import write_checkpoint
from rtbci.encoder.dare import DareEncoder
from rtbci.encoder.pretraining import EmaEncoder, Losses, Pretraining, ema_momentum
from rtbci.encoder.sizes import PATCH_SAMPLES, RATE_HZ, find_size
from rtbci.errors import ConfigError, SignalError
from tools.pretraining.batches import Batch, amplitude_task, root_mean_square
from tools.pretraining.journal import Journal
from tools.pretraining.processes import Processes
from tools.pretraining.shards import ShardIndex
from tools.pretraining.starts import EMBEDDING_STD, start
from tools.pretraining.states import STATE, read_state, write_state

__all__ = ["Source", "TrainSettings", "Trainable", "Training", "train"]

AnyT = TypeVar("AnyT")
BatchT = TypeVar("BatchT", contravariant=True)
DrawnT = TypeVar("DrawnT", covariant=True)

PCT_START, DIV_FACTOR, FINAL_DIV_FACTOR = 0.2, 2.0, 8.0


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """Settings of a training; a resumed one must have the same.

    Parameters
    ----------
    size : str
        Of the encoder.
    steps, batch : int
        Optimiser steps in all; windows of a step over all processes. 216 were published.
    window_s : float
        Length of a window, a multiple of 0.25 s.
    rate : float
        Highest learning rate.
    weight_decay : float
    momentum : float
        EMA momentum at the first step.
    amplitude : float
        Weight of our amplitude term; 0 as published.
    init : {'wide', 'published'}
        How weights start; see `tools.pretraining.starts`.
    bf16 : bool
        Whether the networks compute in bfloat16; weights and losses stay float32.
    seed : int
    exclude : tuple of str
        Patterns of recordings that are not trained on.

    Raises
    ------
    ConfigError
        When a value cannot be used.
    """

    size: str = "nano"
    steps: int = 1000
    batch: int = 64
    window_s: float = 4.0
    rate: float = 5e-4
    weight_decay: float = 1e-6
    momentum: float = 0.996
    amplitude: float = 0.0
    init: str = "wide"
    bf16: bool = False
    seed: int = 0
    exclude: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        find_size(self.size)
        if self.init not in EMBEDDING_STD:
            raise ConfigError(
                f"TrainSettings: got init {self.init!r}, need one of {', '.join(EMBEDDING_STD)}"
            )
        if self.steps < 2 or not (0 < self.rate < 1 and 0 <= self.momentum < 1) or self.seed < 0:
            raise ConfigError(
                f"TrainSettings: got {self}, need 2 steps or more, a rate and a momentum between 0 and 1, and a "
                "seed of 0 or more"
            )

    @property
    def n_samples(self) -> int:
        """Samples of a window, rounded to whole patches."""
        return round(self.window_s * RATE_HZ / PATCH_SAMPLES) * PATCH_SAMPLES


class Training:
    """Networks, optimiser and schedule of a training.

    Parameters
    ----------
    settings : TrainSettings
    index : ShardIndex
        Gives the signal's size, and the statistics of the amplitude term.
    processes : Processes
    make_encoder : callable
        Makes a fresh encoder from its size and the standard deviation of its embedding.

    Attributes
    ----------
    model : Pretraining
    ema : EmaEncoder
    optimizer : torch.optim.AdamW
        Every trainable tensor in its one group, the projection head's too.
    schedule : OneCycleLR
    n_done : int
        Steps done.
    """

    def __init__(
        self,
        settings: TrainSettings,
        index: ShardIndex,
        processes: Processes,
        make_encoder: Callable[[str, float], DareEncoder] = DareEncoder,
    ) -> None:
        self.settings, self._processes = settings, processes
        torch.manual_seed(settings.seed)
        std = EMBEDDING_STD[settings.init]
        encoder = make_encoder(settings.size, std)
        self.model = Pretraining(encoder, amplitude_task(index, settings.amplitude), std)
        start(self.model, settings.init, root_mean_square(index))
        self.model.to(processes.device)
        self.ema = EmaEncoder(self.model.encoder)
        self._network: nn.Module = self.model
        if processes.count > 1:
            self._network = DistributedDataParallel(self.model)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=settings.rate, weight_decay=settings.weight_decay
        )
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer,
            settings.rate,
            total_steps=settings.steps,
            pct_start=PCT_START,
            div_factor=DIV_FACTOR,
            final_div_factor=FINAL_DIV_FACTOR,
        )
        self.n_done = 0
        self._identity: dict[str, Any] = {
            **asdict(settings),
            "exclude": list(settings.exclude),
            "shards": index.sha256,
        }

    @property
    def rate(self) -> float:
        """Learning rate of the next step."""
        return float(self.schedule.get_last_lr()[0])

    def step(self, batch: Batch) -> Tensor:
        """Do one step on this process's part of a batch.

        Returns
        -------
        Tensor, shape (len(Losses._fields),)
            Losses of the whole batch, in their order.
        """
        device = self._processes.device
        x, ids = batch.x.to(device, non_blocking=True), batch.channel_ids.to(device)
        masks = batch.masks.to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=self.settings.bf16):
            anchor = self.ema(x, ids)
            losses: Losses = self._network(x, ids, masks, anchor, batch.n_targets)
        self.optimizer.zero_grad()
        losses.total.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        momentum = ema_momentum(self.n_done, self.settings.steps, self.settings.momentum)
        self.ema.follow(self.model.encoder, momentum)
        self.n_done += 1
        if self.n_done < self.settings.steps:
            self.schedule.step()
        return self._processes.mean(torch.stack(losses).detach())

    def save(self, path: Path) -> None:
        """Write the state."""
        header = {"n_done": self.n_done, "settings": self._identity}
        write_state(path, self._modules(), self.optimizer, self.schedule, header)

    def resume(self, path: Path) -> None:
        """Go on from a state; see `read_state` for what it refuses."""
        header = read_state(path, self._modules(), self.optimizer, self.schedule, self._identity)
        self.n_done = int(header["n_done"])

    def write(self, out: Path, channels: tuple[str, ...], unit: Any, notes: dict[str, str]) -> None:
        """Write the encoder, and its average, as checkpoints."""
        encoders = {"encoder": self.model.encoder, "encoder_ema": self.ema.encoder}
        for name, encoder in encoders.items():
            write_checkpoint(out / f"{name}.safetensors", encoder, channels, unit, notes=notes)

    def _modules(self) -> dict[str, nn.Module]:
        return {"model": self.model, "ema": self.ema}


class _Settings(Protocol):
    @property
    def steps(self) -> int:
        """Of the whole schedule."""
        ...


class Trainable(Protocol[BatchT]):
    """A training that `train` can run; see `Training` for what each member is."""

    @property
    def settings(self) -> _Settings:
        """Settings of the training."""
        ...

    @property
    def n_done(self) -> int:
        """Steps done."""
        ...

    @property
    def rate(self) -> float:
        """Learning rate of the next step."""
        ...

    def step(self, batch: BatchT) -> Tensor:
        """Do one step."""
        ...

    def save(self, path: Path) -> None:
        """Write the state."""
        ...

    def resume(self, path: Path) -> None:
        """Go on from a state."""
        ...

    def write(self, out: Path, channels: tuple[str, ...], unit: Any, notes: dict[str, str]) -> None:
        """Write what was trained."""
        ...


class Source(Protocol[DrawnT]):
    """What batches are drawn from; see `BatchSource`."""

    @property
    def channels(self) -> tuple[str, ...]:
        """Electrodes of all recordings drawn from."""
        ...

    def draw(self, i_step: int) -> DrawnT:
        """Draw the batch of a step."""
        ...


def train(
    training: Trainable[AnyT],
    source: Source[AnyT],
    out: Path,
    processes: Processes,
    *,
    journal: Journal,
    notes: dict[str, str],
    unit: Any,
    save_every: int = 200,
    until: int | None = None,
    after_step: Callable[[int], None] | None = None,
) -> None:
    """Train to the end, or to an earlier step of the same schedule, from the state in `out` where there is one, and write the encoders.

    Parameters
    ----------
    training : Trainable
    source : Source
        Of its batches.
    out : Path
        Folder of the state, and at the end of what the training writes.
    processes : Processes
    journal : Journal
        Told the losses.
    notes : dict of str to str
        Goes into the encoders' headers.
    unit : {'uV', 'mV', 'whitened'}
        Of the shards.
    save_every : int
        Steps between states.
    until : int, optional
        Step to end at; the same call with a later one goes on from there.
    after_step : callable, optional
        Called with the number of steps done.

    Raises
    ------
    SignalError
        When the loss is no longer finite; the last state stays.
    ConfigError
        When `until` is no step.
    """
    if until is not None and until < 1:
        raise ConfigError(f"train: got until {until}, need a step of 1 or more; leave --until out")
    if (out / STATE).exists():
        training.resume(out / STATE)
    last = min(training.settings.steps, until or training.settings.steps)
    with (
        _deterministic(),
        journal.open(training.n_done),
        contextlib.closing(_batches(training, source, last)) as batches,
    ):
        for batch in batches:
            losses = training.step(batch)
            is_last = training.n_done == last
            is_saved = is_last or training.n_done % save_every == 0
            journal.add(training.n_done, training.rate, losses, write=is_saved)
            if is_saved and not torch.isfinite(losses).all():
                raise SignalError(
                    f"train: losses are {losses.tolist()} at step {training.n_done}, need finite ones; "
                    "look at the shards, or lower --rate"
                )
            if is_saved and processes.is_first:
                training.save(out / STATE)
            if after_step is not None:
                after_step(training.n_done)
    if processes.is_first:
        notes = {**notes, "steps_done": str(training.n_done), **journal.summary()}
        training.write(out, source.channels, unit, notes)
    processes.wait()


def _batches(training: Trainable[AnyT], source: Source[AnyT], last: int) -> Generator[AnyT]:
    """Batches of the steps to come, the next one being read while a step is computed."""
    steps = range(training.n_done, last)
    with ThreadPoolExecutor(1, thread_name_prefix="pretrain-read") as pool:
        following = pool.submit(source.draw, steps.start) if steps else None
        for i_step in steps:
            assert following is not None
            batch = following.result()
            following = pool.submit(source.draw, i_step + 1) if i_step + 1 in steps else None
            yield batch


@contextlib.contextmanager
def _deterministic() -> Iterator[None]:
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
