"""A page whose pictures are counted in frames of the display: its server's side, whatever it shows."""

import math
import secrets
import threading
from collections.abc import Callable
from typing import Self

from rtbci.clock import Clock
from rtbci.web.guarding import origin_of
from rtbci.web.listening import listen
from rtbci.web.page_link import PageLink
from rtbci.web.page_messages import Flashed, Pause, encode
from rtbci.web.page_timing import PageTiming
from rtbci.web.server import PageServer
from rtbci.web.token_page import token_page

__all__ = ["MIN_FRAMES", "CountedPage"]

HOST = "127.0.0.1"
SHOW_S = 0.5
"""An order that is not on the screen by then does not count as seen."""
POLL_S = 0.05
TOKEN_BYTES = 16
MIN_FRAMES = 90
"""Frames that the refresh rate is measured on."""


class CountedPage:
    """Serves a page on loopback, knows its display's frames, and has it show steps; a context manager.

    Parameters
    ----------
    what : str
        For errors and the thread's name, as ``flicker page``.
    package : str
        Whose ``static`` folder it is.
    greet : callable
        Returns the messages for a page that has just connected.
    port : int
        0 picks a free one.
    clock : callable
        Time in seconds of the local LSL clock.
    heard : callable, optional
        See `rtbci.web.page_link.PageLink`.

    Attributes
    ----------
    url : str
        With the token that opens it.

    Raises
    ------
    PortInUseError
        When another program has the port.
    """

    def __init__(
        self,
        what: str,
        package: str,
        greet: Callable[[], list[str]],
        port: int,
        clock: Clock,
        heard: Callable[[Flashed | Pause], None] | None = None,
    ) -> None:
        self._timing = PageTiming()
        self._link = PageLink(self._timing, greet, clock, heard)
        token = secrets.token_urlsafe(TOKEN_BYTES)
        listening = listen(HOST, port, what)
        self.url = f"{origin_of(HOST, listening.getsockname()[1])}/{token}/"
        app = token_page(package, token, self._link.serve, loopback_only=True)
        self._server = PageServer(app, listening, what, "start the page again")

    @property
    def is_seen(self) -> bool:
        """Whether a page is connected and not hidden."""
        return self._link.is_seen

    @property
    def generation(self) -> int:
        """Another number means another page, or that it was away."""
        return self._link.generation

    def measured(self) -> dict[str, float]:
        """Frame times, dropped frames and the clock; see `rtbci.web.page_timing.PageTiming.measured`."""
        return self._timing.measured()

    def close(self) -> None:
        """End the server; may be called more than once."""
        self._server.close()

    def _refresh_hz(self, stop: threading.Event) -> float | None:
        """Wait for a page and its start key, and for its refresh rate; None when stopped."""
        self._link.started.clear()
        self._send("ready")  # one that was hidden shows what it did, and has no start key
        while not self._link.started.is_set() or self._timing.measured().get("n_frames", 0.0) < MIN_FRAMES:
            if stop.wait(POLL_S):
                return None
        return 1e3 / self._timing.measured()["frame_ms"]

    def _order(self, step: str, index: int | None) -> tuple[float, int | None]:
        """Have a step shown; when, and in which frame since a flicker began.

        Seconds of the LSL clock, one usual frame after the frame that drew it began, NaN when it was not seen.
        """
        drawn = self._server.call(self._link.order(step, index, SHOW_S))
        if drawn is None:
            return math.nan, None
        t_ordered, shown = drawn
        return self._timing.onset(t_ordered, shown.frame_ms), shown.i_frame

    def _send(self, kind: str, **values: object) -> bool:
        """Send a message; False when no page is there."""
        return self._server.call(self._link.send(encode(kind, **values)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
