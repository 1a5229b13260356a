from pathlib import Path

import msgspec
import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression

from rtbci.errors import ProfileError, ShapeError
from rtbci.probe.head_features import window_features
from rtbci.probe.open_branches import open_branches
from rtbci.probe.profile import Profile, read_profile, write_profile
from rtbci.probe.refit import (
    PRECISION,
    SCALE_NAME,
    feature_scale,
    keeps_population,
    leave_one_trial_out,
    refit_head,
    refit_profile,
    trial_weights,
)
from rtbci.recipes import read_paradigm
from tests.probe_samples import make_profile

RNG = np.random.default_rng(11)
N_FEATURES = 12


def head(n_classes: int = 2, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return 0.5 * rng.standard_normal((n_classes, N_FEATURES)), 0.1 * rng.standard_normal(n_classes)


def draw(
    coef: np.ndarray, intercept: np.ndarray, n: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Features, and classes drawn from a head's probabilities."""
    features = rng.standard_normal((n, N_FEATURES))
    probs = softmax(features @ coef.T + intercept, axis=1)
    return features, (rng.random((n, 1)) > np.cumsum(probs, axis=1)[:, :-1]).sum(axis=1)


def log_loss(features: np.ndarray, classes: np.ndarray, coef: np.ndarray, intercept: np.ndarray) -> float:
    log_probs = log_softmax(features @ coef.T + intercept, axis=1)
    return -float(log_probs[np.arange(len(classes)), classes].mean())


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_very_sure_prior_keeps_the_population(n_classes: int) -> None:
    coef, intercept = head(n_classes)
    features, classes = draw(*head(n_classes, 1), 60, RNG)
    new = refit_head(features, classes, coef, intercept, np.ones(N_FEATURES), 1e9)
    np.testing.assert_allclose(new[0], coef, atol=1e-6)
    np.testing.assert_allclose(new[1], intercept, atol=1e-6)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_no_prior_is_plain_logistic_regression(n_classes: int) -> None:
    features, classes = draw(*head(n_classes, 1), 400, RNG)
    weights = RNG.uniform(0.5, 1.5, 400)
    scale = RNG.uniform(0.5, 2.0, N_FEATURES)
    coef, intercept = refit_head(features, classes, *head(n_classes), scale, 1e-6, weights)
    plain = LogisticRegression(C=1e6, tol=1e-8, max_iter=5000).fit(features, classes, sample_weight=weights)
    np.testing.assert_allclose(
        softmax(features @ coef.T + intercept, axis=1), plain.predict_proba(features), atol=2e-4
    )


def test_it_minimises_what_it_says() -> None:
    coef, intercept = head(3)
    features, classes = draw(*head(3, 1), 50, RNG)
    scale, weights = RNG.uniform(0.5, 2.0, N_FEATURES), RNG.uniform(0.2, 1.0, 50)
    new = refit_head(features, classes, coef, intercept, scale, 5.0, weights)
    centre = weights @ features / weights.sum()

    def objective(c: np.ndarray, b: np.ndarray) -> float:
        change = c - coef
        at_centre = (b - intercept) + change @ centre
        log_probs = log_softmax(features @ c.T + b, axis=1)
        prior = ((change * scale) ** 2).sum() + (at_centre**2).sum()
        return float(-weights @ log_probs[np.arange(50), classes] + 2.5 * prior)

    best = objective(*new)
    for _ in range(20):
        step = 1e-3 * RNG.standard_normal((3, N_FEATURES)), 1e-3 * RNG.standard_normal(3)
        assert objective(new[0] + step[0], new[1] + step[1]) > best


def test_units_and_zero_of_a_feature_do_not_matter() -> None:
    coef, intercept = head()
    features, classes = draw(*head(seed=1), 40, RNG)
    gain, offset = RNG.uniform(0.01, 100.0, N_FEATURES), RNG.standard_normal(N_FEATURES)
    plain = refit_head(features, classes, coef, intercept, np.ones(N_FEATURES), 10.0)
    moved = features * gain + offset
    there = refit_head(moved, classes, coef / gain, intercept - (coef / gain) @ offset, gain, 10.0)
    np.testing.assert_allclose(moved @ there[0].T + there[1], features @ plain[0].T + plain[1], atol=1e-6)


def test_windows_of_a_trial_count_one_together() -> None:
    coef, intercept = head()
    features, classes = draw(*head(seed=1), 20, RNG)
    once = refit_head(features, classes, coef, intercept, np.ones(N_FEATURES), 10.0)
    trials = np.repeat(np.arange(20), 5)
    weights = trial_weights(trials)
    np.testing.assert_allclose(weights, 0.2)
    many = refit_head(features[trials], classes[trials], coef, intercept, np.ones(N_FEATURES), 10.0, weights)
    np.testing.assert_allclose(many[0], once[0], atol=1e-7)
    np.testing.assert_allclose(many[1], once[1], atol=1e-7)


def test_a_class_without_trials_keeps_its_place() -> None:
    coef, intercept = head(3)
    features, classes = draw(*head(2, 1), 40, RNG)
    new = refit_head(features, classes, coef, intercept, np.ones(N_FEATURES), 1.0)
    np.testing.assert_array_equal(new[0][2], coef[2])
    np.testing.assert_allclose(new[0][:2].sum(axis=0), coef[:2].sum(axis=0), atol=1e-6)
    np.testing.assert_allclose(new[1].sum(), intercept.sum(), atol=1e-6)
    assert np.abs(new[0][:2] - coef[:2]).max() > 0.05


def test_one_class_alone_teaches_nothing() -> None:
    coef, intercept = head()
    new = refit_head(
        RNG.standard_normal((5, N_FEATURES)), np.zeros(5, int), coef, intercept, np.ones(12), 1.0
    )
    np.testing.assert_array_equal(new[0], coef)
    assert new[0] is not coef


def mean_change(n_trials: int, is_shuffled: bool, other: float) -> float:
    """Mean gain in log loss, nats, over 40 users whose true head is the population's plus a difference of their own."""
    gains = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        coef, intercept = head(seed=99)
        own = coef + other * rng.standard_normal(coef.shape)
        features, classes = draw(own, intercept, n_trials, rng)
        if is_shuffled:
            classes = rng.permutation(classes)
        new = refit_head(features, classes, coef, intercept, np.ones(N_FEATURES), PRECISION)
        test = draw(own, intercept, 2000, rng)
        gains.append(log_loss(*test, coef, intercept) - log_loss(*test, *new))
    return float(np.mean(gains))


def test_few_trials_of_another_user_help_and_wrong_labels_hardly_hurt() -> None:
    assert mean_change(20, False, 0.4) > 0.002
    # Labels that say nothing, for a user whom the population fits perfectly: of 0.5 nat less than 0.005 are lost.
    assert -0.005 < mean_change(20, True, 0.0) < 0.0


def test_the_guard_tells_a_user_who_differs_from_noise() -> None:
    coef, intercept = head(seed=99)
    rng = np.random.default_rng(3)
    features, classes = draw(-coef, intercept, 60, rng)  # the population is wrong about this user
    trials, scale = np.arange(60), np.ones(N_FEATURES)
    found = leave_one_trial_out(features, classes, trials, coef, intercept, scale, 10.0)
    assert found.refit < found.population
    assert found.population == pytest.approx(log_loss(features, classes, coef, intercept))
    assert not keeps_population(features, classes, trials, coef, intercept, scale, 10.0)
    kept = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        features, classes = rng.standard_normal((20, N_FEATURES)), rng.permutation(np.arange(20) % 2)
        kept.append(keeps_population(features, classes, trials[:20], 0.0 * coef, 0.0 * intercept, scale, 1.0))
    assert np.mean(kept) > 0.7
    assert keeps_population(features[:1], classes[:1], trials[:1], coef, intercept, scale)


def test_the_guard_leaves_out_all_windows_of_a_trial() -> None:
    coef, intercept = head(seed=99)
    features, classes = RNG.standard_normal((10, N_FEATURES)), np.arange(10) % 2
    trials = np.arange(10)
    once = leave_one_trial_out(features, classes, trials, coef, intercept, np.ones(N_FEATURES), 1.0)
    thrice = np.repeat(trials, 3)
    again = leave_one_trial_out(
        features[thrice], classes[thrice], thrice, coef, intercept, np.ones(N_FEATURES), 1.0
    )
    assert again.refit == pytest.approx(once.refit, abs=1e-6)
    assert again.population == pytest.approx(once.population)


def calibration(profile: Profile, n: int = 30) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Features of the profile's branches, with classes that its own heads find wrong."""
    classes = np.arange(n) % 2
    names = {"power": "coef", "tangent": "coef", "encoder": "weight"}
    features = {}
    for branch, name in names.items():
        weight = profile.weights[f"{branch}.{name}"]
        away = np.outer(1.0 - 2.0 * classes, weight[1] - weight[0])
        features[branch] = away + 0.5 * RNG.standard_normal(away.shape)
    return features, classes


def test_refitted_profile_is_the_next_generation_and_else_the_same(tmp_path: Path) -> None:
    profile = make_profile()
    features, classes = calibration(profile)
    scales = {name: feature_scale(one) for name, one in features.items()}
    del features["tangent"]
    new = refit_profile(profile, features, classes, np.full(30, 1 / 3), scales=scales)
    assert (new.generation, new.n_trials) == (1, 10)
    heads = {"power.coef", "power.intercept", "encoder.weight", "encoder.bias"}
    for name, tensor in profile.weights.items():
        assert np.array_equal(new.weights[name], tensor) == (name not in heads)
    for field in ("user", "classes", "branches", "bias", "temperature", "chain_hash"):
        assert getattr(new, field) == getattr(profile, field)
    coef, intercept = refit_head(
        features["power"],
        classes,
        profile.weights["power.coef"],
        profile.weights["power.intercept"],
        scales["power"],
        PRECISION,
        np.full(30, 1 / 3),
    )
    np.testing.assert_array_equal(new.weights["power.coef"], coef)
    np.testing.assert_array_equal(new.weights["power.intercept"], intercept)
    write_profile(tmp_path / "refit", new)


def test_the_guard_decides_branch_by_branch() -> None:
    profile = make_profile()
    features, classes = calibration(profile)
    features["power"] = np.random.default_rng(0).standard_normal(features["power"].shape)
    scales = {name: np.ones(one.shape[1]) for name, one in features.items()}
    profile.weights["power.coef"] = 0.0 * profile.weights["power.coef"]  # chance is the best there is
    profile.weights["power.intercept"] = 0.0 * profile.weights["power.intercept"]
    new = refit_profile(profile, features, classes, trials=np.arange(30), scales=scales)
    assert new.n_trials == 30
    np.testing.assert_array_equal(new.weights["power.coef"], profile.weights["power.coef"])
    for name in ("tangent.coef", "encoder.weight"):
        assert not np.array_equal(new.weights[name], profile.weights[name])


def test_scales_of_the_profile_and_precision_by_branch() -> None:
    profile = make_profile()
    features, classes = calibration(profile)
    only = {"power": features["power"]}
    with pytest.raises(ProfileError, match=r"has no tensor 'power\.feature_scale'"):
        refit_profile(profile, only, classes)
    scale = feature_scale(features["power"])
    profile.weights[f"power.{SCALE_NAME}"] = scale
    stored = refit_profile(profile, only, classes, precision={"power": 7.0})
    given = refit_profile(profile, only, classes, precision=7.0, scales={"power": scale})
    np.testing.assert_array_equal(stored.weights["power.coef"], given.weights["power.coef"])
    with pytest.raises(ProfileError, match="branch 'nose' is not there, need one of"):
        refit_profile(profile, {"nose": features["power"]}, classes)


def test_feature_scale_is_the_weighted_deviation() -> None:
    features = np.column_stack([RNG.standard_normal(50), np.full(50, 3.0)])
    np.testing.assert_allclose(feature_scale(features), [features[:, 0].std(), 1.0])
    twice = feature_scale(np.vstack([features, features[:10]]))
    weights = np.where(np.arange(50) < 10, 2.0, 1.0)
    np.testing.assert_allclose(feature_scale(features, weights), twice)


def test_what_does_not_fit_is_refused() -> None:
    coef, intercept = head()
    features, classes, scale = np.ones((4, N_FEATURES)), np.arange(4) % 2, np.ones(N_FEATURES)
    with pytest.raises(ShapeError, match=r"features, classes, coef.*have shapes \[\(4, 12\), \(3,\)"):
        refit_head(features, classes[:3], coef, intercept, scale, 1.0)
    with pytest.raises(ShapeError, match="classes go from 0 to 2, need 0 to 1"):
        refit_head(features, np.array([0, 1, 2, 0]), coef, intercept, scale, 1.0)
    with pytest.raises(ShapeError, match="smallest scale is 0"):
        refit_head(features, classes, coef, intercept, 0.0 * scale, 1.0)
    with pytest.raises(ShapeError, match="need finite features"):
        refit_head(np.inf * features, classes, coef, intercept, scale, 1.0)


def test_the_shipped_decoder_can_be_refitted_and_runs() -> None:
    recipe = read_paradigm("motor_imagery")
    profile = read_profile(recipe.folder / str(recipe.population))
    rng = np.random.default_rng(0)
    n_samples, n_channels = profile.window_samples + 256, len(profile.channels)
    signals = rng.standard_normal((6, n_samples, n_channels))
    numpy_only = [entry for entry in profile.branches if entry.kind in ("power", "tangent")]
    features = {
        entry.name: np.stack([window_features(profile, entry, one) for one in signals])
        for entry in numpy_only
    }
    scales = {name: feature_scale(one) for name, one in features.items()}
    new = refit_profile(profile, features, np.arange(6) % 2, scales=scales)
    alone = msgspec.structs.replace(new, branches=numpy_only)
    for branch in open_branches(alone, {}):
        weights = new.tensors(branch.name)
        wanted = weights["coef"] @ features[branch.name][2] + weights["intercept"]
        np.testing.assert_allclose(branch.logits_of(signals[2]), wanted, rtol=1e-6, atol=1e-9)
        assert not np.array_equal(weights["coef"], profile.tensors(branch.name)["coef"])
