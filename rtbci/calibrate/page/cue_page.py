"""Cues on a web page; onsets are the times of the frames that showed them."""

import math
import secrets
import threading
from collections.abc import Callable

from rtbci.calibrate.page.messages import tell, welcome
from rtbci.calibrate.presenter import Feedback, Step
from rtbci.calibrate.schedule import Schedule, ScheduledTrial
from rtbci.clock import Clock, now, wait_on
from rtbci.errors import ConfigError
from rtbci.web.guarding import LOOPBACK, origin_of
from rtbci.web.listening import listen
from rtbci.web.page_link import PageLink
from rtbci.web.page_messages import encode
from rtbci.web.page_timing import PageTiming
from rtbci.web.server import PageServer
from rtbci.web.token_page import token_page

__all__ = ["CuePage"]

SHOW_S = 0.5
"""A step that is not on the screen by then does not count as seen."""
POLL_S = 0.05
TOKEN_BYTES = 16
IN_TRIAL = ("arrow", "imagery", "pause")


class CuePage:
    """Shows cues on a web page in any browser; a `Presenter`.

    Parameters
    ----------
    schedule : Schedule
        Its classes and cues are shown.
    title : str
        Of the page.
    host, port : str, int
        Where it is served; loopback only, unless `insecure`. Port 0 picks a free one.
    insecure : bool
        Whether an address that the network can reach is allowed: the token then travels unencrypted.
    say : callable, optional
        Called with a line for the person at the terminal, when the page has gone or is awaited.
    clock : callable
        Time in seconds of the local LSL clock.

    Raises
    ------
    ConfigError
        When the address cannot be used, or may be reached from the network without `insecure`.
    PortInUseError
        When another program has the port.

    Notes
    -----
    `present` returns NaN when the page went away, was hidden or was loaded again since the trial's cross, or did not
    answer within half a second. An onset is the begin of the frame that drew the step plus one frame, by the page's clock
    brought to the LSL clock; what the display itself adds can only be measured on the screen (``?patch=1`` shows a
    square for a photodiode).
    """

    def __init__(
        self,
        schedule: Schedule,
        title: str = "Calibration",
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        insecure: bool = False,
        say: Callable[[str], None] | None = None,
        clock: Clock = now,
    ) -> None:
        if host not in LOOPBACK and not insecure:
            raise ConfigError(
                f"cue page: {host} can be reached from the network, need an address of this machine; use 127.0.0.1, "
                "or say insecure when everybody on this network may see the cues"
            )
        self._schedule, self._title, self._clock = schedule, title, clock
        self._say = say or (lambda _line: None)
        self._timing = PageTiming()
        self._link = PageLink(self._timing, self._greeting, clock)
        self._feedback: Feedback | None = None
        self._prompt: str | None = None
        self._done = False
        self._i_page = -1
        token = secrets.token_urlsafe(TOKEN_BYTES)
        listening = listen(host, port, "cue page")
        self.url = f"{origin_of(host, listening.getsockname()[1])}/{token}/"
        app = token_page("rtbci.calibrate.page", token, self._link.serve, host in LOOPBACK)
        self._server = PageServer(app, listening, "cue page", "start the calibration again")

    def wait_for_start(self, stop: threading.Event) -> bool:
        """Wait for a page, and for space or enter on it; see `Presenter.wait_for_start`."""
        self._prompt = "go on" if self._i_page >= 0 else "begin"
        self._link.started.clear()
        if not self._link.is_connected:
            self._say(f"cue page: waiting for it; open {self.url}")
        self._server.call(self._link.send(self._ready()))
        while not self._link.started.wait(POLL_S):
            if stop.is_set():
                return False
        self._prompt = None
        self._i_page = self._link.generation
        return not stop.is_set()

    def present(self, step: Step, trial: ScheduledTrial | None) -> float:
        """Show a step, and return when it was seen; see `Presenter.present`."""
        if step == "cross":
            self._i_page = self._link.generation
        self._done = step == "done"
        i_class = trial.i_class if trial is not None else None
        shown = None
        if step not in IN_TRIAL or self._link.generation == self._i_page:
            shown = self._server.call(self._link.order(step, i_class, SHOW_S))
        t_onset = math.nan if shown is None else self._timing.onset(shown[0], shown[1].frame_ms)
        if math.isnan(t_onset) and step != "done":
            self._timing.add_unseen()
            self._say(f"cue page: {self._why()}, the {step} was not seen; waiting for the page at {self.url}")
        return t_onset

    def wait_until(self, t_lsl: float, stop: threading.Event) -> bool:
        """Wait; see `Presenter.wait_until`."""
        return wait_on(t_lsl, stop, self._clock)

    def tell(self, feedback: Feedback) -> None:
        """Show how it goes; see `Presenter.tell`."""
        self._feedback = feedback
        self._server.call(self._link.send(tell(feedback)))

    def measured(self) -> dict[str, float]:
        """Return frame times, delays and offsets; see `PageTiming.measured`."""
        return self._timing.measured()

    def close(self) -> None:
        """End the server; may be called more than once."""
        self._server.close()

    def _why(self) -> str:
        if not self._link.is_connected:
            return "gone"
        if not self._link.is_seen:
            return "hidden"
        return "loaded again" if self._link.generation != self._i_page else "no answer"

    def _greeting(self) -> list[str]:
        """What a page that has just connected is told (in the server's thread)."""
        messages = [welcome(self._title, self._schedule)]
        if self._feedback is not None:
            messages.append(tell(self._feedback))
        if self._done:
            messages.append(encode("order", id=0, step="done", i_class=None))
        elif self._prompt is not None:
            messages.append(self._ready())
        return messages

    def _ready(self) -> str:
        return encode("ready", prompt=self._prompt)
