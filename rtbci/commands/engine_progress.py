"""How far a build is: a bar in a terminal, a line now and then elsewhere."""

import threading
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

__all__ = ["BuildProgress"]

LINE_EVERY = 0.25


class BuildProgress:
    """Shows what a builder tells; a context manager, and a `rtbci.backends.tensorrt_progress.Progress`.

    Parameters
    ----------
    console : Console
        In a terminal a bar is drawn on it, else a line is written for each quarter.

    Notes
    -----
    May be called from any thread.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lock = threading.Lock()
        self._n_lines = 0
        columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %")
        self._bar = Progress(*columns, TimeElapsedColumn(), console=console, transient=True)
        self._task = self._bar.add_task("building", total=1.0)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        if self._console.is_terminal:
            self._bar.stop()

    def __call__(self, what: str, share: float) -> None:
        """Show a share from 0 to 1."""
        if self._console.is_terminal:
            self._bar.update(self._task, completed=share, description=what[:40])
            return
        with self._lock:
            n_lines = int(share / LINE_EVERY)
            if n_lines > self._n_lines:
                self._n_lines = n_lines
                self._console.print(f"building: {100 * share:.0f} %", markup=False, highlight=False)
