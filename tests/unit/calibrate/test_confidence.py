import numpy as np
import pytest
from scipy.special import softmax

from rtbci.calibrate.confidence import (
    calibration_error,
    crossed_temperatures,
    fit_policy,
    fit_temperature,
)
from rtbci.evaluate.online import Span
from rtbci.evaluate.trials import Trial
from rtbci.recipes import DecisionSettings

HOP_S = 0.0625
CLASSES = ("left_hand", "right_hand")


def test_a_wrong_temperature_is_found() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(0.0, 2.0, (3000, 2))
    labels = (rng.random(3000) < softmax(z, axis=1)[:, 1]).astype(int)
    assert fit_temperature(3.0 * z, labels) == pytest.approx(3.0, rel=0.1)
    assert fit_temperature(z / 2.0, labels) == pytest.approx(0.5, rel=0.1)
    assert abs(np.log(fit_temperature(3.0 * z[:6], labels[:6]))) < 0.6 * np.log(
        3.0
    )  # few trials move it little
    assert fit_temperature(z[:5], np.zeros(5, dtype=int)) == 1.0
    assert crossed_temperatures(3.0 * z, labels) == pytest.approx(3.0 * np.ones(3000), rel=0.15)


def test_calibration_error() -> None:
    log_probs = np.log(np.tile([0.2, 0.8], (10, 1)))
    assert calibration_error(log_probs, np.array([1] * 8 + [0] * 2)) == pytest.approx(0.0)
    assert calibration_error(log_probs, np.zeros(10, dtype=int)) == pytest.approx(0.8)


def span(noise: float) -> Span:
    t_newest = np.arange(0.0, 120.0, HOP_S)
    trials = tuple(Trial(0, t, t + 4.0, i % 2) for i, t in enumerate(np.arange(5.0, 110.0, 10.0)))
    rng = np.random.default_rng(0)
    right = 0.5 + 0.1 * noise * np.convolve(rng.standard_normal(len(t_newest)), np.ones(20) / 20, "same")
    for one in trials:
        inside = (t_newest > one.t_cue + 0.5) & (t_newest <= one.t_end)
        right[inside] += 0.45 if one.i_class else -0.45
    right = np.clip(right, 0.001, 0.999)
    return Span(t_newest, np.stack([1 - right, right], axis=1), trials, None)


def test_the_policy_keeps_the_rate_that_was_wished() -> None:
    settings, hits, false = fit_policy([span(0.1)], CLASSES, DecisionSettings(), 1.0, HOP_S)
    assert false <= 1.0
    assert hits == 1.0
    assert settings.refractory_s == DecisionSettings().refractory_s


def test_a_policy_that_would_never_decide_is_not_taken() -> None:
    """As sure in the pauses as in the trials, of one class or the other: only silence keeps to the rate."""
    start = DecisionSettings(threshold=0.6, dwell_s=0.0)
    whole = span(0.1)
    sure = np.where(whole.probs[:, 1:] >= 0.5, 0.97, 0.03)
    sure = np.hstack([1.0 - sure, sure])
    settings, hits, false = fit_policy(
        [Span(whole.t_newest, sure, whole.trials, None)], CLASSES, start, 1.0, HOP_S
    )
    assert settings == start
    assert hits == 1.0
    assert false > 1.0
    kept, hits, _ = fit_policy([span(60.0)], CLASSES, start, 0.0, HOP_S)
    assert kept == start
    assert fit_policy([span(60.0)], CLASSES, start, 1e9, HOP_S)[1] >= hits


def test_without_trials_the_policy_stays() -> None:
    whole = span(0.1)
    nothing = Span(whole.t_newest, whole.probs, (), None)
    settings, hits, _ = fit_policy([nothing], CLASSES, DecisionSettings(), 1.0, HOP_S)
    assert settings == DecisionSettings()
    assert np.isnan(hits)
