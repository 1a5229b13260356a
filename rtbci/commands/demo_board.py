"""What `rtbci demo` shows: signal, probabilities and decisions against the true cue."""

from collections import deque
from collections.abc import Sequence

import numpy as np
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from rtbci.clock import Clock, now
from rtbci.commands.screen import Screen
from rtbci.listing import counted
from rtbci.publish.messages import Event, Latency, Message, Prediction, Status
from rtbci.runtime.score import SETTLED_S, Score
from rtbci.runtime.telemetry import Report
from rtbci.stream.source import FloatArray

__all__ = ["DemoBoard", "Trace", "say_run"]

Trace = deque[FloatArray]
REDRAW_S = 0.2
N_EVENTS = 6
WIDTH = 60
FULL_SCALE_UV = 40.0
BLOCKS = "▁▂▃▄▅▆▇█"
ROWS = ("C3", "CZ", "C4")


class DemoBoard:
    """A live view; a `Sink` that draws itself five times a second.

    Parameters
    ----------
    console : Console
        Without a terminal, decisions and states are written as lines.
    trace : deque of ndarray
        Newest samples of `rows` in microvolts.
    score : Score
        Knows the cue.
    seconds : float
        How long the demo lasts.
    address : str
        Where it publishes.
    rows : sequence of str
        Electrodes of the trace.
    """

    def __init__(
        self,
        console: Console,
        trace: Trace,
        score: Score,
        seconds: float,
        address: str,
        clock: Clock = now,
        rows: Sequence[str] = ROWS,
    ) -> None:
        self._console, self._trace, self._score = console, trace, score
        self._seconds, self._address, self._clock = seconds, address, clock
        self._rows = tuple(rows)
        self._prediction: Prediction | None = None
        self._status: Status | None = None
        self._events: deque[Text] = deque(maxlen=N_EVENTS)
        self._cue, self._t_cue = "rest", clock()
        self._t_start = clock()
        self._state = ""
        self._screen = Screen(console, self.render, REDRAW_S, clock)

    @property
    def latency(self) -> Latency | None:
        """Percentiles of the age, from the newest status."""
        return self._status.latency_ms if self._status else None

    def send(self, message: Message) -> None:
        """Take a message; see `Sink.send`."""
        if isinstance(message, Prediction):
            self._prediction = message
        elif isinstance(message, Status):
            self._status = message
            if not self._screen.is_live and message.state != self._state:
                self._console.print(f"state: {message.state}", highlight=False)
            self._state = message.state
        elif isinstance(message, Event):
            self._note(message)

    def poll(self) -> bool:
        """Redraw when it is time."""
        self._screen.draw()
        return False

    def close(self) -> None:
        """Give the terminal back."""
        self._screen.close()

    def render(self) -> Group:
        """Everything that is on the screen now."""
        return Group(self._head(), self._signal(), self._bars(), *self._events)

    def _note(self, event: Event) -> None:
        t_s = event.t_lsl - self._t_start
        if event.kind == "marker":
            self._cue, self._t_cue = event.value, event.t_lsl
            line = Text(f"{t_s:6.1f} s  cue       {event.value}", "cyan" if event.value != "rest" else "dim")
        elif event.kind == "decision":
            verdict = "right" if event.value == self._cue else "wrong"
            if self._cue == "rest":
                verdict = "no cue"
            elif event.t_lsl < self._t_cue + SETTLED_S:
                verdict = "window still before the cue"
            style = {"right": "bold green", "wrong": "bold red"}.get(verdict, "yellow")
            line = Text(f"{t_s:6.1f} s  decision  {event.value} ({verdict})", style)
        else:
            return
        self._events.append(line)
        if not self._screen.is_live:
            self._console.print(line, highlight=False)

    def _head(self) -> Text:
        t_s = self._clock() - self._t_start
        head = Text(f"rtbci demo  {t_s:.0f} of {self._seconds:.0f} s  ", "bold")
        head.append(f"{self._state:<10}", "green" if self._state == "running" else "yellow")
        if self.latency is not None:
            head.append(f" age p50 {self.latency.p50:.0f}, p99 {self.latency.p99:.0f} ms", "dim")
        head.append(f"  {self._address}", "dim")
        return head

    def _signal(self) -> Table:
        grid = Table.grid(padding=(0, 1))
        recent = np.array(list(self._trace)) if self._trace else np.zeros((1, len(self._rows)))
        recent = recent - recent.mean(axis=0)
        for label, signal in zip(self._rows, recent.T, strict=True):
            grid.add_row(Text(label, "bold"), Text(_spark(signal), "blue"))
        grid.add_row(Text(""), Text(f"{'-4 s':<{WIDTH - 8}}{'now':>8}", "dim"))
        return grid

    def _bars(self) -> Table:
        grid = Table.grid(padding=(0, 1))
        grid.add_row(Text("asked", "bold"), Text(self._cue, "cyan" if self._cue != "rest" else "dim"))
        prediction = self._prediction
        if prediction is None or prediction.probs is None:
            grid.add_row(Text("says", "bold"), Text(_waits_for(self._status), "dim"))
            return grid
        for name, prob in zip(prediction.classes, prediction.probs, strict=True):
            n = round(40 * prob)
            grid.add_row(Text(name), Text("█" * n + "·" * (40 - n) + f" {prob:.2f}"))
        if (value := prediction.value) is not None:
            n = round(40 * value)
            grid.add_row(Text("value", "bold"), Text("█" * n + "·" * (40 - n) + f" {value:.2f}"))
        outcome = prediction.decision or f"none ({prediction.reason})"
        grid.add_row(Text("decides", "bold"), Text(outcome, "bold" if prediction.decision else "dim"))
        return grid


def _waits_for(status: Status | None) -> str:
    usual = status.baseline if status else None
    if usual is not None and usual.learnt_s < usual.length_s:
        return f"learning what is usual: {usual.learnt_s:.0f} of {usual.length_s:.0f} s ..."
    return "filling the first window ..."


def _spark(signal: FloatArray) -> str:
    """One character for each of `WIDTH` moments: the value on a fixed scale."""
    moments: Sequence[FloatArray] = np.array_split(signal[-(len(signal) // WIDTH) * WIDTH :], WIDTH)
    values = np.array([moment[len(moment) // 2] if len(moment) else 0.0 for moment in moments])
    levels = np.clip((values / FULL_SCALE_UV + 1.0) / 2.0, 0.0, 1.0)
    return "".join(BLOCKS[int(level * (len(BLOCKS) - 1) + 0.5)] for level in levels)


def say_run(console: Console, report: Report, latency: Latency | None) -> None:
    """Two lines of the last page: the age of predictions, and how many there were."""
    if latency is not None:
        console.print(
            f"age          p50 {latency.p50:.1f} ms, p95 {latency.p95:.1f} ms, p99 {latency.p99:.1f} ms "
            "(newest sample of the window to message sent)",
            highlight=False,
        )
    console.print(
        f"predictions  {report.n_predictions} sent, {counted(report.n_gaps, 'gap')}, {report.n_skipped} skipped, "
        f"{counted(report.n_overflow, 'sample')} not decoded",
        highlight=False,
    )
