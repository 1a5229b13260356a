"""Letter after letter: what the page is told, the markers that say so, and the decisions that come back."""

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from rtbci.clock import Clock, now, wait_on
from rtbci.recipes.flashes import BEGIN, CUE, END, FLASH
from rtbci.speller.order import FlashOrder
from rtbci.speller.score import Letter, SpellingScore
from rtbci.speller.shown import Shown
from rtbci.speller.text import written
from rtbci.stream.source import UNSEEN, MarkerSink
from rtbci.web.page_messages import Pause

__all__ = ["Decisions", "Page", "Plan", "Session"]

POLL_S = 0.02
AFTER_S = 1e-3
"""A selection ends behind its last flash, whatever the page's clock is off by."""
UNDECIDED, NOBODY = "no decision", "no letter: nobody attended"
SILENT_S = 3.0
"""A page that shows no flash for so long has gone."""


class Page(Protocol):
    """What shows the grid; see `rtbci.speller.page.speller_page.SpellerPage`, of which this is a part."""

    items: tuple[str, ...]
    groups: dict[str, tuple[str, ...]]

    @property
    def generation(self) -> int: ...  # noqa: D102
    def wait_for_start(self, stop: threading.Event) -> bool: ...  # noqa: D102
    def show(self, step: str, item: str | None = None) -> float: ...  # noqa: D102
    def flash(self, sequence: Sequence[str]) -> bool: ...  # noqa: D102
    def next_event(self, timeout_s: float) -> Shown | Pause | None: ...  # noqa: D102
    def write(self, text: str, wanted: str, note: str = "") -> None: ...  # noqa: D102


class Decisions(Protocol):
    """Knows what the decoder has decided."""

    @property
    def trouble(self) -> str: ...  # noqa: D102
    def newest(self, since_lsl: float) -> str | None:
        """Item that was decided for from windows that end after a time, in seconds of the LSL clock; or None."""
        ...

    def nobody(self, since_lsl: float) -> bool:
        """Whether the newest of these windows said that nobody attends, and no item was decided for."""
        ...


@dataclass(frozen=True)
class Plan:
    """What is asked for, and at what pace.

    Parameters
    ----------
    wanted : sequence of str
        Items that are asked for one after the other; empty: the user is free, until stopped.
    repetitions : int
        In a selection, at most.
    decision_s : float
        How long a decision is waited for after the last flash, in seconds; 0: nobody decides (calibration).
    cue_s, lead_s, pause_s : float
        How long an item is asked for, from there to the first flash, and from the end of a selection to the next, in
        seconds.
    seed : int
        Of the order of flashes.
    """

    wanted: Sequence[str] = ()
    repetitions: int = 10
    decision_s: float = 2.0
    cue_s: float = 2.0
    lead_s: float = 1.0
    pause_s: float = 2.0
    seed: int = 0


class _Broken(Exception):
    """The page or what decides went away, or the user wants a pause: this selection is void."""


class Session:
    """Leads a user through a text, or lets one write.

    Sends ``cue/X`` for what is asked for, ``trial/begin`` and ``trial/end`` around a selection, ``flash/G`` with the time of
    the frame that showed it. A selection that was not seen to its end, in which the user wanted a pause, or in which the run
    went away or lost its stream, is followed by "unseen" and comes again.

    Parameters
    ----------
    page : Page
    markers : MarkerSink
    decisions : Decisions or None
        None: nobody decides.
    plan : Plan
    tell : callable
        Takes a line for the person at the terminal.
    clock : callable

    Attributes
    ----------
    text : str
        What was spelled.
    score : SpellingScore
    """

    def __init__(
        self,
        page: Page,
        markers: MarkerSink,
        decisions: Decisions | None,
        plan: Plan,
        tell: Callable[[str], None],
        clock: Clock = now,
    ) -> None:
        self._page, self._markers, self._decisions, self._plan = page, markers, decisions, plan
        self._tell, self._clock = tell, clock
        self._order = FlashOrder(page.groups, np.random.default_rng(plan.seed))
        self._wanted_text = _spelled(plan.wanted)
        self.text = ""
        pause_s = plan.pause_s + plan.lead_s + (plan.cue_s if plan.wanted else 0.0)
        self.score = SpellingScore(len(page.items), len(page.groups), pause_s)

    def run(self, stop: threading.Event) -> bool:
        """Go through all that is wanted; False when stopped before."""
        self._page.write(self.text, self._wanted_text)
        waits, broken, i = True, False, 0
        while not stop.is_set():
            if waits and not self._page.wait_for_start(stop):
                break
            if broken:  # what broke is over: it is not said any more
                self._page.write(self.text, self._wanted_text)
            waits = broken = False
            wanted = self._plan.wanted[i] if self._plan.wanted else None
            try:
                self._select(wanted, stop)
                i += 1
            except _Broken as error:
                self._tell(f"speller page: {error}; this letter comes again, waiting for the start key")
                self._page.write(self.text, self._wanted_text, str(error))
                waits = broken = True
            if self._plan.wanted and i == len(self._plan.wanted):
                self._page.show("done")
                return True
        self._page.show("done")
        return False

    def _select(self, wanted: str | None, stop: threading.Event) -> None:
        """One letter."""
        generation, plan = self._page.generation, self._plan
        if wanted is not None:
            self._markers.push(CUE + wanted, self._seen("cue", wanted))
            self._wait(plan.cue_s, stop)
        self._seen("grid")
        self._wait(plan.lead_s, stop)
        t_begin = self._clock()
        self._markers.push(BEGIN, t_begin)
        try:
            chosen, n_flashes, t_first = self._flash(t_begin, generation, stop)
            nobody = chosen is None and self._decisions is not None and self._decisions.nobody(t_begin)
        except _Broken:
            t = self._clock()
            self._markers.push(UNSEEN, t)
            self._markers.push(END, t)
            raise
        if stop.is_set():
            return
        self._conclude(Letter(wanted, chosen, n_flashes, self._clock() - t_first), nobody=nobody)
        self._wait(plan.pause_s, stop)

    def _flash(self, t_begin: float, generation: int, stop: threading.Event) -> tuple[str | None, int, float]:
        """Flash until there is a decision; what it is, how many flashes were shown, and when the first was."""
        names = self._order.repetitions(self._plan.repetitions)
        if not self._page.flash(names):
            raise _Broken("gone")
        n_shown, t_first, t_heard, t_end, chosen = 0, t_begin, self._clock(), t_begin, None
        while not stop.is_set() and n_shown < len(names) and chosen is None:
            event = self._page.next_event(POLL_S)
            if isinstance(event, Pause):
                raise _Broken("pause")
            if event is not None:
                t_heard, n_shown = self._clock(), event.i_flash + 1
                t_first = t_first if event.i_flash else t_heard
                if not math.isnan(event.t_lsl):
                    t_end = event.t_lsl + AFTER_S
                    self._markers.push(FLASH + names[event.i_flash], event.t_lsl)
            if self._page.generation != generation:
                raise _Broken("gone or hidden")
            if self._clock() - t_heard > SILENT_S:
                raise _Broken("shows no flashes")
            if self._decisions is not None and (trouble := self._decisions.trouble):
                raise _Broken(trouble)
            chosen = self._decided(t_begin)
        # what is told before the last windows are complete is decided on with the last of them
        self._markers.push(END, max(t_end, self._clock()))
        return chosen or self._awaited(t_begin, stop), n_shown, t_first

    def _awaited(self, t_begin: float, stop: threading.Event) -> str | None:
        t_due, chosen = self._clock() + self._plan.decision_s, None
        while self._decisions is not None and chosen is None and self._clock() < t_due:
            if stop.wait(POLL_S):
                return None
            chosen = self._decided(t_begin)
        return chosen

    def _decided(self, t_begin: float) -> str | None:
        return None if self._decisions is None else self._decisions.newest(t_begin)

    def _conclude(self, letter: Letter, *, nobody: bool) -> None:
        self.score.add(letter)
        if self._decisions is None:
            self._page.show("grid")
            self.text = self.text if letter.wanted is None else written(self.text, letter.wanted)
            self._page.write(self.text, self._wanted_text)
            return
        note, why_none = self.score.words(), NOBODY if nobody else UNDECIDED
        if letter.chosen is None:
            self._page.show("nobody" if nobody else "unsure")
            note = f"{why_none}; {note}"
        else:
            self._page.show("chosen", letter.chosen)
            self.text = written(self.text, letter.chosen)
        self._page.write(self.text, self._wanted_text, note)
        asked = "" if letter.wanted is None else f"{letter.wanted}: "
        self._tell(f"{asked}{letter.chosen or why_none} after {letter.n_flashes} flashes; text '{self.text}'")

    def _seen(self, step: str, item: str | None = None) -> float:
        t_lsl = self._page.show(step, item)
        if math.isnan(t_lsl):
            raise _Broken("gone or hidden")
        return t_lsl

    def _wait(self, seconds: float, stop: threading.Event) -> None:
        wait_on(self._clock() + seconds, stop, self._clock)


def _spelled(wanted: Sequence[str]) -> str:
    text = ""
    for item in wanted:
        text = written(text, item)
    return text
