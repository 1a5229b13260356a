from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from rtbci.publish.messages import Prediction
from rtbci.runtime.value_score import ValueScore
from tools.write_schema import samples

VALUED, EVENT = samples()["prediction with a value"], samples()["event"]


def fed(values: Sequence[tuple[float, float | None]], cues: Sequence[tuple[float, str]]) -> ValueScore:
    score = ValueScore("high", settled_s=2.0)
    for t, name in cues:
        score.send(replace(EVENT, kind="marker", t_lsl=t, value=name, data={"class": name}))
    for t, value in values:
        assert isinstance(VALUED, Prediction)
        score.send(replace(VALUED, t_window=(t - 1.0, t), value=value))
    return score


def test_settled_windows_are_compared() -> None:
    values = [(float(t), 0.2 if t < 10 else 0.9) for t in range(20)]
    found = fed([*values, (20.0, None)], [(0.0, "low"), (8.0, "high")]).numbers()
    assert found is not None
    assert (found.n, found.auc) == (16, 1.0)
    assert (found.mean_of, found.mean_else) == pytest.approx((0.9, 0.2))
    assert 0.7 < found.correlation < 1.0  # two windows follow late


def test_both_states_are_needed() -> None:
    assert fed([], []).numbers() is None
    assert fed([(5.0, 0.5)] * 4, [(0.0, "low")]).numbers() is None
    assert fed([(5.0, 0.5)] * 4, []).numbers() is None


def test_equal_values_are_chance() -> None:
    values = [(float(t), 0.5 + 0.1 * (t % 2)) for t in range(20)]
    found = fed(values, [(0.0, "low"), (10.0, "high")]).numbers()
    assert found is not None
    assert found.auc == pytest.approx(0.5)
