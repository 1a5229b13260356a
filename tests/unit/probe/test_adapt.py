import math

import numpy as np
import pytest

from rtbci.errors import ConfigError
from rtbci.probe.adapt import Adaptation
from rtbci.probe.recentre import Recentre
from rtbci.stages.stage import FloatArray

HOP_S = 0.0625
MINUTE = 960


def rows(margins: FloatArray) -> FloatArray:
    return np.column_stack([-margins / 2, margins / 2])


def through(adaptation: Adaptation | Recentre, logits: FloatArray) -> FloatArray:
    return np.stack([adaptation.push(one) for one in logits])


def chosen(n: int, share: float, separation: float, seed: int = 0) -> tuple[FloatArray, FloatArray]:
    """Margins of a user who rests half of the time and else chooses class 0 with this share; and what he does."""
    rng = np.random.default_rng(seed)
    acts = rng.choice([0.0, -1.0, 1.0], n // 64, p=[0.5, 0.5 * share, 0.5 * (1 - share)]).repeat(64)
    return separation * acts + 0.6 * rng.standard_normal(len(acts)), acts


def test_formula_of_the_first_windows() -> None:
    adaptation = Adaptation(2, 1.0, prior_s=3.0, learn_s=1.0, time_constant_s=1e12)
    first = adaptation.push(np.array([0.5, 1.5]))
    np.testing.assert_array_equal(first, [0.5, 1.5])  # it never sees itself
    near = math.exp(-0.5 / (2 * 0.3**2 * 0.125))
    centre = near * 0.5 / (near + 3.0)
    np.testing.assert_allclose(adaptation.centre, [-centre, centre], rtol=1e-9)
    np.testing.assert_allclose(adaptation.push(np.array([0.0, 0.0])), [centre, -centre], rtol=1e-9)


def test_it_is_told_when_it_is_on_and_changes_nothing_before() -> None:
    logits = rows(1.0 + 0.3 * np.random.default_rng(0).standard_normal(MINUTE))
    adaptation = Adaptation(2, HOP_S, learn_s=30.0)
    out = through(adaptation, logits)
    np.testing.assert_array_equal(out[:480], logits[:480])
    assert not np.isclose(out[480:], logits[480:]).any()
    assert [(one.kind, one.reason) for one in adaptation.events] == [("adaptation_on", "")]
    assert adaptation.is_on


def test_a_lean_is_learnt_slowly() -> None:
    margins, _ = chosen(20 * MINUTE, 0.5, 1.0)
    out = through(Adaptation(2, HOP_S, width=0.6), rows(margins + 0.4))
    left = np.diff(out[-5 * MINUTE :]).mean() - margins[-5 * MINUTE :].mean()
    assert 0.0 < left < 0.34  # of 0.4, after 20 minutes


def test_a_user_who_favours_a_class_moves_it_less_than_a_plain_mean() -> None:
    margins, _ = chosen(10 * MINUTE, 0.9, 1.2)
    shifts = {
        type(one).__name__: np.diff(through(one, rows(margins))[-MINUTE:]).mean() - margins[-MINUTE:].mean()
        for one in (Adaptation(2, HOP_S), Recentre(2, HOP_S, 120.0))
    }
    assert shifts["Recentre"] > 0.3
    assert abs(shifts["Adaptation"]) < 0.5 * shifts["Recentre"]


def test_a_centre_that_runs_away_is_taken_back() -> None:
    """Two classes far apart, no rest, nine in ten the same: the centre goes to that class, and all confidence with it."""
    rng = np.random.default_rng(0)
    margins = rng.choice([-2.0, 2.0], 10 * MINUTE, p=[0.9, 0.1]) + 0.7 * rng.standard_normal(10 * MINUTE)
    adaptation = Adaptation(2, HOP_S, width=0.6)
    through(adaptation, rows(margins))
    kinds = [(one.kind, one.reason) for one in adaptation.events]
    assert kinds[:2] == [("adaptation_on", ""), ("adaptation_rolled_back", "confidence")]


def test_a_centre_that_no_longer_holds_makes_it_too_sure() -> None:
    rng = np.random.default_rng(0)
    adaptation = Adaptation(2, HOP_S, width=0.6, max_drop=0.6)
    through(adaptation, rows(0.9 + 0.2 * rng.standard_normal(20 * MINUTE)))
    assert adaptation.is_on
    assert adaptation.centre[1] > 0.2
    adaptation.events.clear()
    through(adaptation, rows(0.05 * rng.standard_normal(4 * MINUTE)))
    assert adaptation.events[0][:2] == ("adaptation_rolled_back", "confidence")


def test_rolled_back_is_as_without_and_learns_anew() -> None:
    logits = rows(1.0 + 0.3 * np.random.default_rng(1).standard_normal(2 * MINUTE))
    adaptation = Adaptation(2, HOP_S)
    through(adaptation, logits)
    adaptation.events.clear()
    adaptation.roll_back("signal")
    adaptation.roll_back("signal")  # nothing to take back, nothing to tell
    assert [(one.kind, one.reason) for one in adaptation.events] == [("adaptation_rolled_back", "signal")]
    assert adaptation.events[0].shift > 0
    np.testing.assert_array_equal(adaptation.push(logits[0]), logits[0])
    np.testing.assert_array_equal(through(adaptation, logits), through(after(logits[:1]), logits))


def after(logits: FloatArray) -> Adaptation:
    adaptation = Adaptation(2, HOP_S)
    through(adaptation, logits)
    return adaptation


def test_the_same_logits_give_the_same() -> None:
    margins, _ = chosen(4 * MINUTE, 0.7, 1.0)
    one, other = (through(Adaptation(2, HOP_S), rows(margins)) for _ in range(2))
    np.testing.assert_array_equal(one, other)


def test_idle_neither_shifts_nor_is_shifted() -> None:
    rng = np.random.default_rng(0)
    logits = rng.standard_normal((2 * MINUTE, 3)) * 0.3 + np.array([0.0, 5.0, 0.4])
    out = through(Adaptation(3, HOP_S, idle=1), logits)
    np.testing.assert_array_equal(out[:, 1], logits[:, 1])
    np.testing.assert_allclose(out[:, [0, 2]], through(Adaptation(2, HOP_S), logits[:, [0, 2]]), atol=1e-12)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"width": 0.0}, "width is 0, need a number above 0"),
        ({"prior_s": -1.0, "learn_s": 0.0}, "prior_s is -1, learn_s is 0, need"),
        ({"max_drop": 1.5}, "max_drop is 1.5, need above 0 and at most 1"),
        ({"idle": 0}, "got 1 classes that are not idle, need at least 2"),
    ],
)
def test_settings_out_of_range(changes: dict[str, float], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        Adaptation(2, HOP_S, **changes)  # type: ignore[arg-type]
