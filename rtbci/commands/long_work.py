"""How far something is that may take minutes: a bar in a terminal, a line every so often elsewhere."""

import threading
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from rtbci.clock import Clock, now

__all__ = ["LongWork"]

FIRST_S = 2.0
"""What is done within this needs no line."""
EVERY_S = 10.0
WIDTH = 40


class LongWork:
    """Shows what is being done and how much of it is done; a context manager, and a callable that is told.

    Also a `rtbci.backends.tensorrt_progress.Progress`.

    Parameters
    ----------
    console : Console
        In a terminal a bar is drawn on it and taken away at the end, else a line is written after 2 s and every 10 s.
    clock : callable
        Time in seconds.

    Notes
    -----
    May be called from any thread.
    """

    def __init__(self, console: Console, clock: Clock = now) -> None:
        self._console, self._clock = console, clock
        columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %")
        self._bar = Progress(*columns, TimeElapsedColumn(), console=console, transient=True)
        self._task: TaskID | None = None
        self._lock = threading.Lock()
        self._t_next = clock() + FIRST_S

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        if self._console.is_terminal:
            self._bar.stop()

    def __call__(self, what: str, share: float) -> None:
        """Show what is being done, and a share from 0 to 1."""
        with self._lock:
            if self._console.is_terminal:
                if self._task is None:
                    self._task = self._bar.add_task(what, total=1.0)
                self._bar.update(self._task, completed=share, description=what[:WIDTH])
            elif (t_now := self._clock()) >= self._t_next:
                self._t_next = t_now + EVERY_S
                self._console.print(f"{what}: {100 * share:.0f} %", markup=False, highlight=False)
