import msgspec
import numpy as np
import pytest
from scipy.special import softmax

from rtbci.errors import ConfigError
from rtbci.evaluate.calibrators import (
    CALIBRATORS,
    CalibrationTrials,
    LearnedPrior,
    RefitHeads,
    ScaleBias,
    find_calibrator,
    rescored,
)
from rtbci.probe.fusion import Fusion
from rtbci.probe.head_features import window_features
from rtbci.probe.profile import Profile
from tests.probe_samples import N_CHANNELS, WINDOW, make_profile
from tests.unit.calibrate.user_samples import features, population_with_prior, stacked

RNG = np.random.default_rng(3)


def profile(**changes: object) -> Profile:
    return msgspec.structs.replace(make_profile(), temperature=2.0, bias=[0.1, -0.1], **changes)


def trials(n: int, shift: float, gain: float = 2.0) -> CalibrationTrials:
    """Logits that favour class 0 by `shift` whatever the class is."""
    labels = np.arange(n) % 2
    z = gain * (2 * labels - 1) + RNG.normal(0.0, 1.0, n)
    logits = np.column_stack([shift - z / 2, z / 2])
    return CalibrationTrials(("left", "right"), labels, logits)


def share_right(given: Profile, new: Profile, test: CalibrationTrials) -> float:
    logits = rescored(test.logits, given, new)
    assert logits is not None
    return float((logits.argmax(axis=1) == test.labels).mean())


def test_a_biased_user_gains() -> None:
    given, learnt, later = profile(), trials(20, 3.0), trials(400, 3.0)
    new = ScaleBias().fit(given, learnt)
    assert share_right(given, given, later) < 0.65
    assert share_right(given, new, later) > 0.75
    assert new.temperature == given.temperature
    assert sum(new.bias) == pytest.approx(
        sum(given.bias), abs=1e-6
    )  # only differences of biases mean anything


def test_the_prior_holds_back() -> None:
    given, learnt = profile(), trials(2, 3.0)
    stiff = ScaleBias(bias_precision=1e9, scale_precision=1e9).fit(given, learnt)
    np.testing.assert_allclose(stiff.bias, given.bias, atol=1e-6)
    np.testing.assert_allclose(
        [e.weight for e in stiff.branches], [e.weight for e in given.branches], rtol=1e-6
    )
    loose, firm = (ScaleBias(bias_precision=p).fit(given, learnt) for p in (0.1, 10.0))
    assert abs(loose.bias[0] - loose.bias[1] - 0.2) > abs(firm.bias[0] - firm.bias[1] - 0.2)


def test_it_is_the_minimum() -> None:
    method, given, learnt = ScaleBias(2.0, 5.0), profile(), trials(12, 1.0)
    new = method.fit(given, learnt)
    scale = new.branches[0].weight / given.branches[0].weight
    bias = (np.array(new.bias) - scale * np.array(given.bias)) / given.temperature

    def loss(s: float, b: np.ndarray) -> float:
        probs = softmax(s * learnt.logits / given.temperature + b, axis=1)[range(12), learnt.labels]
        return float(-np.log(probs).sum() + 2.5 * (s - 1) ** 2 + b @ b)

    at_minimum = loss(scale, bias)
    for _ in range(20):
        ds, db = RNG.normal(0.0, 0.05), RNG.normal(0.0, 0.05, 2)
        assert loss(scale + ds, bias + db) > at_minimum


def test_answers_are_never_turned_round() -> None:
    new = ScaleBias(scale_precision=0.01).fit(profile(), trials(40, 0.0, gain=-4.0))
    assert all(entry.weight >= 0 for entry in new.branches)


def test_idle_keeps_its_bias() -> None:
    given = profile(classes=["left", "idle", "right"])
    given = msgspec.structs.replace(given, bias=[0.0, 0.5, 0.0])
    learnt = trials(20, 3.0)
    logits = np.column_stack([learnt.logits[:, 0], np.full(20, 1.0), learnt.logits[:, 1]])
    new = ScaleBias().fit(
        given, CalibrationTrials(("left", "idle", "right"), np.where(learnt.labels, 2, 0), logits)
    )
    assert new.bias[1] == 0.5
    assert new.bias[2] > new.bias[0]
    assert [e.weight for e in new.branches] == [e.weight for e in given.branches]


def test_rescored_is_what_the_fusion_gives() -> None:
    given = profile()
    new = ScaleBias().fit(given, trials(10, 1.0))
    heard = [RNG.standard_normal(2) for _ in given.branches]
    before, after = (
        Fusion([e.weight for e in p.branches], p.bias, p.temperature).logits(heard) for p in (given, new)
    )
    found = rescored(before[np.newaxis], given, new)
    assert found is not None
    np.testing.assert_allclose(found[0], after, atol=1e-12)


def test_other_heads_need_decoding_again() -> None:
    given = profile()
    other = dict(given.weights) | {"power.coef": given.weights["power.coef"] + 1.0}
    assert rescored(np.zeros((1, 2)), given, msgspec.structs.replace(given, weights=other)) is None
    one = [msgspec.structs.replace(given.branches[0], weight=9.0), *given.branches[1:]]
    assert rescored(np.zeros((1, 2)), given, msgspec.structs.replace(given, branches=one)) is None


def test_refitting_heads() -> None:
    given = profile()
    signals = RNG.standard_normal((8, WINDOW + 8, N_CHANNELS)).astype(np.float32)
    signals[1::2, :, 0] *= 4.0
    labels = np.arange(8) % 2
    learnt = CalibrationTrials(("left", "right"), labels, np.zeros((8, 2)), signals=signals)
    new = RefitHeads(precision=1.0).fit(given, learnt)
    assert (new.weights["power.coef"] != given.weights["power.coef"]).any()
    assert (new.weights["tangent.coef"] != given.weights["tangent.coef"]).any()
    np.testing.assert_array_equal(new.weights["encoder.weight"], given.weights["encoder.weight"])
    with pytest.raises(ConfigError, match="trials have no signals"):
        RefitHeads().fit(given, trials(4, 0.0))


def test_a_prior_learned_from_people_is_what_a_calibration_uses() -> None:
    given = population_with_prior(trust=0.1)
    found = features(24, given)
    signals = np.stack([one.signal[-(WINDOW + 8) :] for one in found]).astype(np.float32)
    labels = np.array([one.i_class for one in found])
    learnt = CalibrationTrials(("left", "right"), labels, stacked(found), signals=signals)
    new = LearnedPrior().fit(given, learnt)
    np.testing.assert_array_equal(new.weights["encoder.weight"], given.weights["encoder.weight"])
    moved = new.weights["tangent.coef"] - given.weights["tangent.coef"]
    image = np.arange(N_CHANNELS)[::-1]
    for entry in given.branches[1:]:
        for signal in signals:
            own, other = (window_features(given, entry, x) @ moved.T for x in (signal, signal[:, image]))
            np.testing.assert_allclose(own - own.mean(), (other - other.mean())[::-1], atol=1e-3)
    with pytest.raises(ConfigError, match="trials have no signals, need it; take scale_bias or refit"):
        LearnedPrior().fit(given, trials(4, 0.0))
    with pytest.raises(ConfigError, match="profile has no branch that knows how far people differ"):
        LearnedPrior().fit(profile(), learnt)


def test_by_name() -> None:
    for name in CALIBRATORS:
        assert find_calibrator(name).name.startswith(name)
    assert isinstance(find_calibrator("rtbci.evaluate.calibrators:ScaleBias"), ScaleBias)
    with pytest.raises(
        ConfigError, match=r"got 'magic', need scale_bias, refit, prior or package\.module:attribute"
    ):
        find_calibrator("magic")
    with pytest.raises(ConfigError, match=r"'no\.such:thing' cannot be made"):
        find_calibrator("no.such:thing")
    with pytest.raises(ConfigError, match="gives a dict without fit"):
        find_calibrator("builtins:dict")
    with pytest.raises(ConfigError, match="precisions are 0 and 1"):
        ScaleBias(0.0, 1.0)
