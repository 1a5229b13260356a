"""Cues in a terminal: over ssh, without a browser; plain lines of text where there is no terminal."""

import sys
import threading
from collections.abc import Iterator
from typing import TextIO

from rich.align import Align
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from rtbci.calibrate.presenter import Feedback, Step
from rtbci.calibrate.schedule import Schedule, ScheduledTrial
from rtbci.calibrate.symbols import bitmap
from rtbci.calibrate.terminal_text import instruction_text, progress_text, symbol_text
from rtbci.clock import Clock, now, wait_on
from rtbci.system.keyboard import single_keys

__all__ = ["TerminalPresenter"]

POLL_S = 0.05
MAX_ROWS, LEAST_ROWS, MARGIN_ROWS = 17, 5, 8
START_KEYS = frozenset(" \r\n")
RESTING = ("pause", "break", "done")


class TerminalPresenter:
    """Draws cues in the middle of a terminal; a `Presenter`.

    Parameters
    ----------
    schedule : Schedule
        Its classes and cues are shown.
    console : Console, optional
        Where to draw. When it is no terminal each step of interest is a line, and `wait_for_start` does not wait.
    keys : file, optional
        Where the start key comes from; standard input by default. When it is no terminal nobody can press one.
    clock : callable
        Time in seconds of the local LSL clock.

    Notes
    -----
    An onset is the time at which the last byte was handed to the terminal. What terminal, network and display add is not
    known: for cues with a measured time use the page.
    """

    def __init__(
        self,
        schedule: Schedule,
        console: Console | None = None,
        keys: TextIO | None = None,
        clock: Clock = now,
    ) -> None:
        self._schedule, self._clock = schedule, clock
        self._console = console or Console()
        self._keys = keys if keys is not None else sys.stdin
        self._lock = threading.RLock()
        self._feedback: Feedback | None = None
        self._step: Step | None = None
        self._instruction: RenderableType | None = None
        self._prompt = ""
        self._notes: list[str] = []
        self._live: Live | None = None
        if self._console.is_terminal:
            live = Live(console=self._console, screen=True, auto_refresh=False)
            live.start()
            self._live = live

    def wait_for_start(self, stop: threading.Event) -> bool:
        """Wait for space or enter; see `Presenter.wait_for_start`."""
        waits = self._live is not None and self._keys.isatty()
        if self._step is None:
            with self._lock:
                self._instruction = instruction_text(self._schedule, waits)
                self._draw(self._instruction)
        elif waits:
            with self._lock:
                self._step = self._step if self._step in RESTING else "pause"
                self._prompt = "press space to go on"
                self._draw(Group(*self._resting()))
        if not waits:
            return not stop.is_set()
        with single_keys(self._keys) as read:
            while not stop.is_set():
                pressed = read(POLL_S)
                if pressed is None or START_KEYS & set(pressed):
                    return True
        return False

    def present(self, step: Step, trial: ScheduledTrial | None) -> float:
        """Draw a step; see `Presenter.present`."""
        with self._lock:  # `tell`, from another thread, must not draw over a cue
            self._step, self._prompt = step, ""
            if self._live is None:
                self._write_line(step, trial)
            elif step in RESTING:
                self._draw(Group(*self._resting()))
            else:
                cue = self._schedule.cues[trial.i_class] if trial is not None and step == "arrow" else None
                self._draw(self._symbol(cue.symbol if cue is not None else "cross"))
            t_lsl = self._clock()
        if step == "cross" and self._live is not None and self._schedule.protocol.timing.tone:
            self._console.bell()
        return t_lsl

    def wait_until(self, t_lsl: float, stop: threading.Event) -> bool:
        """Wait; see `Presenter.wait_until`."""
        return wait_on(t_lsl, stop, self._clock)

    def tell(self, feedback: Feedback) -> None:
        """Show how it goes; see `Presenter.tell`."""
        with self._lock:
            self._feedback = feedback
            if self._live is None:
                self._console.print(progress_text(feedback), highlight=False)
            elif self._step in RESTING:
                self._draw(Group(*self._resting()))
            elif self._step is None and self._instruction is not None:
                self._draw(Group(self._instruction, Text(), progress_text(feedback)))

    def say(self, line: str) -> None:
        """Print a line, when it can be seen: cues have the terminal for themselves until `close`."""
        with self._lock:
            if self._live is None:
                self._console.print(line, highlight=False, markup=False)
            else:
                self._notes.append(line)

    def measured(self) -> dict[str, float]:
        """Return nothing: a terminal does not say when it has drawn."""
        return {}

    def close(self) -> None:
        """Give the terminal back; may be called more than once."""
        with self._lock:
            if self._live is not None:
                self._live.stop()
                self._live = None
            notes, self._notes = self._notes, []
        for line in notes:
            self._console.print(line, highlight=False, markup=False)

    def _draw(self, content: RenderableType) -> None:
        if self._live is None:
            self._console.print(content, highlight=False)
            return
        height = self._console.height
        self._live.update(Align.center(content, vertical="middle", height=height), refresh=True)

    def _write_line(self, step: Step, trial: ScheduledTrial | None) -> None:
        if step == "arrow" and trial is not None:
            text = self._schedule.cues[trial.i_class].text
            self._console.print(f"trial {trial.i_trial + 1}: {text}", highlight=False, markup=False)
        elif step in ("break", "done"):
            self._console.print(step)

    def _symbol(self, name: str) -> RenderableType:
        n_rows = min(MAX_ROWS, max(LEAST_ROWS, self._console.height - MARGIN_ROWS)) | 1
        unicode = not self._console.options.ascii_only
        return symbol_text(bitmap(name, 2 * n_rows), unicode)

    def _resting(self) -> Iterator[RenderableType]:
        titles = {"break": "Break: rest, move, blink", "done": "Done. Thank you."}
        if title := titles.get(self._step or ""):
            yield Text(title + "\n", style="bold", justify="center")
        if self._feedback is not None:
            yield progress_text(self._feedback)
        if self._prompt:
            yield Text(f"\n{self._prompt}", style="bold", justify="center")
