"""`rtbci demo` of a paradigm that stages sleep: a simulated night, decoded in a minute or so."""

import threading
from contextlib import ExitStack

import numpy as np
from rich.console import Console, Group
from rich.text import Text

from rtbci.amp.night import Course, draw_night
from rtbci.amp.sleeper import SleepingAmp
from rtbci.clock import now
from rtbci.commands.night_verbs import show
from rtbci.commands.options import teller_of
from rtbci.commands.screen import Screen
from rtbci.commands.stopping import stop_on_signals
from rtbci.config import RunConfig
from rtbci.night.drawn import text_hypnogram
from rtbci.night.hypnogram import Hypnogram
from rtbci.night.session import hypnogram_of, marked_stages
from rtbci.night.simulated import NightSource
from rtbci.publish.messages import Event, Message, Prediction
from rtbci.recipes import ParadigmRecipe
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.live import LiveRun
from rtbci.stream.simulated_time import SimulatedClock, SimulatedStop, SteppedAcquisition
from rtbci.stream.source import Marker

__all__ = ["demo_night"]

REDRAW_S = 0.5


class _Board:
    """Keeps predictions and markers, shows the night so far, and ends it when its time on the clock is over; a `Sink`."""

    def __init__(self, console: Console, course: Course, seconds: float, stop: threading.Event) -> None:
        self.predictions: list[Prediction] = []
        self.markers: list[Marker] = []
        self._course, self._stop = course, stop
        self._t_end = now() + seconds
        self._screen = Screen(console, self.render, REDRAW_S, now)

    def send(self, message: Message) -> None:
        if isinstance(message, Prediction):
            self.predictions.append(message)
        elif isinstance(message, Event) and message.kind == "marker" and message.value is not None:
            self.markers.append(Marker(message.t_lsl, str(message.value)))
        if now() > self._t_end:
            self._stop.set()

    def poll(self) -> bool:
        self._screen.draw()
        return False

    def close(self) -> None:
        self._screen.close()

    def hypnogram(self) -> Hypnogram | None:
        return hypnogram_of(self.predictions)

    def render(self) -> Group:
        found = self.hypnogram()
        hours = self._course.duration_s / 3600.0
        shown = 0.0 if found is None else len(found.stages) / 120.0
        newest = next((one for one in reversed(self.predictions) if one.probs), None)
        lines = ["filling the first window ..."] if found is None else text_hypnogram(found)
        head = Text(f"rtbci demo  simulated night, {shown:.1f} of {hours:.1f} h", "bold")
        bars = [] if newest is None else [self._bars(newest)]
        return Group(head, *(Text(line, "blue") for line in lines), *bars)

    def _bars(self, newest: Prediction) -> Text:
        said = "  ".join(
            f"{name} {prob:.2f}" for name, prob in zip(newest.classes, newest.probs or (), strict=True)
        )
        truth = self.markers[-1].value if self.markers else "?"
        return Text(f"says {newest.label:<4} ({said}), is {truth}", "dim")


def demo_night(
    config: RunConfig, recipe: ParadigmRecipe, console: Console, *, seconds: float, seed: int
) -> None:
    """Decode a simulated night in simulated time, for `seconds` on the wall at most, and say what was found.

    Nothing is published and nothing recorded: nobody could follow.
    """
    tell = teller_of(console)
    if config.monitor.enabled:
        tell(
            "no live page: a simulated night goes by in about a minute; for a page in real time: "
            f"rtbci amp --paradigm {recipe.option}  |  rtbci run --paradigm {recipe.option} --monitor"
        )
    course = draw_night(np.random.default_rng(seed))
    clock = SimulatedClock()
    with ExitStack() as stack:
        stop = stack.enter_context(stop_on_signals())
        decoder = stack.enter_context(Decoder(recipe, profile=config.profile or None, clock=now))
        amp = SleepingAmp(course, recipe.input.channels, seed=seed)
        board = _Board(console, course, seconds, stop)
        stack.callback(board.close)
        tell(
            f"a simulated night of {course.duration_s / 3600:.1f} h on {' and '.join(recipe.input.channels)}, as fast as it can be "
            f"decoded, for {seconds:.0f} s at most ..."
        )
        settings = config.model_copy(update={"duration_s": course.duration_s})
        run = LiveRun(
            settings,
            decoder,
            lambda _lost: NightSource(amp, clock, stop),
            [board],
            None,
            clock,
            acquire=SteppedAcquisition,
        )
        run.run(SimulatedStop(clock, stop))
    console.rule("report")
    found = board.hypnogram()
    if found is None:
        tell("no window was full: run longer, --seconds 60")
        return
    scored = marked_stages(board.markers, found)
    if scored is not None:
        tell("simulated stages")
        for line in text_hypnogram(scored):
            tell(line)
        tell("decoded stages")
    show(found, scored, console)
    if len(found.stages) < len(course.stages) - 2:
        tell(f"cut short after {len(found.stages) / 120:.1f} h of the night; --seconds gives it more time")
    tell("A simulated sleeper: this shows the decoder at work, not how well it stages anybody's sleep.")
    tell(
        f"next: rtbci amp --paradigm {recipe.option}  |  rtbci run --paradigm {recipe.option}  |  rtbci night hypnogram last"
    )
