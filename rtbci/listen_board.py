"""The live table of `rtbci listen`: 80 columns, five times a second, fit for ssh."""

from collections import deque

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rtbci.client import Client
from rtbci.clock import Clock
from rtbci.publish.messages import Event, Message, Prediction, Status

__all__ = ["Board", "prediction_line"]

N_ROWS = 12
N_EVENTS = 3
N_OTHER_LINES = 13
"""Around the rows of predictions, at most."""
MAX_BARS = 4
SILENCE_S = 1.5
DECISION_WIDTH, WHY_WIDTH, TIME_WIDTH, AGE_WIDTH = 12, 15, 9, 7
BARS_WIDTH, VALUE_WIDTH = 32, 5
STATE_STYLES = {"running": "green", "stale": "yellow", "lost": "red", "stopped": "red"}


def prediction_line(prediction: Prediction) -> str:
    """Return a prediction as one line of text."""
    probs = " ".join(
        f"{label}={prob:.3f}" for label, prob in zip(prediction.classes, prediction.probs or (), strict=False)
    )
    outcome = prediction.decision or f"- ({prediction.reason})"
    if prediction.value is not None:
        probs += f" value={prediction.value:.3f}"
    return f"{prediction.t_window[1]:.3f} {outcome} {probs} age={prediction.age_ms:.1f}ms"


class Board:
    """Newest predictions, events and status on a terminal; a view of `rtbci.listen`.

    Parameters
    ----------
    client : Client
        Asked for its hello and for what was lost.
    console : Console
        The terminal.
    refresh_s : float
        Least time between two drawings [s].
    clock : Clock
        Time in seconds.
    """

    def __init__(self, client: Client, console: Console, *, refresh_s: float, clock: Clock) -> None:
        self._client = client
        self._refresh_s = refresh_s
        self._clock = clock
        self._predictions: deque[Prediction] = deque(maxlen=N_ROWS)
        self._events: deque[Event] = deque(maxlen=N_EVENTS)
        self._status: Status | None = None
        self._session: str | None = None
        self._t_heard: float | None = None
        self._t_drawn = -1e9
        self._console = console
        self._blocks = " #" if console.options.ascii_only else " ▏▎▍▌▋▊▉█"
        self._live = Live(console=console, auto_refresh=False, get_renderable=self.render)
        self._live.start(refresh=True)

    def show(self, message: Message | None) -> None:
        """Take a message and draw when it is time to."""
        t_now = self._clock()
        if message is not None:
            self._t_heard = t_now
            self._take(message)
        if t_now - self._t_drawn >= self._refresh_s:
            self._t_drawn = t_now
            self._live.refresh()

    def close(self) -> None:
        """Draw once more and give the cursor back."""
        self._live.refresh()
        self._live.stop()

    def render(self) -> Group:
        """Return everything that is on the screen."""
        if self._t_heard is None:
            return Group(Text(f"waiting for {self._client.address} (Ctrl-C ends)", style="yellow"))
        return Group(*self._head(), self._table(), *self._foot())

    def _take(self, message: Message) -> None:
        if message.session != self._session:
            self._session, self._status = message.session, None
            self._predictions.clear()
            self._events.clear()
        if isinstance(message, Prediction):
            self._predictions.append(message)
        elif isinstance(message, Event):
            self._events.append(message)
        elif isinstance(message, Status):
            self._status = message

    def _head(self) -> list[Text]:
        lines = [_line(("rtbci ", "bold"), (self._client.address, ""))]
        if (hello := self._client.hello) is not None:
            user, generation = hello.profile.user or "population", hello.profile.generation
            profile = f"{user} {generation}" if generation else user
            about = f"{hello.paradigm} · engine {hello.engine.name or 'none'} · profile {profile}"
            lines.append(_line((about, "")))
        if (status := self._status) is not None:
            lines += _status_lines(status)
            if status.recording is not None:
                lines.append(_recording_line(status.recording, self._console.width))
        silent_s = self._clock() - (self._t_heard or 0.0)
        if silent_s > SILENCE_S:
            lines.append(_line((f"nothing received for {silent_s:.0f} s", "bold red")))
        return lines

    def _table(self) -> Table:
        table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
        table.add_column("time s", width=TIME_WIDTH, justify="right", no_wrap=True)
        table.add_column("decision", width=DECISION_WIDTH, no_wrap=True)
        classes = self._predictions[-1].classes if self._predictions else ()
        headers = classes if len(classes) <= MAX_BARS else ("most probable",)
        hello = self._client.hello
        has_value = hello is not None and hello.value is not None
        room = BARS_WIDTH - (VALUE_WIDTH + 1) * has_value
        width = room // max(1, len(headers)) - 1
        for header in headers:
            table.add_column(f"{header} %", width=width, no_wrap=True)
        if has_value:
            table.add_column("value", width=VALUE_WIDTH, justify="right", no_wrap=True)
        table.add_column("why not", width=WHY_WIDTH, no_wrap=True)
        table.add_column("age ms", width=AGE_WIDTH, justify="right", no_wrap=True)
        n_rows = max(3, min(N_ROWS, self._console.height - N_OTHER_LINES))
        for prediction in list(self._predictions)[-n_rows:]:
            table.add_row(
                f"{prediction.t_window[1]:.2f}",
                Text(prediction.decision or "-", style="bold green" if prediction.decision else "dim"),
                *self._bars(prediction, width, len(headers)),
                *(["" if prediction.value is None else f"{prediction.value:.2f}"] * has_value),
                Text(prediction.reason, style="dim"),
                f"{prediction.age_ms:.1f}",
            )
        return table

    def _bars(self, prediction: Prediction, width: int, n_bars: int) -> list[Text]:
        """Return a bar for each class; the most probable alone when there are too many for the width."""
        if prediction.probs is None:
            return [Text("")] * n_bars
        pairs = list(zip(prediction.classes, prediction.probs, strict=True))
        if len(pairs) > MAX_BARS:
            label, prob = max(pairs, key=lambda pair: pair[1])
            name = label[: width // 2]
            return [Text(f"{name} ").append(self._bar(prob, width - len(name) - 1), style="cyan")]
        return [
            Text(self._bar(prob, width), style="green" if label == prediction.decision else "cyan")
            for label, prob in pairs
        ]

    def _bar(self, prob: float, width: int) -> str:
        n_steps = round(prob * (width - 4) * (len(self._blocks) - 1))  # " 100" takes four columns
        n_full, rest = divmod(n_steps, len(self._blocks) - 1)
        bar = self._blocks[-1] * n_full + self._blocks[rest].strip()
        return f"{bar:<{width - 4}}{100 * prob:4.0f}"

    def _foot(self) -> list[Text]:
        lines = []
        if self._predictions:
            newest = self._predictions[-1]
            trace = newest.trace_ms
            parts = (f"{name} {getattr(trace, name):.2f}" for name in trace.__struct_fields__)
            bad = ", ".join(newest.quality.bad_channels) or "none"
            lines.append(_line(("ms: " + "  ".join(parts), "dim")))
            lines.append(_line((f"quality {newest.quality.score:.2f}  bad channels: {bad}", "dim")))
        lines += [
            _line((f"{event.t_lsl:.2f} {event.kind} {event.value}", "magenta")) for event in self._events
        ]
        n_lost = sum(self._client.n_lost.values())
        style = "red" if n_lost or self._client.n_malformed else "dim"
        lines.append(_line((f"lost {n_lost}  malformed {self._client.n_malformed}", style)))
        return lines


def _line(*parts: tuple[str, str]) -> Text:
    return Text.assemble(*parts, no_wrap=True, overflow="ellipsis")


def _status_lines(status: Status) -> list[Text]:
    state = "paused" if status.paused else status.state
    stream = status.stream.name if status.stream else "no stream"
    if status.rate_hz is not None:
        measured = "?" if status.rate_hz.measured is None else f"{status.rate_hz.measured:.1f}"
        stream += f"  {measured} of {status.rate_hz.nominal:g} Hz"
        stream += "" if status.rate_hz.ppm is None else f" ({status.rate_hz.ppm:+.0f} ppm)"
    parts = [f"cpu {status.cpu_percent:.0f} %"]
    if status.latency_ms is not None:
        parts.append(f"age p50 {status.latency_ms.p50:.1f} p99 {status.latency_ms.p99:.1f} ms")
    parts.append(f"gaps {status.n_gaps}  skipped {status.n_skipped}  overflow {status.n_overflow}")
    return [
        _line((state, STATE_STYLES.get(state, "yellow")), (f"  {stream}", "")),
        _line(("  ".join(parts), "dim")),
    ]


def _recording_line(folder: str, width: int) -> Text:
    """Where it is recorded, as much of the end as fits: that is the session."""
    if not folder:
        return _line(("not recorded", "yellow"))
    before = "recorded in "
    room = max(1, width - len(before))
    return _line((before + (folder if len(folder) <= room else f"…{folder[1 - room :]}"), "dim"))
