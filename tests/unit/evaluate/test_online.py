import numpy as np
import pytest

from rtbci.evaluate.online import Counts, Span, count_activations, decide, held_labels, thresholds
from rtbci.evaluate.trials import IDLE, Trial
from rtbci.recipes import DecisionSettings

HOP_S = 0.5
CLASSES = ("left", "right")
PULSE = DecisionSettings(threshold=0.8, dwell_s=0.0, refractory_s=1.0, smoothing_s=0.0)


def span(p_left: list[float | None], *trials: Trial, idle: int | None = None) -> Span:
    """Windows at 0.5, 1.0, ... s with the given probability of left; None where no window is full."""
    probs = [(np.nan, np.nan) if p is None else (p, 1 - p) for p in p_left]
    t_newest = HOP_S * np.arange(1, len(probs) + 1, dtype=np.float64)
    return Span(t_newest, np.array(probs, dtype=np.float64), trials, idle)


def counted(one: Span, settings: DecisionSettings = PULSE) -> Counts:
    counts = Counts()
    count_activations(counts, one, decide(one, CLASSES, settings), HOP_S, settings.refractory_s)
    return counts


def test_activations_by_hand() -> None:
    trials = Trial(0, 1.0, 3.0, 0), Trial(0, 5.0, 7.0, 1)
    #     t: 0.5  1.0  1.5  2.0  2.5  3.0  3.5  4.0  4.5  5.0  5.5  6.0  6.5  7.0
    p_left = [0.9, 0.5, 0.5, 0.9, 0.9, 0.5, 0.1, 0.5, 0.5, 0.5, 0.9, 0.5, 0.1, 0.5]
    found = counted(span(p_left, *trials))  # type: ignore[arg-type]
    # 0.5 s and 3.5 s are idle; 2.0 s right; 5.5 s wrong, then right at 6.5 s; 2.5 s falls into the pause
    assert (found.n_trials, found.n_true, found.n_wrong_first, found.n_false) == (2, 2, 1, 2)
    assert found.n_late == 1  # at 3.5 s, half a second after a trial
    assert found.first_right_s == [1.0, 1.5]
    assert found.idle_s == pytest.approx(HOP_S * 6)  # imagery: 1.5 to 3 s and 5.5 to 7 s
    assert found.false_per_min == pytest.approx(60 * 2 / 3.0)
    assert found.true_share == 1.0


def test_windows_that_are_not_full_do_not_count() -> None:
    found = counted(span([None, None, 0.9, None], Trial(0, 0.0, 1.2, 0), Trial(0, 1.5, 2.0, 0)))
    assert (found.n_trials, found.n_false, found.idle_s) == (0, 1, HOP_S)
    assert np.isnan(found.true_share)
    assert np.isnan(Counts().false_per_min)


def test_a_held_decision_is_one_activation() -> None:
    held = PULSE.model_copy(update={"refractory_s": 0.0})
    assert counted(span([0.9, 0.9, 0.9, 0.5, 0.9, 0.1, 0.1]), held).n_false == 3
    assert counted(span([0.9] * 7)).n_false == 4  # pulses, a second apart


def test_state_is_held_while_the_threshold_is() -> None:
    assert held_labels(span([0.9, 0.9, 0.5, 0.1, 0.1]), CLASSES, PULSE).tolist() == [0, 0, IDLE, 1, 1]


def test_an_idle_class_makes_no_activation() -> None:
    classes = ("left", "idle", "right")
    probs = np.array([[0.9, 0.05, 0.05], [0.0, 1.0, 0.0], [0.0, 0.1, 0.9], [0.1, 0.9, 0.0]])
    one = Span(np.arange(4.0) + 1, probs, (Trial(0, 0.4, 1.5, 0), Trial(0, 1.5, 2.5, 1)), 1)
    settings = DecisionSettings(threshold=0.8, dwell_s=0.0, refractory_s=0.0, smoothing_s=0.0)
    decided = decide(one, classes, settings)
    assert decided.tolist() == [0, IDLE, 2, IDLE]
    counts = Counts()
    count_activations(counts, one, decided, 1.0, 0.0)
    assert (counts.n_trials, counts.n_true, counts.n_false, counts.idle_s) == (1, 1, 1, 3.0)


def test_idle_time_costs_no_activation() -> None:
    classes = ("left", "idle", "right")
    probs = np.array([[0.1, 0.8, 0.1]] * 3 + [[0.8, 0.1, 0.1]] * 2 + [[0.3, 0.4, 0.3]])
    one = Span(HOP_S * np.arange(1.0, 7.0), probs, (), 1)
    settings = DecisionSettings(threshold=0.35, dwell_s=HOP_S, refractory_s=5.0, smoothing_s=0.0)
    assert decide(one, classes, settings).tolist() == [IDLE, IDLE, IDLE, IDLE, 0, IDLE]
    assert held_labels(one, classes, settings).tolist() == [IDLE, IDLE, IDLE, IDLE, 0, IDLE]


def test_thresholds_go_from_chance_to_almost_sure() -> None:
    found = thresholds(3)
    assert found[0] == pytest.approx(1 / 3, abs=1e-4)
    assert found[-1] == 0.995
    assert (np.diff(found) > 0).all()
