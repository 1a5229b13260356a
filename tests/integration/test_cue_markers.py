"""Cues as LSL markers, over loopback."""

import math
import threading
from typing import Any

import pylsl
import pytest

from rtbci.calibrate.markers_out import CueMarkers, MarkedPresenter
from rtbci.calibrate.presenter import Step, guide
from rtbci.calibrate.schedule import Schedule, ScheduledTrial
from rtbci.clock import now, sleep_until
from tests.calibration_steps import CLASSES, FakeClock, FakePresenter, protocol
from tests.integration.lsl_outlets import unique

pytestmark = pytest.mark.net


def receiver(markers: CueMarkers, source_id: str) -> Any:
    [info] = pylsl.resolve_byprop("source_id", source_id, 1, 10.0)
    inlet = pylsl.StreamInlet(info)
    inlet.open_stream(5.0)
    end = now() + 5.0
    while not markers.has_consumers and now() < end:
        sleep_until(now() + 0.01)
    return inlet


def test_steps_and_classes_come_with_their_onsets() -> None:
    clock, source_id = FakeClock(), unique("cues")
    schedule = Schedule(protocol(trials={"per_class": 2, "per_class_in_block": 1}), CLASSES)

    def late_s(step: Step, trial: ScheduledTrial | None) -> float:
        return math.nan if trial is not None and (trial.i_trial, step) == (3, "imagery") else 0.01

    cues: list[tuple[str, float]] = []
    shown = FakePresenter(clock, late_s)
    with CueMarkers(source_id, source_id) as markers:
        inlet = receiver(markers, source_id)
        presenter = MarkedPresenter(shown, markers, CLASSES)
        guide(
            schedule,
            presenter,
            lambda _i, i_class, t: cues.append((CLASSES[i_class], t)),
            threading.Event(),
            clock,
            after_trial=lambda trial: schedule.judge(trial.i_trial, True),
        )
        received = []
        while (sample := inlet.pull_sample(2.0))[0] is not None:
            received.append((sample[0][0], sample[1]))
            if sample[0][0] == "done":
                break
    presenter.close()
    names = [name for name, _ in received]
    arrows = [(name, t) for name, t in received if name in CLASSES]
    assert [name for name, _ in arrows] == [name for name, _ in cues]
    assert [t for _, t in arrows] == pytest.approx([t for _, t in cues])
    assert names.count("unseen") == 1
    assert names[names.index("unseen") - 1] in CLASSES
    assert names[-1] == "done"
    expected = [t for t, _, _ in shown.shown]
    assert [t for name, t in received if name != "unseen"] == pytest.approx(expected)
    assert presenter.measured() == {"shown": len(expected)}
    markers.push("after", 1.0)  # closed: nothing happens
