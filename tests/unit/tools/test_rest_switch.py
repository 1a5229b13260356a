import numpy as np
import pytest

from rtbci.evaluate.online import Span
from rtbci.evaluate.trials import Trial
from rtbci.recipes import read_paradigm
from rtbci.stream.labels import mirror_columns
from tests.data_paths import data_dir, needs_data
from tools.rest_switch.fitting import fit_switch, margins, out_of_fold, window_ends
from tools.rest_switch.periods import IMAGERY, REST, Periods, read_periods
from tools.rest_switch.policies import Counted, choose_policy, count_policies, policies_of
from tools.training.signals import POSTERIOR

N_BLOCKS = 12


def made(n_subjects: int = 6, n_each: int = 10) -> Periods:
    """Three electrodes, C3 CZ C4, of which the outer ones are weaker during imagery."""
    rng = np.random.default_rng(0)
    labels = np.tile(np.repeat([IMAGERY, REST], n_each), n_subjects)
    signal = rng.standard_normal((len(labels), N_BLOCKS, 2, 3, 64))
    signal[labels == IMAGERY] *= np.array([0.6, 1.0, 0.6])[:, np.newaxis]
    moments = (signal @ signal.swapaxes(-1, -2) / 64).astype(np.float32)
    subjects = np.repeat(np.arange(n_subjects), 2 * n_each)
    return Periods(moments, labels, subjects, {i: np.eye(3) for i in range(n_subjects)})


def test_windows_begin_a_second_after_a_period_did() -> None:
    assert window_ends(2.0) == [4.0, 3.0]
    assert window_ends(3.0) == [4.0]
    periods = made(1, 2)
    np.testing.assert_allclose(
        periods.windows(2.0, 3.0), periods.moments[:, :8].mean(axis=1, dtype=float), rtol=1e-6
    )


def test_rest_is_told_from_imagery_on_people_who_were_not_seen() -> None:
    periods = made()
    folds = [periods.subjects % 2 == i for i in range(2)]
    found, probes = out_of_fold(periods, folds, 2.0, mirror_columns(("C3", "CZ", "C4")))
    right = (found[:, 0] > 0) == (periods.labels == REST)
    assert right.mean() > 0.95
    assert len(probes) == 2
    again = fit_switch(periods, ~folds[0], 2.0, mirror_columns(("C3", "CZ", "C4")))
    np.testing.assert_allclose(margins(again, periods.windows(2.0, 4.0)[folds[0]]), found[folds[0], 0])


def test_a_policy_is_chosen_by_what_it_meets_below_the_limit() -> None:
    met, false = (
        np.array([[9.0, 9.0], [6.0, 6.0], [3.0, 3.0]]),
        np.array([[20.0, 20.0], [4.0, 4.0], [1.0, 1.0]]),
    )
    whole = np.full((3, 2), 10.0)
    counted = Counted(met, whole, false, np.full((3, 2), 60.0), whole)
    everyone = np.ones(2, bool)
    assert [choose_policy(counted, everyone, limit) for limit in (30.0, 5.0, 1.0, 0.5)] == [0, 1, 2, 2]
    share, rate = counted.rates(1)
    np.testing.assert_allclose(share, 0.6)
    np.testing.assert_allclose(rate, 4.0)


def test_policies_are_counted_as_evaluations_count() -> None:
    recipe = read_paradigm("motor_imagery_rest")
    times = np.arange(0.0, 20.0, recipe.window.hop_s)
    hand = np.where((times >= 5.5) & (times < 9.0), 0.97, 0.03)
    span = Span(times, np.stack([hand, 1.0 - hand], axis=1), (Trial(0, 5.0, 9.0, 0),), recipe.idle)
    counted = count_policies([[span]], recipe, policies_of(recipe.decision))
    assert counted.met.max() == 1.0
    assert np.median(counted.false) == 0.0  # some are still smoothed when the trial is over
    assert (counted.trials == 1.0).all()


@needs_data
@pytest.mark.data
def test_periods_of_a_recording() -> None:
    periods = read_periods([data_dir() / "eegmmidb" / "S001.npz"], POSTERIOR)
    assert periods.moments.shape[1:] == (N_BLOCKS, 4, len(POSTERIOR), len(POSTERIOR))
    assert set(periods.subjects.tolist()) == {1}
    share = (periods.labels == REST).mean()
    assert share == pytest.approx(0.5, abs=0.05)
    power = np.trace(periods.moments.mean(axis=1), axis1=-2, axis2=-1).mean()
    assert 0.05 < power < 5.0  # aligned: one per channel, over four bands
