import numpy as np
import pytest

from rtbci.recipes import read_paradigm
from tests.data_paths import data_dir, needs_data
from tools.workload.fitted import fit_logistic
from tools.workload.measures import Told, auc, decoded, heart_rate
from tools.workload.sessions import SessionReader


def test_auc_and_halves() -> None:
    assert auc(np.array([0.0, 1.0]), np.array([2.0, 3.0])) == 1.0
    assert auc(np.array([1.0, 1.0]), np.array([1.0])) == 0.5
    row = Told(np.array([0.0, 0.0, 1.0, 1.0]), np.array([5.0, 4.0])).row()
    assert row == {"auc": 1.0, "rest_halves": 1.0, "task_halves": 0.0}


def test_a_logistic_regression_finds_the_side() -> None:
    rng = np.random.default_rng(0)
    y = np.repeat([0.0, 1.0], 200)
    x = rng.standard_normal((400, 2)) + np.outer(y, [2.0, 0.0])
    coef, bias = fit_logistic(x, y, np.full(400, 1 / 400), 1e-4)
    assert coef[0] == pytest.approx(2.0, abs=0.5)  # of two normal classes 2 apart
    assert abs(coef[1]) < 0.5
    assert bias == pytest.approx(-2.0, abs=0.7)


def test_beats_are_counted_whatever_the_sign() -> None:
    rate_hz, every_s = 250.0, 0.8
    t_s = np.arange(round(30 * rate_hz)) / rate_hz
    ecg = np.exp(-0.5 * (((t_s % every_s) - 0.4) / 0.01) ** 2)
    for sign in (1.0, -1.0):
        found = heart_rate(sign * ecg, rate_hz, 8.0, 1.0)
        assert found == pytest.approx(75.0, abs=0.5)


@needs_data
@pytest.mark.data
def test_the_shipped_rule_follows_a_person_in_whom_alpha_falls() -> None:
    recipe = read_paradigm("workload")
    (session,) = SessionReader(data_dir() / "eegmat", 60.0).read("Subject03")
    odds, value = decoded(recipe, session)
    assert odds.row()["auc"] > 0.95
    assert value.task.mean() > 0.9 > 0.6 > value.rest.mean()
