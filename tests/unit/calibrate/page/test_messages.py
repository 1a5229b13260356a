import json

from rtbci.calibrate.page.messages import tell, welcome
from rtbci.calibrate.presenter import Feedback
from rtbci.calibrate.schedule import Schedule
from rtbci.probe.calibration_record import CurvePoint
from tests.calibration_steps import CLASSES, protocol


def test_the_welcome_has_all_that_is_drawn() -> None:
    message = json.loads(welcome("T", Schedule(protocol(), CLASSES)))
    assert (message["type"], message["title"], message["n_trials"], message["tone"]) == (
        "welcome",
        "T",
        40,
        True,
    )
    assert [cue["symbol"] for cue in message["cues"]] == ["left", "right"]
    assert set(message["shapes"]) == {"cross", "left", "right"}


def test_feedback_as_a_message() -> None:
    curve = (CurvePoint(n_trials=10, accuracy=60.0, low=40.0, high=80.0),)
    message = json.loads(
        tell(Feedback(Schedule(protocol(), CLASSES).progress, False, "blink", curve, "Rest."))
    )
    assert (message["accepted"], message["reason"], message["advice"]) == (False, "blink", "Rest.")
    assert message["curve"] == [[10, 60.0, 40.0, 80.0]]
    assert (message["n_left"], message["n_accepted"], message["n_rejected"]) == (40, 0, 0)
