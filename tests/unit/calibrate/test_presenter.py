import math
import threading

import numpy as np
import pytest

from rtbci.calibrate.presenter import LEAD_S, Step, guide
from rtbci.calibrate.schedule import Schedule, ScheduledTrial
from tests.calibration_steps import CLASSES, FakeClock, FakePresenter, protocol

FRAME_S = 0.03


class Session:
    """A guide with a clock that only waiting moves; all trials are accepted unless said otherwise."""

    def __init__(self, presenter: FakePresenter, clock: FakeClock, schedule: Schedule | None = None) -> None:
        self.presenter, self.clock = presenter, clock
        self.schedule = schedule or Schedule(protocol(), CLASSES)
        self.cues: list[tuple[int, int, float]] = []
        self.seen: list[ScheduledTrial] = []
        self.unseen: list[int] = []
        self.stop = threading.Event()
        self.takes_s = 0.0

    def after_trial(self, trial: ScheduledTrial) -> None:
        self.seen.append(trial)
        self.clock.t_s += self.takes_s
        self.schedule.judge(trial.i_trial, True)

    def run(self) -> bool:
        return guide(
            self.schedule,
            self.presenter,
            lambda *cue: self.cues.append(cue),
            self.stop,
            self.clock,
            after_trial=self.after_trial,
            on_unseen=self.unseen.append,
        )


def test_steps_come_at_the_times_of_the_protocol() -> None:
    clock = FakeClock()
    session = Session(FakePresenter(clock), clock)
    assert session.run()
    shown = session.presenter
    assert shown.shown[0][0] == 1000.0 + LEAD_S
    cross, arrow, imagery = (np.array(shown.times(step)) for step in ("cross", "arrow", "imagery"))
    assert (len(cross), len(arrow), len(imagery)) == (40, 40, 40)
    np.testing.assert_allclose(arrow - cross, 2.0)
    np.testing.assert_allclose(imagery - arrow, 1.25)
    np.testing.assert_allclose(np.array(shown.times("pause")) - arrow, 4.0)
    assert [t for _, _, t in session.cues] == shown.times("arrow")
    assert [i for i, _, _ in session.cues] == list(range(40))
    assert [i for _, i, _ in session.cues] == [trial.i_class for trial in session.seen]
    assert shown.steps()[-1] == "done"
    assert len(shown.times("break")) == 3
    assert len(shown.t_starts) == 4
    np.testing.assert_allclose(np.array(shown.t_starts[1:]) - shown.times("break"), 20.0)


def test_frames_that_are_late_shorten_the_pause_and_do_not_add_up() -> None:
    clock = FakeClock()
    one_block = Schedule(protocol(trials={"per_class": 20, "per_class_in_block": 20}), CLASSES)
    session = Session(FakePresenter(clock, lambda step, trial: FRAME_S), clock, one_block)
    session.takes_s = 0.2
    assert session.run()
    cross = np.array(session.presenter.times("cross"))
    planned = 1000 + LEAD_S + np.cumsum([0.0, *(6 + trial.pause_s for trial in session.seen[:-1])])
    np.testing.assert_allclose(cross, planned + FRAME_S)
    # all of the imagery is there: it is counted from the arrow that was seen
    np.testing.assert_allclose(
        np.array(session.presenter.times("pause")) - session.presenter.times("arrow"), 4.0 + FRAME_S
    )


def test_a_callback_that_takes_all_of_the_pause_moves_the_plan() -> None:
    clock = FakeClock()
    session = Session(FakePresenter(clock), clock)
    session.takes_s = 5.0
    assert session.run()
    cross, pause = session.presenter.times("cross"), session.presenter.times("pause")
    assert cross[1] == pytest.approx(pause[0] + 5.0)


def unseen_once(step: Step, i_trial: int) -> FakePresenter:
    clock = FakeClock()

    def late_s(name: Step, trial: ScheduledTrial | None) -> float:
        return math.nan if name == step and trial is not None and trial.i_trial == i_trial else 0.0

    return FakePresenter(clock, late_s)


@pytest.mark.parametrize(
    ("step", "cued"), [("cross", False), ("arrow", False), ("imagery", True), ("pause", True)]
)
def test_a_trial_that_was_not_seen_is_repeated_after_a_new_start(step: Step, cued: bool) -> None:
    presenter = unseen_once(step, 3)
    session = Session(presenter, presenter.clock)
    assert session.run()
    assert len(presenter.t_starts) == 5  # the first one, three breaks, and once more
    assert session.unseen == ([3] if cued else [])
    assert [trial.i_trial for trial in session.seen] == [i for i in range(41) if i != 3]
    assert session.schedule.progress.per_class == (20, 20)
    assert (3 in [i for i, _, _ in session.cues]) == cued


def test_whoever_goes_away_in_a_break_is_waited_for() -> None:
    presenter = unseen_once("break", 10)
    session = Session(presenter, presenter.clock)
    assert session.run()
    assert len(presenter.times("break")) == 2
    assert len(presenter.t_starts) == 4
    assert len(session.seen) == 40


@pytest.mark.parametrize("after_s", [0.5, 1.5, 3.5, 4.5, 8.0])
def test_stop_ends_it_wherever_it_is(after_s: float) -> None:
    clock = FakeClock()
    session = Session(FakePresenter(clock, stop_at=1000 + after_s), clock)
    assert not session.run()
    assert "done" not in session.presenter.steps()
    assert clock() <= 1000 + after_s


def test_stop_before_the_start() -> None:
    clock = FakeClock()
    session = Session(FakePresenter(clock), clock)
    session.stop.set()
    assert not session.run()
    assert session.presenter.shown == []


def test_ctrl_c_ends_it_quietly_and_tells_the_others() -> None:
    clock = FakeClock()
    session = Session(FakePresenter(clock), clock)

    def interrupted(trial: ScheduledTrial) -> None:
        raise KeyboardInterrupt

    assert not guide(
        session.schedule, session.presenter, lambda *_: None, session.stop, clock, after_trial=interrupted
    )
    assert session.stop.is_set()


def test_the_last_verdict_is_waited_for_but_not_for_ever() -> None:
    clock = FakeClock()
    schedule = Schedule(protocol(trials={"per_class": 2, "per_class_in_block": 2}), CLASSES)
    presenter = FakePresenter(clock)
    cues: list[int] = []

    def on_cue(i_trial: int, i_class: int, t_lsl: float) -> None:
        cues.append(i_trial)
        for i in range(i_trial):  # verdicts come one trial late; trial 1 is rejected
            schedule.judge(i, i != 1)

    assert guide(schedule, presenter, on_cue, threading.Event(), clock)
    assert cues == [0, 1, 2, 3, 4]  # the repeated one was in time
    assert presenter.times("done")[0] - presenter.times("pause")[-1] == pytest.approx(3.0 + 2.0, abs=0.6)


def test_finished_early_it_ends_after_the_trial() -> None:
    clock = FakeClock()
    session = Session(FakePresenter(clock), clock)

    def enough(trial: ScheduledTrial) -> None:
        session.after_trial(trial)
        if trial.i_trial == 4:
            session.schedule.finish()

    assert guide(
        session.schedule, session.presenter, lambda *_: None, session.stop, clock, after_trial=enough
    )
    assert len(session.seen) == 5
    assert session.presenter.steps()[-1] == "done"
