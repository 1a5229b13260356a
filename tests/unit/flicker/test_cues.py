import math
import threading

from rtbci.calibrate.presenter import Feedback
from rtbci.calibrate.schedule import Schedule, ScheduledTrial
from rtbci.flicker.cues import FlickerCues
from tests.calibration_steps import protocol
from tests.unit.flicker.test_session import Markers, PlayedPage

CLASSES = ("left", "right", "idle")
CUES = {
    "left": {"symbol": "left", "text": "left"},
    "right": {"symbol": "right", "text": "right"},
    "idle": {"symbol": "circle", "text": "none"},
}


class CuedPage(PlayedPage):
    """Shows frames since the flicker began, too."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []

    def show(self, step: str, target: str | None = None) -> float:
        t_lsl = super().show(step, target)
        self.flicker_s = 0.0 if step == "flicker" else 2.5 if step == "count" else math.nan
        return t_lsl

    def tell(self, line: str) -> None:
        self.told.append(line)

    def measured(self) -> dict[str, float]:
        return {"frame_ms": 16.7}

    def close(self) -> None:
        self.steps.append(("closed", None))


def cues(page: CuedPage) -> tuple[FlickerCues, Schedule, Markers, list[str]]:
    markers, said = Markers(), list[str]()
    schedule = Schedule(protocol(cues=CUES), CLASSES)
    return FlickerCues(page, schedule, markers, said.append), schedule, markers, said


def trial(i_class: int) -> ScheduledTrial:
    return ScheduledTrial(0, i_class, 1.0)


def test_a_trial_names_its_target_and_then_begins_to_flicker() -> None:
    page = CuedPage()
    presenter, _, markers, _ = cues(page)
    shown = [presenter.present(step, trial(1)) for step in ("cross", "arrow", "imagery", "pause")]
    assert page.steps == [("look", "right"), ("flicker", "right"), ("count", "right"), ("dark", "right")]
    assert markers.sent == [("flicker_on", shown[1]), ("flicker_at/2.500000", shown[2])]
    presenter.present("cross", trial(2))
    assert page.steps[-1] == ("look", None)  # no target of the page: look at none
    presenter.present("break", None)
    presenter.present("done", None)
    presenter.close()
    assert [step for step, _ in page.steps[-3:]] == ["break", "done", "closed"]


def test_a_page_that_goes_away_in_a_trial_is_told_and_sends_nothing() -> None:
    page = CuedPage()
    presenter, _, markers, said = cues(page)
    presenter.present("cross", trial(0))
    page.generation += 1
    assert math.isnan(presenter.present("arrow", trial(0)))
    assert markers.sent == []
    assert said == [
        "flicker page: gone, hidden or stopped, the arrow was not seen; waiting for the start key"
    ]
    assert presenter.wait_for_start(threading.Event())
    assert not math.isnan(presenter.present("cross", trial(0)))


def test_the_page_says_how_it_goes() -> None:
    page = CuedPage()
    presenter, schedule, _, _ = cues(page)
    presenter.tell(Feedback(schedule.progress, False, "gap", advice="Go on."))
    presenter.wait_for_start(threading.Event())
    assert page.told.pop() == f"{schedule.progress.n_left} to go, about 9 min."
    assert page.told == [f"not used: gap. {schedule.progress.n_left} to go. Go on."]
