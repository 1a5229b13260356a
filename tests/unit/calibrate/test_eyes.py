import numpy as np
import pytest

from rtbci.calibrate.eyes import check_eyes, follow_the_eyes, lateral_uv
from rtbci.calibrate.trial import CalibrationTrial

LABELS = ("F7", "C3", "f8.")
CLASSES = ("left_hand", "right_hand")


def trial(i_class: int, turn_uv: float) -> CalibrationTrial:
    t_raw = np.arange(-1.0, 4.5, 1 / 100)
    raw = np.full(
        (len(t_raw), 3), 100.0, dtype=np.float32
    )  # an offset that is there before the cue tells nothing
    raw[(t_raw >= 0.25) & (t_raw <= 0.5), 2] += turn_uv
    nothing = np.empty((0, 2))
    return CalibrationTrial(
        0, i_class, 0.0, np.empty((0, 1), np.float32), np.empty(0), nothing[:, None], nothing, raw, t_raw
    )


def test_the_movement_is_measured_from_before_the_cue() -> None:
    assert lateral_uv(trial(0, 40.0), LABELS) == pytest.approx(40.0, rel=0.05)
    assert np.isnan(lateral_uv(trial(0, 40.0), ("F7", "C3", "Cz")))


def test_eyes_that_follow_the_cue_are_told() -> None:
    classes = np.arange(20) % 2
    trials = [trial(int(i), 40.0 if i else -40.0) for i in classes]
    found = check_eyes(trials, LABELS, CLASSES, np.where(classes, 1.0, -1.0))
    assert found.accuracy == 100.0
    assert found.r == pytest.approx(1.0)
    assert "output follows the eyes" in found.note
    rng = np.random.default_rng(0)
    other = check_eyes(trials, LABELS, CLASSES, rng.standard_normal(20))
    assert "does not follow them closely" in other.note


def test_eyes_that_do_not_are_no_reason_to_worry() -> None:
    rng = np.random.default_rng(0)
    classes = np.arange(20) % 2
    trials = [trial(int(i), 40.0 * (-1) ** (k // 2)) for k, i in enumerate(classes)]
    found = check_eyes(trials, LABELS, CLASSES, rng.standard_normal(20))
    assert found.accuracy == 50.0
    assert found.note == ""


def test_trials_that_ask_for_no_side_do_not_hide_the_eyes() -> None:
    classes = np.arange(40) % 4
    four = ("left_hand", "right_hand", "feet", "rest")
    trials = [trial(int(i), (-40.0, 40.0, 5.0, -5.0)[i]) for i in classes]
    margins = np.where(classes == 1, 1.0, -1.0)
    margins[classes > 1] = np.random.default_rng(0).standard_normal(20) * 5
    found = check_eyes(trials, LABELS, four, margins)
    assert found.accuracy == 100.0
    assert found.r == pytest.approx(1.0)
    assert follow_the_eyes(found)
    assert not follow_the_eyes(None)
    feet = check_eyes([one for one in trials if one.i_class > 1], LABELS, four, np.zeros(20))
    assert feet.note == "not checked: fewer than four trials asked for the left or the right"


@pytest.mark.parametrize(
    ("labels", "classes", "why"),
    [
        (("A", "B", "C"), CLASSES, "no pair of frontal electrodes"),
        (LABELS, ("feet", "rest"), "not one left and one right"),
    ],
)
def test_what_cannot_be_checked_says_why(labels: tuple[str, ...], classes: tuple[str, ...], why: str) -> None:
    found = check_eyes([trial(0, 1.0)] * 10, labels, classes, np.empty(0))
    assert found.accuracy is None
    assert why in found.note
