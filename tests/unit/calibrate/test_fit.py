import numpy as np
import pytest

from rtbci.calibrate.candidates import PRECISIONS, ConvProbeUser, Population
from rtbci.calibrate.competing import FROM_PEOPLE, Candidate
from rtbci.calibrate.fit import fit_user, with_policy
from rtbci.recipes import DecisionSettings
from tests.unit.calibrate.user_samples import features, population, population_with_prior

DECISION = DecisionSettings()


def test_too_few_trials_keep_the_population() -> None:
    profile = population()
    for n in (0, 1, 3):
        found = fit_user(profile, features(n, profile), "ada", DECISION)
        assert found.judgement is None
        assert found.confidence is None
        assert found.candidates == []
        assert found.profile.user == "ada"
        assert found.profile.accuracy is None
        assert found.profile.weights is profile.weights
        assert found.log_probs.shape == (n, 2)
        assert with_policy(found, [], DECISION, 1.0, 0.1) is found


def test_what_is_found_is_told() -> None:
    profile = population(trust=0.1)
    trials = features(30, profile, separation=2.5)
    candidates: list[Candidate] = [
        Population(profile),
        ConvProbeUser(profile, {"encoder": 1.0, "tangent": 1.0}),
    ]
    found = fit_user(profile, trials, "ada", DECISION, montage=["C3", "C4"], candidates=candidates)
    assert found.judgement is not None
    assert found.judgement.usable
    assert [one.chosen for one in found.candidates] == [False, True]
    assert found.candidates[0].difference is None
    assert found.candidates[1].p is not None
    assert found.profile.montage == ["C3", "C4"]
    assert found.profile.n_trials == 30
    assert found.profile.accuracy is not None
    assert found.profile.accuracy.mean == found.judgement.accuracy
    assert found.profile.accuracy.what.endswith("conv-probe")
    assert found.confidence is not None
    assert found.confidence.temperature == found.profile.temperature
    assert sum(n for _, _, n in found.confidence.reliability) == 30
    assert found.confidence.coverage[-1][0] == 1.0
    assert np.exp(found.log_probs).sum(axis=1) == pytest.approx(np.ones(30))


def test_a_choice_by_chance_is_judged_as_such() -> None:
    profile = population()
    rng = np.random.default_rng(0)
    told = []
    for _ in range(10):
        trials = features(20, profile, labels=rng.permutation(np.arange(20) % 2).tolist())
        candidates: list[Candidate] = [
            Population(profile),
            ConvProbeUser(profile, {"encoder": 1.0, "tangent": 1.0}),
        ]
        found = fit_user(profile, trials, "ada", DECISION, candidates=candidates)
        assert found.judgement is not None
        told.append(found.judgement.accuracy)
    assert np.mean(told) == pytest.approx(50.0, abs=9.0)


@pytest.mark.parametrize(
    ("labels", "note"),
    [
        ([0, 1] * 10, "moved as people differ, so used unless clearly worse than the population's"),
        ([0, 1] * 2 + [1, 0] * 2, "clearly worse than the population's"),
    ],
)
def test_why_a_prior_learned_from_people_is_used_or_not(labels: list[int], note: str) -> None:
    """The second one's labels turn round, so that what is learnt of some trials is wrong of the others."""
    profile = population_with_prior(trust=0.1)
    trials = features(len(labels), profile, separation=4.0, labels=labels)
    candidates: list[Candidate] = [
        Population(profile),
        ConvProbeUser(profile, PRECISIONS, evidence=FROM_PEOPLE),
    ]
    found = fit_user(profile, trials, "ada", DECISION, candidates=candidates)
    assert [one.note for one in found.candidates] == ["", note]
    assert found.candidates[1].chosen == ("unless" in note)
