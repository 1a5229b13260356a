"""What a training tells: a progress bar with the time left, a CSV file, TensorBoard."""

import csv
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from torch import Tensor

from rtbci.encoder.pretraining import Losses
from rtbci.errors import MissingPackageError
from rtbci.installing import pip_extra

__all__ = ["LOSSES_CSV", "Journal"]

LOSSES_CSV = "losses.csv"
SHOWN = ("reconstruction", "anchor", "contrast", "amplitude")


class Journal:
    """Keeps the losses of a training, as means over some steps each.

    Parameters
    ----------
    out : Path
        Folder of ``losses.csv`` and ``tensorboard/``.
    n_steps : int
        Of the whole training.
    every : int
        Steps between rows; there is one at each saved state too, so that a resumed training writes the same.
    is_first : bool
        Whether this process writes; the others only count.
    console : Console
        Where the bar is drawn, or lines are printed where it is no terminal.
    fields, shown : sequence of str
        Names of the losses in their order, and which of them are shown to people.
    """

    def __init__(
        self,
        out: Path,
        n_steps: int,
        every: int,
        is_first: bool,
        console: Console,
        fields: Sequence[str] = Losses._fields,
        shown: Sequence[str] = SHOWN,
    ) -> None:
        self._losses, self._shown, self._fields = tuple(fields), tuple(shown), ("step", "rate", *fields)
        self._out, self._n_steps, self._every, self._is_first = out, n_steps, every, is_first
        self._console = console
        self._waiting: list[Tensor] = []
        self._last: dict[str, float] = {}
        self._writer: Any = None
        self._file: Any = None
        self._progress: Progress | None = None
        self._t_start, self._n_start = 0.0, 0

    @contextmanager
    def open(self, n_done: int) -> Iterator[None]:
        """Start, after `n_done` steps that were done before; later rows of the file are forgotten."""
        self._t_start, self._n_start = time.monotonic(), n_done
        with ExitStack() as stack:
            if self._is_first:
                self._open_files(stack, n_done)
            yield

    def add(self, n_done: int, rate: float, losses: Tensor, write: bool = False) -> None:
        """Take the losses of a step; see `Training.step`."""
        self._waiting.append(losses)
        if self._progress is not None:
            self._progress.update(self._progress.task_ids[0], completed=n_done)
        if write or n_done % self._every == 0:
            self._row(n_done, rate)

    def summary(self) -> dict[str, str]:
        """The last row, for people."""
        return {
            "losses": ", ".join(f"{name} {value:.4f}" for name, value in self._last.items() if name != "step")
        }

    def _open_files(self, stack: ExitStack, n_done: int) -> None:
        path = self._out / LOSSES_CSV
        _keep_rows(path, n_done, self._fields)
        self._file = stack.enter_context(path.open("a", newline="", encoding="utf-8"))
        self._writer = stack.enter_context(_tensorboard(self._out / "tensorboard", n_done))
        if self._console.is_terminal:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
            )
            self._progress = Progress(*columns, TimeRemainingColumn(), console=self._console)
            stack.enter_context(self._progress)
            self._progress.add_task("pretraining", total=self._n_steps, completed=n_done)

    def _row(self, n_done: int, rate: float) -> None:
        values = torch.stack(self._waiting).double().mean(dim=0).tolist()
        self._waiting.clear()
        row: dict[str, float] = {
            "step": n_done,
            "rate": rate,
            **dict(zip(self._losses, values, strict=True)),
        }
        self._last = row
        if not self._is_first:
            return
        csv.DictWriter(self._file, self._fields).writerow(row)
        self._file.flush()
        for name in self._fields[1:]:
            self._writer.add_scalar(name, row[name], n_done)
        self._tell(n_done, row)

    def _tell(self, n_done: int, row: dict[str, float]) -> None:
        text = ", ".join(f"{name} {row[name]:.3f}" for name in self._shown if row[name])
        if self._progress is not None:
            self._progress.update(self._progress.task_ids[0], description=text)
            return
        step_s = (time.monotonic() - self._t_start) / max(1, n_done - self._n_start)
        left_s = step_s * (self._n_steps - n_done)
        self._console.print(
            f"step {n_done}/{self._n_steps}: {text}; {1e3 * step_s:.0f} ms a step, {left_s:.0f} s left",
            soft_wrap=True,
        )


def _keep_rows(path: Path, n_done: int, fields: Sequence[str]) -> None:
    rows: list[dict[str, str]] = []
    if path.exists() and n_done:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if (row["step"] or "").isdigit()]
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fields)
        writer.writeheader()
        writer.writerows(row for row in rows if int(row["step"]) <= n_done)
    os.replace(partial, path)


@contextmanager
def _tensorboard(folder: Path, n_done: int) -> Iterator[Any]:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise MissingPackageError(
            f"Journal: tensorboard is not installed, need it for the log; {pip_extra('pretrain')}"
        ) from None
    writer = SummaryWriter(str(folder), purge_step=n_done + 1 if n_done else None)
    try:
        yield writer
    finally:
        writer.close()
