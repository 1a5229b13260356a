from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from rtbci.calibrate.bakeoff import can_judge, choose, losses, run_bakeoff
from rtbci.calibrate.candidates import Population
from rtbci.calibrate.competing import ANY_GAIN, FROM_PEOPLE, Evidence, folds_of
from rtbci.calibrate.features import TrialFeatures
from rtbci.calibrate.own_decoders import SURE_GAIN
from rtbci.probe.profile import Profile
from rtbci.stages.stage import FloatArray
from tests.unit.calibrate.user_samples import features, population


@dataclass
class Memory:
    """Knows the trials that it has seen, guesses all others."""

    population: Profile
    name: str = "memory"
    evidence: Evidence = ANY_GAIN
    known: dict[int, int] = field(default_factory=dict)

    def fit(self, trials: Sequence[TrialFeatures]) -> "Memory":
        return Memory(self.population, known={one.i_trial: one.i_class for one in trials})

    def logits(self, trial: TrialFeatures) -> FloatArray:
        said = np.zeros_like(trial.logits)
        said[:, self.known.get(trial.i_trial, int(trial.i_trial % 3 == 0))] = 1.0
        return said

    def profile(self) -> Profile:
        return self.population


@dataclass
class Broken:
    """Cannot be fitted."""

    name: str = "broken"
    evidence: Evidence = ANY_GAIN

    def fit(self, trials: Sequence[TrialFeatures]) -> "Memory":
        raise np.linalg.LinAlgError(f"singular, from {len(trials)} trials")


def test_no_trial_is_judged_by_a_fit_that_saw_it() -> None:
    profile = population()
    rng = np.random.default_rng(1)
    trials = features(40, profile, labels=rng.integers(0, 2, 40).tolist())
    found = run_bakeoff([Population(profile), Memory(profile)], trials)
    right = found.outcomes[1].logits.argmax(axis=1) == found.labels
    assert 0.25 < right.mean() < 0.75
    assert np.array_equal(found.outcomes[1].logits.argmax(axis=1), [one.i_trial % 3 == 0 for one in trials])


def test_what_cannot_be_fitted_leaves_the_race() -> None:
    profile = population()
    found = run_bakeoff([Population(profile), Broken()], features(10, profile))
    assert found.chosen.name == "population"
    assert found.outcomes[1].note == "could not be fitted: singular, from 8 trials"
    assert np.isnan(found.outcomes[1].logits).all()
    assert np.array_equal(found.nested, found.outcomes[0].logits)


def test_folds_are_balanced_and_all_used() -> None:
    labels = [0, 1] * 12 + [0] * 3
    folds = folds_of(labels)
    for fold in range(5):
        counts = np.bincount(np.array(labels)[folds == fold], minlength=2)
        assert abs(counts[0] - counts[1]) <= 1
    assert set(folds_of([0, 0, 1, 1])) == {0, 1}


def test_whether_it_can_be_judged() -> None:
    assert not can_judge([0, 0, 0, 1])
    assert not can_judge([0, 0])
    assert can_judge([0, 1, 0, 1])


def test_losses_are_over_the_classes_that_were_asked_for() -> None:
    logits = np.array([[0.0, 9.0, 0.0], [0.0, 9.0, 0.0]])
    assert losses(logits, np.array([0, 2])) == pytest.approx(np.log(2) * np.ones(2))


def test_chance_seldom_brings_an_own_decoder_in() -> None:
    taken = {"any": 0, "sure": 0}
    for seed in range(400):
        rng = np.random.default_rng(seed)
        base, other = rng.gamma(2.0, 0.3, (2, 24))
        labels = np.arange(24) % 2
        taken["any"] += choose([base, other], [ANY_GAIN, ANY_GAIN], labels)
        taken["sure"] += choose([base, other], [ANY_GAIN, SURE_GAIN], labels)
    assert taken["any"] > 150
    assert taken["sure"] < 30


def test_what_an_own_decoder_needs() -> None:
    rng = np.random.default_rng(0)
    base = 0.7 + 0.1 * rng.random(24)
    labels = np.arange(24) % 2
    much, little = base - 0.3, base - 0.05
    assert choose([base, much], [ANY_GAIN, SURE_GAIN], labels) == 1
    assert choose([base, little], [ANY_GAIN, SURE_GAIN], labels) == 0
    assert choose([base[:18], much[:18]], [ANY_GAIN, SURE_GAIN], labels[:18]) == 0  # nine of each class
    assert choose([base, little, much], [ANY_GAIN] * 3, labels) == 2


def test_a_prior_learned_from_people_stands_in_the_populations_place_unless_it_is_clearly_worse() -> None:
    base = 0.7 + 0.1 * np.random.default_rng(0).random(24)
    labels = np.arange(24) % 2
    noise = 0.4 * np.where(np.arange(24) % 2, 1.0, -1.0)  # standard error of the mean: 0.08
    worse, much_worse = base + noise + 0.1, base + noise + 0.2
    assert choose([base, worse], [ANY_GAIN, FROM_PEOPLE], labels) == 1
    assert choose([base, much_worse], [ANY_GAIN, FROM_PEOPLE], labels) == 0
    assert choose([base, np.full(24, np.nan)], [ANY_GAIN, FROM_PEOPLE], labels) == 0
    assert choose([base[:3], base[:3]], [ANY_GAIN, FROM_PEOPLE], labels[:3]) == 0  # one trial of a class


def test_an_own_decoder_is_compared_with_the_one_that_it_would_replace() -> None:
    base = 0.7 + 0.1 * np.random.default_rng(0).random(24)
    labels, evidence = np.arange(24) % 2, [ANY_GAIN, FROM_PEOPLE, SURE_GAIN]
    assert choose([base, base - 0.3, base - 0.35], evidence, labels) == 1
    assert choose([base, base - 0.3, base - 0.45], evidence, labels) == 2
    assert (
        choose([base, base + 0.3, base - 0.15], evidence, labels) == 2
    )  # the population's stands: 0.15 is enough
