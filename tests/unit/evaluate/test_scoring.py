"""Three classes, one of them idle, with numbers that can be counted by hand."""

import numpy as np
import numpy.typing as npt
import pytest
from scipy.special import softmax

from rtbci.evaluate.eye import check_eyes
from rtbci.evaluate.online import Span, thresholds
from rtbci.evaluate.record import SubjectRecord, SubjectScore, TrialRecord
from rtbci.evaluate.scoring import Rules, active_log_probs, score_condition
from rtbci.evaluate.summary import operating_point, summarize_condition
from rtbci.evaluate.trials import TRACKS, Trial
from rtbci.recipes import DecisionSettings
from rtbci.stages.stage import FloatArray

HOP_S = 0.5
CLASSES = ("left", "rest", "right")
IDLE = 1
SAID = {
    "L": (0.8, 0.1, 0.1),
    "l": (0.5, 0.3, 0.2),
    "I": (0.05, 0.8, 0.15),
    "i": (0.3, 0.4, 0.3),
    "R": (0.1, 0.1, 0.8),
    "r": (0.2, 0.3, 0.5),
}
SERIES = "IIiLILLliIILLIRRRrllIIII"
"""Windows at 0.5, 1.0, ... 12.0 s."""
TRIALS = (Trial(0, 2.0, 4.0, 0), Trial(0, 4.0, 6.0, IDLE), Trial(0, 6.0, 8.0, 2), Trial(0, 10.0, 12.0, 0))
"""Imagery in windows 2.5-4.0 (left), 6.5-8.0 (right) and 10.5-12.0 s (left); 12 windows of idle."""
DECISION = DecisionSettings(threshold=0.45, dwell_s=0.5, refractory_s=1.0, smoothing_s=0.0)
RULES = Rules(CLASSES, DECISION, HOP_S, TRACKS["B"])


def score(logits: FloatArray, i_classes: npt.NDArray[np.intp], sweep: bool = False) -> SubjectScore:
    t_newest = HOP_S * np.arange(1, len(SERIES) + 1, dtype=np.float64)
    span = Span(t_newest, np.array([SAID[letter] for letter in SERIES]), TRIALS, RULES.idle)
    return score_condition(active_log_probs(logits, 1.0, RULES), i_classes, [span], RULES, sweep)


@pytest.fixture(scope="module")
def scored() -> SubjectScore:
    return score(np.array([[2.0, 0.0, 1.0]]), np.array([0], dtype=np.intp), sweep=True)


def test_activations(scored: SubjectScore) -> None:
    # decided: left at 3.5 (right; the dwell of 2.0 s was ended by idle), left at 6.5 (wrong), right at 8.0, left at
    # 10.0 (false). Idle is never decided for, so that it cannot keep the ones at 6.5 and 8.0 s away.
    wanted = {
        "true_activation": 2 / 3,
        "wrong_first_activation": 1 / 3,
        "false_per_min": 10.0,  # one in 6 s
        "late_share_of_false": 0.0,
        "first_correct_s": (1.5 + 2.0) / 2,
        "idle_min": 0.1,
    }
    assert {name: scored.metrics[name] for name in wanted} == pytest.approx(wanted)


def test_states(scored: SubjectScore) -> None:
    # held: left at 3.5, 4.0, 6.5, 10.0; right at 8.0, 8.5, 9.0; idle everywhere else. Rows what was asked for:
    #            left  right  idle
    # left          2      0     6
    # right         1      1     2
    # idle          1      2     9
    expected = 8 * 4 + 4 * 3 + 12 * 17
    spread = (24**2 - 8**2 - 4**2 - 12**2) * (24**2 - 4**2 - 3**2 - 17**2)
    wanted = {
        "online_balanced_accuracy": (2 / 8 + 1 / 4 + 9 / 12) / 3,
        "online_kappa": (24 * 12 - expected) / (24**2 - expected),
        "online_nmcc": ((24 * 12 - expected) / spread**0.5 + 1) / 2,
    }
    assert {name: scored.metrics[name] for name in wanted} == pytest.approx(wanted)


def test_windows(scored: SubjectScore) -> None:
    # Imagery, idle left out: left said in 3 of 8, right in 3 of 4 (of these one is idle with right ahead of left).
    assert scored.metrics["imagery_windows_balanced_accuracy"] == pytest.approx((3 / 8 + 3 / 4) / 2)
    # All windows, idle a class like any other: 3 left, 2 right and 6 idle are right.
    assert np.sum(scored.window_bins, axis=0)[[0, 2]].tolist() == [24, 11]


def test_sweep_and_operating_point(scored: SubjectScore) -> None:
    tried = thresholds(3)
    # The false one has 0.5, all right ones 0.8; below 0.4 an unsure idle window (0.4) still is no decision.
    assert scored.sweep_false == pytest.approx(np.where(tried <= 0.5, 10.0, 0.0).tolist())
    assert scored.sweep_true == pytest.approx(np.where(tried <= 0.8, 2 / 3, 0.0).tolist())
    point = operating_point([scored], tried.tolist())
    assert point.threshold == tried[tried > 0.5][0]
    assert point.true_activation is not None
    assert point.false_per_min is not None
    assert point.true_activation.mean == pytest.approx(2 / 3)
    assert point.false_per_min.mean == 0.0


def test_cue_locked_leaves_idle_out() -> None:
    logits = np.array([[1.0, 9.0, 0.0], [0.0, 9.0, 2.0], [0.0, -9.0, 2.0]])
    log_probs = active_log_probs(logits, 2.0, RULES)
    np.testing.assert_allclose(np.exp(log_probs).sum(axis=1), 1.0, rtol=1e-12)
    np.testing.assert_allclose(np.exp(log_probs), softmax(logits[:, [0, 2]] / 2.0, axis=1), rtol=1e-12)
    found = score(logits, np.array([0, 2, 0], dtype=np.intp))  # idle is the most probable of all three in two
    assert found.metrics["accuracy"] == pytest.approx(2 / 3)
    assert found.metrics["balanced_accuracy"] == pytest.approx((1 / 2 + 1) / 2)
    assert found.sweep_true == found.sweep_false == []


def test_one_class_alone_is_no_choice_and_has_no_accuracy() -> None:
    times = np.arange(0.0, 12.0, 0.25)
    hand = np.where((times >= 3.0) & (times < 7.0), 0.9, 0.1)
    span = Span(times, np.stack([hand, 1.0 - hand], axis=1), (Trial(0, 2.0, 7.0, 0),), 1)
    rules = Rules(("hand", "rest"), DecisionSettings(smoothing_s=0.0), 0.25, TRACKS["B"])
    scored = score_condition(np.zeros((1, 1)), np.zeros(1, np.intp), [span], rules, sweep=False)
    trial = TrialRecord(
        run=0, t_cue_s=2.0, cue="hand", t_window_s=(3.0, 5.0), log_probs={"k0": [0.0]}, margin={}
    )
    subject = SubjectRecord(
        name="S1",
        fold="",
        seen="no",
        n_runs=1,
        recorded_s=12.0,
        decoding_s=0.1,
        wall_s=0.1,
        interpolated=[],
        scores={"k0": scored},
        trials=[trial],
    )
    assert summarize_condition("k0", [subject], ["hand"], 4.0, []).ece_trials is None
    found = scored.metrics
    assert found["balanced_accuracy"] is None
    assert found["itr_bits_per_min"] is None
    assert found["imagery_windows_balanced_accuracy"] is None
    assert found["true_activation"] == 1.0
    assert found["false_per_min"] == 0.0


def test_eyes_cannot_tell_one_class_from_itself() -> None:
    nothing = [np.zeros((2, 3))] * 3
    found = check_eyes(("FP1",), nothing, nothing, [np.zeros(2, np.intp)] * 3, [np.zeros(2)] * 3, ("hand",))
    assert found.r2 is None
    assert "one class that is not idle" in found.note
