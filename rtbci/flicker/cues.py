"""Calibration on the flicker page: a target is named, then all flicker from phase zero for as long as a trial lasts."""

import math
import threading
from collections.abc import Callable, Mapping
from typing import Protocol

from rtbci.calibrate.presenter import Feedback, Step
from rtbci.calibrate.schedule import Schedule, ScheduledTrial
from rtbci.clock import Clock, now, wait_on
from rtbci.flicker.session import Page, mark_phase
from rtbci.probe.flicker_clock import FLICKER_ON
from rtbci.stream.source import MarkerSink

__all__ = ["CuedPage", "FlickerCues"]


class CuedPage(Page, Protocol):
    """What shows the targets, asks for one and tells how it goes; `rtbci.flicker.page.flicker_page.FlickerPage` is one."""

    def tell(self, line: str) -> None:
        """Show a line between trials."""
        ...

    def measured(self) -> dict[str, float]:
        """Frame times, dropped frames and the clock."""
        ...

    def close(self) -> None:
        """End; may be called more than once."""
        ...


SHOWN: Mapping[Step, str] = {
    "cross": "look",
    "arrow": "flicker",
    "imagery": "count",
    "pause": "dark",
    "break": "break",
    "done": "done",
}
"""Steps of a trial, as the page has them: what is looked at is named with the cross, so that the eyes are there when flicker begins."""
IN_TRIAL = ("arrow", "imagery", "pause")


class FlickerCues:
    """Leads a user through trials on the flicker page; a `Presenter`.

    Parameters
    ----------
    page : CuedPage
        Closed with this.
    schedule : Schedule
        Classes that are no target of the page mean: look at none.
    markers : MarkerSink
        Gets ``flicker_on`` with the time of frame 0 of each trial, and ``flicker_at/SECONDS`` within it.
    say : callable
        Takes a line for the person at the terminal, when the page has gone.
    clock : callable
        Time in seconds of the local LSL clock.

    Notes
    -----
    The onset of an arrow is that of frame 0, in which every target's phase is zero. `present` returns NaN when the page went away,
    was hidden, was loaded again or was stopped by its user since the trial's cross.
    """

    def __init__(
        self,
        page: CuedPage,
        schedule: Schedule,
        markers: MarkerSink,
        say: Callable[[str], None],
        clock: Clock = now,
    ) -> None:
        self._page, self._schedule, self._markers = page, schedule, markers
        self._say, self._clock = say, clock
        self._i_page = -1

    def wait_for_start(self, stop: threading.Event) -> bool:
        """Wait for the page, its start key and its refresh rate; see `Presenter.wait_for_start`.

        Raises
        ------
        ConfigError
            When the display refreshes at another rate than the recipe's frequencies were checked for.
        """
        self._tell_left()
        return self._page.wait_for_start(stop)

    def present(self, step: Step, trial: ScheduledTrial | None) -> float:
        """Show a step, and return when it was seen; see `Presenter.present`."""
        if step == "cross":
            self._i_page = self._page.generation
        if step in IN_TRIAL and self._page.generation != self._i_page:
            return self._missed(step)
        t_lsl = self._page.show(SHOWN[step], self._target(trial))
        if math.isnan(t_lsl) or (step in IN_TRIAL and self._page.generation != self._i_page):
            return self._missed(step)
        if step == "arrow":
            self._markers.push(FLICKER_ON, t_lsl)
        elif step == "imagery":
            mark_phase(self._page, self._markers, t_lsl)
        return t_lsl

    def wait_until(self, t_lsl: float, stop: threading.Event) -> bool:
        """Wait; see `Presenter.wait_until`."""
        return wait_on(t_lsl, stop, self._clock)

    def tell(self, feedback: Feedback) -> None:
        """Show how it goes; see `Presenter.tell`."""
        verdict = f"not used: {feedback.reason}. " if feedback.accepted is False else ""
        self._page.tell(f"{verdict}{feedback.progress.n_left} to go. {feedback.advice}".strip())

    def measured(self) -> dict[str, float]:
        """Return frame times and offsets; see `Presenter.measured`."""
        return self._page.measured()

    def close(self) -> None:
        """End the page; may be called more than once."""
        self._page.close()

    def _target(self, trial: ScheduledTrial | None) -> str | None:
        name = None if trial is None else self._schedule.classes[trial.i_class]
        return name if name in self._page.targets else None

    def _tell_left(self) -> None:
        progress = self._schedule.progress
        self._page.tell(f"{progress.n_left} to go, about {math.ceil(progress.minutes_left)} min.")

    def _missed(self, step: Step) -> float:
        if step != "done":
            self._say(
                f"flicker page: gone, hidden or stopped, the {step} was not seen; waiting for the start key"
            )
        return math.nan
