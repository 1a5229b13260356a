"""What shows cues to a user, and the driver that leads it through a schedule."""

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from rtbci.calibrate.schedule import Progress, Schedule, ScheduledTrial
from rtbci.clock import Clock, now
from rtbci.probe.calibration_record import CurvePoint

__all__ = ["Feedback", "OnCue", "Presenter", "PresenterAround", "Step", "guide"]

Step = Literal["cross", "arrow", "imagery", "pause", "break", "done"]
OnCue = Callable[[int, int, float], None]
"""Called with the trial's number, its class, and the arrow's onset in seconds of the local LSL clock."""

LEAD_S = 1.0
"""From the start key to the first cross: time to put the hand back."""
VERDICT_S = 3.0
"""How long the last trial's verdict is waited for: a rejected one comes again."""
POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a user is told between trials.

    Parameters
    ----------
    progress : Progress
    accepted : bool or None
        Verdict on the last trial; None when this is about no trial.
    reason : str
        Why it was rejected.
    curve : tuple of CurvePoint
        Accuracy so far, with its interval.
    advice : str
        One sentence.
    """

    progress: Progress
    accepted: bool | None = None
    reason: str = ""
    curve: tuple[CurvePoint, ...] = ()
    advice: str = ""


class Presenter(Protocol):
    """Shows the steps of trials; made for one schedule's classes and cues.

    `tell` may be called from any thread, everything else from the thread of `guide`.
    """

    def wait_for_start(self, stop: threading.Event) -> bool:
        """Wait until the user is ready; False when `stop` was set first."""
        ...

    def present(self, step: Step, trial: ScheduledTrial | None) -> float:
        """Show a step.

        Returns
        -------
        float
            Its onset in seconds of the local LSL clock; NaN when it cannot have been seen.
        """
        ...

    def wait_until(self, t_lsl: float, stop: threading.Event) -> bool:
        """Wait until that time, in seconds of the local LSL clock; False when `stop` was set first."""
        ...

    def tell(self, feedback: Feedback) -> None:
        """Show how it goes, during the next pause or break."""
        ...

    def measured(self) -> dict[str, float]:
        """Return what was measured of the display path, for `CalibrationRecord.cues`."""
        ...

    def close(self) -> None:
        """End; may be called more than once."""
        ...


class PresenterAround:
    """A `Presenter` that hands everything on to another one; for those that add to some of it.

    Parameters
    ----------
    presenter : Presenter
    """

    def __init__(self, presenter: Presenter) -> None:
        self._presenter = presenter

    def wait_for_start(self, stop: threading.Event) -> bool:
        """See `Presenter.wait_for_start`."""
        return self._presenter.wait_for_start(stop)

    def present(self, step: Step, trial: ScheduledTrial | None) -> float:
        """See `Presenter.present`."""
        return self._presenter.present(step, trial)

    def wait_until(self, t_lsl: float, stop: threading.Event) -> bool:
        """See `Presenter.wait_until`."""
        return self._presenter.wait_until(t_lsl, stop)

    def tell(self, feedback: Feedback) -> None:
        """See `Presenter.tell`."""
        self._presenter.tell(feedback)

    def measured(self) -> dict[str, float]:
        """See `Presenter.measured`."""
        return self._presenter.measured()

    def close(self) -> None:
        """Close the presenter; may be called more than once."""
        self._presenter.close()


def guide(
    schedule: Schedule,
    presenter: Presenter,
    on_cue: OnCue,
    stop: threading.Event,
    clock: Clock = now,
    *,
    after_trial: Callable[[ScheduledTrial], object] | None = None,
    on_unseen: Callable[[int], None] | None = None,
) -> bool:
    """Lead a user through a schedule.

    Parameters
    ----------
    schedule : Schedule
        Its verdicts may come from any thread, also during the trials.
    presenter : Presenter
    on_cue : callable
        Called at the onset of every arrow.
    stop : threading.Event
        Ends it within a twentieth of a second.
    clock : callable
        Time in seconds of the local LSL clock.
    after_trial : callable, optional
        Called with each trial that was seen, when its pause begins; what it takes lengthens the pause at most.
    on_unseen : callable, optional
        Called with the number of a trial whose arrow was announced by `on_cue`, but that was not seen to its end.

    Returns
    -------
    bool
        Whether the schedule was shown to its end; False when `stop` was set or Ctrl-C pressed.

    Notes
    -----
    Imagery ends `imagery_s` after the arrow was seen. Trials begin at times that are planned from the start, so
    frames and callbacks that are late shorten the pause and do not add up; the plan moves only when less than half of
    the shortest pause would be left.
    """
    try:
        return _Guide(schedule, presenter, on_cue, stop, clock, after_trial, on_unseen).run()
    except KeyboardInterrupt:
        stop.set()
        return False


class _Stopped(Exception):
    """`stop` was set."""


class _Unseen(Exception):
    """The presenter could not show a step."""


class _Guide:
    def __init__(
        self,
        schedule: Schedule,
        presenter: Presenter,
        on_cue: OnCue,
        stop: threading.Event,
        clock: Clock,
        after_trial: Callable[[ScheduledTrial], object] | None,
        on_unseen: Callable[[int], None] | None,
    ) -> None:
        self._schedule, self._presenter, self._stop, self._clock = schedule, presenter, stop, clock
        self._on_cue, self._after_trial, self._on_unseen = on_cue, after_trial, on_unseen
        self._timing = schedule.protocol.timing
        self._t_plan = 0.0

    def run(self) -> bool:
        """Show all trials; False when stopped."""
        try:
            self._wait_for_start()
            while (trial := self._next_trial()) is not None:
                if trial.starts_block:
                    self._take_break(trial)
                self._try_trial(trial)
            self._presenter.present("done", None)
        except _Stopped:
            return False
        return True

    def _next_trial(self) -> ScheduledTrial | None:
        t_last = self._clock() + VERDICT_S
        while (trial := self._schedule.next_trial()) is None:
            if not self._schedule.n_unjudged or self._clock() >= t_last:
                return None
            self._wait(self._clock() + POLL_S)
        return trial

    def _try_trial(self, trial: ScheduledTrial) -> None:
        cued = False
        try:
            self._present("cross", trial)
            self._wait(self._t_plan + self._timing.arrow_s)
            t_arrow = self._present("arrow", trial)
            cued = True
            self._on_cue(trial.i_trial, trial.i_class, t_arrow)
            self._wait(t_arrow + self._timing.shown_s)
            self._present("imagery", trial)
            self._wait(t_arrow + self._timing.imagery_s)
            self._present("pause", trial)
        except _Unseen:
            self._schedule.judge(trial.i_trial, False, seen=False)
            if cued and self._on_unseen is not None:
                self._on_unseen(trial.i_trial)
            self._wait_for_start()
            return
        t_end = t_arrow + self._timing.imagery_s
        if self._after_trial is not None:
            self._after_trial(trial)
        self._plan_next(t_end, trial.pause_s)
        self._wait(self._t_plan)

    def _plan_next(self, t_end: float, pause_s: float) -> None:
        planned = self._t_plan + self._timing.arrow_s + self._timing.imagery_s + pause_s
        least = max(t_end + self._timing.pause_s[0] / 2, self._clock())
        self._t_plan = planned if planned >= least else least

    def _take_break(self, trial: ScheduledTrial) -> None:
        try:
            t_break = self._present("break", trial)
            self._wait(t_break + self._schedule.protocol.breaks.rest_s)
        except _Unseen:
            pass  # whoever went away in a break is waited for at its end anyway
        self._wait_for_start()

    def _wait_for_start(self) -> None:
        if not self._presenter.wait_for_start(self._stop):
            raise _Stopped
        self._t_plan = self._clock() + LEAD_S
        self._wait(self._t_plan)

    def _present(self, step: Step, trial: ScheduledTrial) -> float:
        t_lsl = self._presenter.present(step, trial)
        if self._stop.is_set():
            raise _Stopped
        if math.isnan(t_lsl):
            raise _Unseen
        return t_lsl

    def _wait(self, t_lsl: float) -> None:
        if not self._presenter.wait_until(t_lsl, self._stop):
            raise _Stopped
