"""One quiet line in the terminal for `rtbci run`: a sink that draws itself."""

from collections.abc import Callable

from rich.console import Console
from rich.text import Text

from rtbci.clock import Clock, now
from rtbci.commands.event_words import OF_STREAM, SAID, said_of
from rtbci.commands.screen import Screen
from rtbci.publish.messages import Event, Message, Prediction, Status

__all__ = ["StatusLine", "StreamWords"]

REDRAW_S = 0.25
STYLES = {
    "waiting": "yellow",
    "warming_up": "yellow",
    "running": "green",
    "stale": "bold red",
    "lost": "bold red",
    "recovering": "yellow",
    "stopped": "dim",
}
LOST = {
    "gap": "the stream has a gap there",
    "too_late": "it came too late; is its stamp of LSL's clock?",
    "before_start": "it is from before the first sample; is its stamp of LSL's clock?",
    "in_future": "it is more than 60 s ahead of the samples; is its stamp of LSL's clock?",
    "no_time": "its stamp is not a number",
}


N_LATE, LATE_S = 10, 2.5
"""So often in a row skipped windows are told, each within so many seconds of the one before, before it is no hiccup."""
N_SLOW = 5
"""So many slow windows one after the other are no hiccup of the computer."""


class StatusLine:
    """State, rate, age, latency and decision on the last line; what happens stands above it.

    Without a terminal, only what happens is written. A `Sink`: all calls from the decoder's thread.

    Parameters
    ----------
    console : Console
        Where to write.
    clock : callable
        Time in seconds.
    hop_s : float
        How often a window is due; a decoder that takes longer, again and again, is told once. 0: never.
    """

    def __init__(self, console: Console, clock: Clock = now, hop_s: float = 0.0) -> None:
        self._console, self._clock = console, clock
        self._hop_ms, self._n_slow = 1e3 * hop_s, 0
        self._n_late, self._t_late = 0, -float("inf")
        self._prediction: Prediction | None = None
        self._status: Status | None = None
        self._state = ""
        self._decision: tuple[str, float] | None = None
        self._is_recording = True
        self._lost: set[str] = set()
        self._left: set[tuple[str, str]] = set()  # marker streams that are told not to be read, and why
        self._poor: frozenset[str] = frozenset()  # told to be bad, while nothing is decided for it
        self._screen = Screen(console, self._line, REDRAW_S, clock)

    def send(self, message: Message) -> None:
        """Take a message; see `Sink.send`."""
        if isinstance(message, Prediction):
            self._prediction = message
            self._say_poor(message)
            self._say_slow(message)
        elif isinstance(message, Status):
            self._status = message
            if message.state != self._state and not self._screen.is_live:
                self._console.print(f"state: {message.state}", highlight=False)
            self._state = message.state
        elif isinstance(message, Event):
            self._say(message)

    def poll(self) -> bool:
        """Redraw a few times a second; nobody here needs a hello."""
        self._screen.draw()
        return False

    def close(self) -> None:
        """Leave the line as it is and give the terminal back."""
        self._screen.close()

    def _say_poor(self, prediction: Prediction) -> None:
        """Name the electrodes that nothing is decided for; on a terminal the last line has them."""
        bad = frozenset(prediction.quality.bad_channels if prediction.why == "poor_signal" else ())
        if self._screen.is_live or (bad <= self._poor and bool(bad) == bool(self._poor)):
            return
        if not bad and prediction.probs is None and self._poor <= set(prediction.quality.bad_channels):
            return  # nothing is decided for another reason, a plug-in that fails: they are as bad as before
        said = "electrodes give a signal again"
        if bad:
            names = ", ".join(prediction.quality.bad_channels)
            said = f"warning: nothing is decided, these electrodes give no EEG: {names}; check their contact and the reference"
        self._poor = bad
        self._console.print(said, markup=False, highlight=False)

    def _say_slow(self, prediction: Prediction) -> None:
        """Say once that decoding takes longer than a hop: windows that are late are then skipped."""
        spent = prediction.trace_ms
        took_ms = spent.filter + spent.encode + spent.probe
        self._n_slow = self._n_slow + 1 if took_ms > self._hop_ms else 0
        if not self._hop_ms or self._n_slow < N_SLOW:
            return
        said = (
            f"warning: decoding a window takes {took_ms:.0f} ms and one is due every {self._hop_ms:g} ms: windows in between are "
            "skipped, the recording has all samples; use a faster engine or model, or a longer hop_s in the recipe (said once)"
        )
        self._hop_ms = 0.0
        self._console.print(said, markup=False, highlight=False)

    def _say_late(self, t_lsl: float) -> None:
        """Say once that windows are skipped all the time, by a decoder that is fast enough."""
        self._n_late = self._n_late + 1 if t_lsl - self._t_late < LATE_S else 1
        self._t_late = t_lsl
        if self._n_late != N_LATE or not self._hop_ms or self._n_slow:
            return
        said = (
            "warning: samples come late, or in pieces longer than max_backlog_s in [watch], all the time: of windows that come "
            "together only the newest is decoded; have the amplifier's program send smaller pieces, or raise it (said once)"
        )
        self._console.print(said, markup=False, highlight=False)

    def _say(self, event: Event) -> None:
        if event.kind == "decision":
            self._decision = (event.value, event.t_lsl)
        if event.kind == "markers_left" and self._is_told(event):
            return
        if event.kind == "windows_skipped":
            self._say_late(event.t_lsl)
        if event.kind in SAID:
            # Names come from the network: brackets in them are no markup.
            said = said_of(event.kind, event.value, event.data)
            self._console.print(said, markup=False, highlight=False)
        if event.kind in ("recording_failed", "recording_resumed"):
            self._is_recording = event.kind == "recording_resumed"
        if event.kind == "stream_found":
            self._warn_missing(event)
        if event.kind == "window_lost" and (why := str(event.data.get("reason"))) not in self._lost:
            self._lost.add(why)  # for each flash it would be a flood
            said = f"warning: no window for the marker {event.value}: {LOST.get(why, why)} (said once for each reason)"
            self._console.print(said, markup=False, highlight=False)

    def _is_told(self, event: Event) -> bool:
        """Whether a marker stream was told before, as after each loss of the stream of EEG all of them come again."""
        said = f"{event.value} {event.data.get('source_id')}", str(event.data.get("reason"))
        is_told = said in self._left
        self._left.add(said)
        return is_told

    def _warn_missing(self, event: Event) -> None:
        """Say which electrodes are not the stream's own, or are others than the decoder reads."""
        stand_ins = [pair for pair in str(event.data.get("stand_ins") or "").split(",") if pair]
        for wanted, _, name in (pair.partition("=") for pair in stand_ins):
            self._console.print(f"note: {name} stands for {wanted}", markup=False, highlight=False)
        interpolated, inferred = (
            [label for label in str(event.data.get(key) or "").split(",") if label]
            for key in ("interpolated", "inferred")
        )
        n_found = event.data.get("n_found")
        if not isinstance(n_found, int) or not (interpolated or inferred):
            return
        missing = interpolated or inferred
        became = "interpolated" if interpolated else "inferred from the population's covariance"
        self._console.print(
            f"warning: {n_found} of {n_found + len(missing)} electrodes found, {len(missing)} {became}: "
            f"{', '.join(missing)}",
            markup=False,
            highlight=False,
        )

    def _line(self) -> Text:
        line = Text(no_wrap=True, overflow="ellipsis")
        status, prediction = self._status, self._prediction
        if status is None:
            return line
        line.append(f"{status.state:<10}", STYLES.get(status.state, ""))
        if status.paused:
            line.append(" paused", "yellow")
        if not self._is_recording:
            line.append(" NOT RECORDING", "bold red")
        if status.rate_hz is not None:
            line.append(f" {status.rate_hz.measured or status.rate_hz.nominal:.1f} Hz")
            if status.rate_hz.ppm is not None:
                line.append(f" {status.rate_hz.ppm:+.0f} ppm", "dim")
        if status.bad_channels:
            line.append(f"  bad: {', '.join(status.bad_channels)}", "yellow")
        if status.clock_offset_s is not None:
            line.append("  foreign clock", "yellow")
        elif prediction is not None and status.state != "lost":
            line.append(f"  age {prediction.age_ms:.0f} ms")
        if status.latency_ms is not None:
            line.append(f" (p50 {status.latency_ms.p50:.0f}, p99 {status.latency_ms.p99:.0f})")
        if prediction is not None and prediction.probs is not None and prediction.label is not None:
            line.append(f"  {prediction.label} {max(prediction.probs):.2f}")
        if self._decision is not None:
            line.append(
                f"  decided {self._decision[0]} {self._clock() - self._decision[1]:.0f} s ago", "bold"
            )
        line.append(f"  {status.n_predictions} sent, {status.cpu_percent:.0f} % CPU", "dim")
        return line


class StreamWords:
    """Says that the stream is lost or back, for commands that tell nothing else of their run; a `Sink`."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    def send(self, message: Message) -> None:
        """Take a message; see `Sink.send`."""
        if isinstance(message, Event) and message.kind in OF_STREAM:
            self._say(said_of(message.kind, message.value, message.data))

    def poll(self) -> bool:
        """There is no newcomer to greet."""
        return False

    def close(self) -> None:
        """There is nothing to close."""
