import sys

import numpy as np
import pytest

from rtbci.errors import MissingPackageError
from rtbci.evaluate.eye import LIMIT_R2, check_eyes, need_sklearn
from rtbci.evaluate.frontal import N_PIECES, FrontalRun, eye_rule, frontal_columns
from tests.unit.evaluate.samples import REST_S, TRIAL_S, imagery_recording

CLASSES = ("left_hand", "right_hand")
CODES = (1, 2, 2, 1, 1, 2, 1, 2, 2, 1)


def cues() -> np.ndarray:
    return REST_S + (REST_S + TRIAL_S) * np.arange(len(CODES))


def features(seed: int, gaze_uv: float) -> tuple[np.ndarray, np.ndarray]:
    run = imagery_recording(CODES, seed, gaze_uv)
    read = FrontalRun(run, list(frontal_columns(run)))
    return (
        np.stack([read.features(t, (t + 1.0, t + 4.0)) for t in cues()]),
        np.array([read.lateral_uv(t) for t in cues()]),
    )


def check(follows_eyes: bool, n_subjects: int = 6):  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(0)
    labels = np.array(CODES) - 1
    found = [features(seed, 40.0) for seed in range(n_subjects)]
    margins = []
    for _ in found:
        signal = (2.0 * labels - 1.0) if follows_eyes else rng.normal(0.0, 1.0, len(labels))
        margins.append(
            np.column_stack([-signal, signal]) / 2 + rng.normal(0.0, 0.2, (len(labels), 1)) * [[-1, 1]]
        )
    return check_eyes(
        ["F7", "F8"], [f for f, _ in found], margins, [labels] * n_subjects, [x for _, x in found], CLASSES
    )


def test_an_output_that_follows_the_eyes_is_told() -> None:
    eye = check(follows_eyes=True)
    assert eye.r2 is not None
    assert eye.r2 > 0.7
    assert eye.is_above
    assert "it may follow the eyes" in eye.note
    assert eye.frontal_accuracy is not None
    assert eye.frontal_accuracy.mean == 1.0
    assert eye.eye_rule is not None
    assert eye.eye_rule.mean == 1.0


def test_an_output_that_does_not_follow_them() -> None:
    eye = check(follows_eyes=False)
    assert eye.r2 is not None
    assert eye.r2 < LIMIT_R2
    assert not eye.is_above


def test_what_cannot_be_checked() -> None:
    few = check(follows_eyes=True, n_subjects=2)
    assert few.r2 is None
    assert few.note == "cannot be checked: 2 subjects, need 3 or more to predict some from others"
    labels, margins = [np.array([0, 1])], [np.zeros((2, 2))]
    none = check_eyes([], [np.empty((2, 0))], margins, labels, [np.full(2, np.nan)], CLASSES)
    assert none.note.startswith("cannot be checked: no frontal electrode was recorded")
    assert none.eye_rule is None


def test_features_by_hand() -> None:
    run = imagery_recording(CODES, gaze_uv=40.0)
    run.data[:, :2] = 0.0
    at = round((cues()[0] + 2.5) * 160)
    run.data[at:, 0] = 10.0  # a step in the middle of the window of 1 to 4 s
    found = FrontalRun(run, ["F7", "F8"]).features(cues()[0], (cues()[0] + 1.0, cues()[0] + 4.0))
    amplitudes = found[: 2 * N_PIECES].reshape(N_PIECES, 2)
    np.testing.assert_allclose(amplitudes[:, 0], [0, 0, 0, 10, 10, 10], atol=0.2)
    np.testing.assert_allclose(amplitudes[:, 1], 0.0)
    assert len(found) == 2 * N_PIECES + 2 * 4


def test_nothing_after_the_window_is_read() -> None:
    run, changed = imagery_recording(CODES), imagery_recording(CODES)
    t_window = (cues()[3] + 1.0, cues()[3] + 4.0)
    changed.data[round(t_window[1] * 160) + 1 :] = 1e4
    one, other = (FrontalRun(r, ["F7", "F8"]).features(cues()[3], t_window) for r in (run, changed))
    np.testing.assert_array_equal(one, other)


def test_the_rule_needs_a_left_and_a_right() -> None:
    lateral = np.array([-3.0, 4.0])
    found = eye_rule(lateral, ("right_hand", "left_hand"))
    assert found is not None
    assert found.tolist() == [1, 0]
    assert eye_rule(lateral, ("hands", "feet")) is None
    run = imagery_recording(CODES)
    assert np.isnan(FrontalRun(run, ["F7"]).lateral_uv(5.0))
    assert np.isnan(FrontalRun(run, ["F7", "F8"]).lateral_uv(0.1))  # no baseline before it


def test_the_rule_is_judged_by_trials_to_the_sides_alone() -> None:
    labels, lateral = np.array([0, 1, 1, 2, 2, 0]), np.array([-30.0, 30.0, 20.0, 5.0, -5.0, 4.0])
    three, two = ("left_hand", "right_hand", "feet"), ("left_hand", "right_hand")
    sides = labels < 2
    found = [
        check_eyes([], [], [], [one], [uv], classes).eye_rule
        for one, uv, classes in ((labels, lateral, three), (labels[sides], lateral[sides], two))
    ]
    assert found[0] is not None
    assert found[0] == found[1]
    assert found[0].mean == 0.75  # with the feet's trials it could not be above two thirds
    turned = check_eyes([], [], [], [2 - labels], [lateral], ("feet", "right_hand", "left_hand")).eye_rule
    assert turned == found[0]


def test_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    need_sklearn()
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(MissingPackageError, match="scikit-learn is not installed"):
        need_sklearn()
