import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtbci.errors import ConfigError, ShapeError
from rtbci.probe.baseline import MAD_TO_SD, Baseline, log_odds
from rtbci.probe.profile_record import BaselineEntry
from rtbci.stages.stage import FloatArray


def baseline(**changes: object) -> Baseline:
    settings = {"window_s": 1.0, "hop_s": 0.5, "length_s": 3.0, "spread": 2.0, "prior_s": 3.0} | changes
    return Baseline(2, 1, **settings)  # type: ignore[arg-type]


def learnt(values: list[float], **changes: object) -> Baseline:
    tested = baseline(**changes)
    for one in values:
        assert tested.push(np.array([0.0, one])) is None
    return tested


def test_it_says_nothing_until_it_is_known_and_then_takes_the_median_off() -> None:
    tested = learnt([1.0, 1.2, 0.8, 1.1])
    assert (tested.is_there, tested.learnt_s, tested.entry) == (False, 2.5, None)
    assert tested.push(np.array([0.0, 50.0])) is None  # a cough counts as one window above the middle
    assert tested.is_there
    assert tested.learnt_s == tested.length_s == 3.0
    centred = tested.push(np.array([3.0, 4.1]))
    assert centred is not None
    np.testing.assert_allclose(centred, [3.55, 3.55])
    own = MAD_TO_SD * np.median(np.abs(np.array([1.0, 1.2, 0.8, 1.1, 50.0]) - 1.1))
    assert tested.spread == pytest.approx(np.sqrt((own**2 + 2.0**2) / 2))
    assert tested.entry == BaselineEntry(centre=[-0.55, 0.55], spread=tested.spread, length_s=3.0)


def test_what_is_spoilt_is_not_learnt_for_as_long_as_windows_hold_it() -> None:
    tested = learnt([1.0, 1.0, 1.0])
    tested.is_trusted = False
    tested.push(np.array([0.0, 90.0]))
    tested.is_trusted = True
    assert tested.learnt_s == 2.0
    tested.push(np.array([0.0, 90.0]))  # half of it is still bad
    assert tested.learnt_s == 2.0
    for _ in range(2):
        tested.push(np.array([0.0, 1.0]))
    assert tested.entry is not None
    assert tested.entry.centre == [-0.5, 0.5]


def test_a_profile_knows_it_from_the_start_and_reset_keeps_that() -> None:
    known = BaselineEntry(centre=[-1.0, 1.0], spread=0.5, length_s=60.0)
    tested = baseline(start=known)
    assert (tested.is_there, tested.source, tested.spread) == (True, "profile", 0.5)
    np.testing.assert_array_equal(tested.push(np.array([0.0, 2.0])), [1.0, 1.0])
    tested.reset()
    assert tested.entry is not None
    assert tested.entry.centre == known.centre
    tested.begin()
    assert (tested.is_there, tested.source) == (False, "stream")
    with pytest.raises(ShapeError, match="has 3 classes, need 2; measure it again"):
        tested.begin(BaselineEntry(centre=[0.0, 0.0, 0.0], spread=1.0, length_s=1.0))


def test_flat_windows_have_a_spread_to_divide_by() -> None:
    assert learnt([0.0] * 5, prior_s=0.0).spread > 0


def test_it_stays_unless_told_to_follow() -> None:
    tested = learnt([0.0] * 5)
    for _ in range(1000):
        tested.push(np.array([0.0, 9.0]))
    centred = tested.push(np.array([0.0, 5.0]))
    assert centred is not None
    assert log_odds(centred, 1) == 5.0


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=60), st.floats(0.0, 3.0))
def test_drift_is_bounded_whatever_comes(values: list[float], max_drift: float) -> None:
    tested = learnt([0.0] * 5, follow_s=0.6, max_drift=max_drift)
    for one in values:
        logits = np.array([0.0, one])
        centred = tested.push(logits)
        assert centred is not None
        moved = log_odds(logits, 1) - log_odds(centred, 1)
        assert abs(moved) <= max_drift * tested.spread + 1e-9


def test_following_goes_with_its_time_constant() -> None:
    tested = learnt([0.0] * 5, follow_s=10.0, max_drift=10.0)
    shifts: list[FloatArray] = []
    for _ in range(20):  # ten seconds
        centred = tested.push(np.array([0.0, 1.0]))
        assert centred is not None
        shifts.append(centred)
    assert log_odds(shifts[0], 1) == 1.0
    assert log_odds(shifts[-1], 1) == pytest.approx(np.exp(-0.95), rel=1e-6)


def test_log_odds_of_several_classes() -> None:
    logits = np.array([1.0, 2.0, -0.5])
    probs = np.exp(logits) / np.exp(logits).sum()
    assert log_odds(logits, 1) == pytest.approx(np.log(probs[1] / (1 - probs[1])))
    tested = Baseline(3, 0, window_s=1.0, hop_s=1.0, length_s=2.0)
    assert log_odds(np.zeros(3), 0) == pytest.approx(tested.middle)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"hop_s": 0.0}, "hop_s is 0, need a number above 0"),
        ({"spread": -1.0, "follow_s": 0.0}, "spread is -1, follow_s is 0"),
        ({"length_s": 0.5}, "length_s 0.5 for windows of 1 s"),
        ({"max_drift": float("nan")}, "max_drift nan"),
    ],
)
def test_impossible_settings(changes: dict[str, float], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        baseline(**changes)
