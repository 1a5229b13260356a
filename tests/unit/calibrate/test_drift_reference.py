import msgspec
import numpy as np
import pytest

from rtbci.calibrate.drift_reference import DriftReference, with_drift
from rtbci.evaluate.online import Span
from rtbci.probe.drift import DriftMonitor
from rtbci.probe.profile import Profile
from rtbci.stages.stage import FloatArray
from tests.probe_samples import make_profile

HOP_S = 0.25


def covariance(seed: int, n_channels: int = 3) -> FloatArray:
    x = np.random.default_rng(seed).standard_normal((1000, n_channels))
    return np.asarray(x.T @ x / len(x))


def filled(seconds: float, n_channels: int = 3) -> DriftReference:
    reference = DriftReference()
    for i in range(round(seconds / HOP_S)):
        reference.push(i * HOP_S, covariance(i, n_channels), i == 0)
    return reference


def span(probs: FloatArray) -> Span:
    return Span(HOP_S * np.arange(len(probs), dtype=np.float64), probs, (), None)


def profile() -> Profile:
    return msgspec.structs.replace(make_profile(), temperature=2.0)


def test_it_looks_every_four_seconds() -> None:
    reference = DriftReference()
    taken = []
    for i in range(400):
        due = reference.is_due(i * HOP_S)
        reference.push(i * HOP_S, covariance(i), i == 0)
        taken += [i * HOP_S] if due and i else []
    assert taken[:3] == [4.0, 8.0, 12.0]
    parts = reference.parts()
    assert len(parts) == len(taken) // 7
    np.testing.assert_allclose(parts[0], np.mean([covariance(16 * k) for k in range(1, 8)], axis=0))


def test_too_little_signal_gives_none_and_takes_the_old_one_away() -> None:
    old = msgspec.structs.replace(
        profile(), weights=make_profile().weights | {"drift.covariance": covariance(0)}
    )
    found = with_drift(old, filled(40.0), [])
    assert sorted(found.weights) == sorted(make_profile().weights)


def test_what_is_recent_after_a_break_is_not_from_before_it() -> None:
    reference = filled(100.0)
    n_before = len(reference.parts())
    reference.push(200.0, covariance(1), True)
    assert not reference.is_due(203.9)
    assert reference.is_due(204.0)
    assert len(reference.parts()) == n_before


def test_another_cap_begins_anew() -> None:
    reference = filled(100.0)
    reference.push(104.0, covariance(1, 5), False)
    assert reference.parts() == []


def test_no_alignment_no_reference() -> None:
    reference = DriftReference()
    for i in range(1000):
        reference.push(i * HOP_S, None, i == 0)
    assert reference.parts() == []


def test_the_monitor_compares_with_it() -> None:
    rng = np.random.default_rng(3)
    logits = rng.standard_normal((50, 2))
    probs = np.exp(logits / 2.0) / np.exp(logits / 2.0).sum(axis=1, keepdims=True)
    unready = np.full((3, 2), np.nan)
    found = with_drift(profile(), filled(100.0), [span(unready), span(np.vstack([unready, probs]))])
    centred = logits - logits.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(found.weights["drift.logits"], [centred.mean(axis=0), centred.std(axis=0)])
    monitor = DriftMonitor(found, 3)
    said = [monitor.push(float(i), covariance(900 + i), list(logits)) for i in range(60)]
    assert said[-1] is not None
    assert said[-1].reference == "calibration"
    assert said[-1].signal < 0.5
    assert said[-1].logits == pytest.approx(0.0, abs=0.7)
