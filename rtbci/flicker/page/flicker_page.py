"""Flickering targets on a web page: its server's side."""

import math
import secrets
import threading
from collections.abc import Mapping
from typing import Self

from rtbci.branch_settings import StimulusSettings
from rtbci.clock import Clock, now
from rtbci.errors import ConfigError
from rtbci.web.guarding import origin_of
from rtbci.web.listening import listen
from rtbci.web.page_link import PageLink
from rtbci.web.page_messages import encode
from rtbci.web.page_timing import PageTiming
from rtbci.web.server import PageServer
from rtbci.web.token_page import token_page

__all__ = ["FlickerPage"]

WHAT = "flicker page"
HOST = "127.0.0.1"
SHOW_S = 0.5
"""An order that is not on the screen by then does not count as seen."""
POLL_S = 0.05
TOKEN_BYTES = 16
MIN_FRAMES = 90
"""Frames that the refresh rate is measured on."""
REFRESH_TOLERANCE = 0.02


class FlickerPage:
    """Serves the page, and tells it what to show.

    Parameters
    ----------
    title : str
    targets : mapping of str to float
        Frequency of each, Hz.
    stimulus : StimulusSettings
        Refresh rate that the frequencies were checked for, and waveform.
    port : int
        0 picks a free one.
    clock : callable
        Time in seconds of the local LSL clock.

    Raises
    ------
    PortInUseError
        When another program has the port.

    Notes
    -----
    Brightness is a function of the number of the frame since the flicker began; a frame that was dropped is counted, so that
    the phase stays and only that frame's brightness is missing. Only for browsers on this machine.
    """

    def __init__(
        self,
        title: str,
        targets: Mapping[str, float],
        stimulus: StimulusSettings,
        *,
        port: int = 0,
        clock: Clock = now,
    ) -> None:
        self.targets = dict(targets)
        self._title, self._stimulus, self._clock = title, stimulus, clock
        self._timing = PageTiming()
        self._link = PageLink(self._timing, self._greeting, clock)
        token = secrets.token_urlsafe(TOKEN_BYTES)
        listening = listen(HOST, port, WHAT)
        self.url = f"{origin_of(HOST, listening.getsockname()[1])}/{token}/"
        app = token_page("rtbci.flicker.page", token, self._link.serve, loopback_only=True)
        self._server = PageServer(app, listening, WHAT, "start the page again")

    @property
    def is_seen(self) -> bool:
        """Whether a page is connected and not hidden."""
        return self._link.is_seen

    @property
    def generation(self) -> int:
        """Another number means another page, or that it was away."""
        return self._link.generation

    def wait_for_start(self, stop: threading.Event) -> bool:
        """Wait for a page and its start key, and for its refresh rate; False when stopped.

        Raises
        ------
        ConfigError
            When the display refreshes at another rate than the recipe's frequencies were checked for.
        """
        self._link.started.clear()
        self._server.call(
            self._link.send(encode("ready"))
        )  # one that was hidden flickers still, and has no start key
        while not self._link.started.is_set() or self._timing.measured().get("n_frames", 0.0) < MIN_FRAMES:
            if stop.wait(POLL_S):
                return False
        refresh_hz = 1e3 / self._timing.measured()["frame_ms"]
        if abs(refresh_hz / self._stimulus.refresh_hz - 1) > REFRESH_TOLERANCE:
            raise ConfigError(
                f"flicker page: the display refreshes {refresh_hz:.1f} times a second, the recipe says "
                f"{self._stimulus.refresh_hz:g} Hz; set [stimulus] refresh_hz to {refresh_hz:.0f} and check again with "
                "rtbci flicker check, or set the display"
            )
        return True

    def show(self, step: str, target: str | None = None) -> float:
        """Have the page show something, and return when it was seen.

        Parameters
        ----------
        step : {'flicker', 'cue', 'rest', 'done'}
            Begin to flicker; ask for a target; ask for nothing, still flickering; end.
        target : str, optional
            What is asked for.

        Returns
        -------
        float
            Seconds of the local LSL clock, one usual frame after the frame that drew it began; NaN when it was not seen.
        """
        i_target = None if target is None else list(self.targets).index(target)
        drawn = self._server.call(self._link.order(step, i_target, SHOW_S))
        return math.nan if drawn is None else self._timing.onset(*drawn)

    def measured(self) -> dict[str, float]:
        """Frame times, dropped frames and the clock; see `rtbci.web.page_timing.PageTiming.measured`."""
        return self._timing.measured()

    def close(self) -> None:
        """End the server; may be called more than once."""
        self._server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _greeting(self) -> list[str]:
        targets = [{"name": name, "hz": hz} for name, hz in self.targets.items()]
        return [
            encode(
                "flickers",
                title=self._title,
                targets=targets,
                waveform=self._stimulus.waveform,
                refresh_hz=self._stimulus.refresh_hz,
            )
        ]
