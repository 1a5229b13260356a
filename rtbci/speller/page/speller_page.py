"""A grid of letters on a web page: its server's side."""

import math
import queue
import threading
from collections.abc import Callable, Mapping, Sequence

from rtbci.clock import Clock, now
from rtbci.speller.display import FlashFrames, flash_frames
from rtbci.speller.shown import Shown
from rtbci.speller.text import shown_as
from rtbci.web.counted_page import CountedPage
from rtbci.web.page_messages import Flashed, Pause, encode

__all__ = ["SpellerPage"]

WHAT = "speller page"


class SpellerPage(CountedPage):
    """Serves the page, and tells it what to show.

    Parameters
    ----------
    title : str
    items : sequence of str
        Row by row.
    n_columns : int
    groups : mapping of str to sequence of str
        Items of each group that flashes.
    soa_s, flash_s : float
        From flash to flash, and how long one lasts, in seconds; shown in whole frames of the display.
    say : callable, optional
        Takes lines for the person at the terminal.
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
    A flash begins a whole number of frames after the one before it was really shown, so it comes late, and never early, where
    frames were dropped. Its time is that of its frame; where the frame itself may have been shown late (the next one did
    not follow in time) it has none, and no marker. What the display itself adds can only be measured on the screen
    (``?patch=1`` shows a square for a photodiode). Only for browsers on this machine.
    """

    def __init__(
        self,
        title: str,
        items: Sequence[str],
        n_columns: int,
        groups: Mapping[str, Sequence[str]],
        soa_s: float,
        flash_s: float,
        *,
        say: Callable[[str], None] | None = None,
        port: int = 0,
        clock: Clock = now,
    ) -> None:
        self.items, self.groups = tuple(items), {name: tuple(one) for name, one in groups.items()}
        self._title, self._n_columns = title, n_columns
        self._soa_s, self._flash_s = soa_s, flash_s
        self._say = say or (lambda _line: None)
        self._frames: FlashFrames | None = None
        self._heard: queue.SimpleQueue[Flashed | Pause] = queue.SimpleQueue()
        self._i_sequence = 0
        self._n_late = self._n_unsure = self._n_flashes = 0
        self._text = ("", "", "")
        super().__init__(WHAT, "rtbci.speller.page", self._greeting, port, clock, self._heard.put)

    @property
    def frames(self) -> FlashFrames | None:
        """Times of the flashes as the display shows them; None before the first start."""
        return self._frames

    def wait_for_start(self, stop: threading.Event) -> bool:
        """Wait for a page and its start key, and for its refresh rate; False when stopped.

        Raises
        ------
        ConfigError
            When the display cannot show such flashes.
        """
        if not self._link.is_connected:
            self._say(f"{WHAT}: waiting for it; open {self.url}")
        refresh_hz = self._refresh_hz(stop)
        if refresh_hz is None:
            return False
        self._frames = flash_frames(self._soa_s, self._flash_s, refresh_hz, WHAT)
        return True

    def show(self, step: str, item: str | None = None) -> float:
        """Have the page show something, and return when it was seen.

        Parameters
        ----------
        step : {'cue', 'grid', 'chosen', 'unsure', 'nobody', 'done'}
            Ask for an item; only the grid; say which item was chosen, or that none was, or for lack of anyone who attended; end. All of them end the flashes.
        item : str, optional
            What is asked for or chosen.

        Returns
        -------
        float
            Seconds of the local LSL clock, one usual frame after the frame that drew it began; NaN when it was not seen.
        """
        return self._order(step, None if item is None else self.items.index(item))[0]

    def flash(self, sequence: Sequence[str]) -> bool:
        """Begin to flash groups one after the other; ended by `show`. False when no page is there.

        Parameters
        ----------
        sequence : sequence of str
            Names of groups.
        """
        if self._frames is None:
            return False
        self._i_sequence += 1
        while not self._heard.empty():
            self._heard.get()
        names = list(self.groups)
        return self._send(
            "flash",
            id=self._i_sequence,
            groups=[names.index(name) for name in sequence],
            soa=self._frames.soa,
            on=self._frames.on,
        )

    def next_event(self, timeout_s: float) -> Shown | Pause | None:
        """The next flash that was shown, or that the user wants a pause; None when there was nothing in time."""
        try:
            heard = self._heard.get(timeout=timeout_s)
        except queue.Empty:
            return None
        if isinstance(heard, Pause):
            return heard
        if heard.id != self._i_sequence:
            return None
        self._n_flashes += 1
        self._n_late += heard.n_late > 0
        self._n_unsure += not heard.sure
        return Shown(heard.i_flash, self._timing.t_shown(heard.frame_ms) if heard.sure else math.nan)

    def write(self, text: str, wanted: str, note: str = "") -> None:
        """Show what has been spelled, what is wanted in all (empty: anything), and a note."""
        self._text = (text, wanted, note)
        self._server.call(self._link.send(self._written()))

    def measured(self) -> dict[str, float]:
        """Frame times, dropped frames and the clock (`rtbci.web.page_timing.PageTiming.measured`), and of flashes:
        ``n_flashes``, ``n_late`` (at least a frame behind their time), ``n_unsure`` (left out).
        """
        flashes = {"n_flashes": self._n_flashes, "n_late": self._n_late, "n_unsure": self._n_unsure}
        return super().measured() | {name: float(n) for name, n in flashes.items()}

    def _written(self) -> str:
        text, wanted, note = self._text
        return encode("text", text=text, wanted=wanted, note=note)

    def _greeting(self) -> list[str]:
        index = {item: i for i, item in enumerate(self.items)}
        grid = encode(
            "grid",
            title=self._title,
            items=[shown_as(item) for item in self.items],
            names=list(self.items),
            n_columns=self._n_columns,
            groups=[[index[item] for item in one] for one in self.groups.values()],
            flashes_hz=1 / self._soa_s,
        )
        return [grid, self._written()]
