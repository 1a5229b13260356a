"""The processes of a training: one by default, as many as `torchrun` starts otherwise."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from rtbci.errors import ConfigError

__all__ = ["Processes", "open_processes"]


@dataclass(frozen=True, slots=True)
class Processes:
    """Which process is run here, among all of them.

    Parameters
    ----------
    rank, count : int
        Number of this process, from 0, and how many there are, over all hosts.
    device : torch.device
        What this process computes on.
    """

    rank: int
    count: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes."""
        return self.rank == 0

    def mean(self, values: Tensor) -> Tensor:
        """Mean over all processes."""
        if self.count > 1:
            values = values.clone()
            dist.all_reduce(values)
            values /= self.count
        return values

    def wait(self) -> None:
        """Wait for all others."""
        if self.count > 1:
            dist.barrier()


@contextmanager
def open_processes(device: str = "auto") -> Iterator[Processes]:
    """Join the processes that `torchrun` started, or be the only one.

    Parameters
    ----------
    device : str
        ``"auto"`` takes a GPU where there is one; ``"cpu"`` and ``"cuda"`` force it.

    Raises
    ------
    ConfigError
        When a GPU is asked for and there is none.
    """
    local_rank, count = int(os.environ.get("LOCAL_RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    if device not in ("auto", "cpu", "cuda"):
        raise ConfigError(f"open_processes: got device {device!r}, need auto, cpu or cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("open_processes: got device 'cuda', but torch finds no GPU; use --device cpu")
    on_gpu = device != "cpu" and torch.cuda.is_available()
    where = torch.device("cuda", local_rank) if on_gpu else torch.device("cpu")
    if on_gpu:
        torch.cuda.set_device(where)
    if count == 1:
        yield Processes(0, 1, where)
        return
    dist.init_process_group("nccl" if on_gpu else "gloo")
    try:
        yield Processes(dist.get_rank(), count, where)
    finally:
        dist.destroy_process_group()
