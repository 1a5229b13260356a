from collections.abc import Iterator

import msgspec
import numpy as np
import pytest

from rtbci.errors import ShapeError
from rtbci.probe.drift import LIMIT, Drift, DriftMonitor, covariance_distance, drift_tensors
from rtbci.probe.profile import Profile
from rtbci.stages.stage import FloatArray
from tests.probe_samples import make_profile

N = 8
RNG_SEED = 3


def covariance(seed: int = RNG_SEED, mixing: FloatArray | None = None, n_samples: int = 1000) -> FloatArray:
    """Sample covariance of four seconds of sources that are always the same."""
    sources = np.random.default_rng(0).standard_normal((N, N)) + 2 * np.eye(N)
    x = np.random.default_rng(seed).standard_normal((n_samples, N)) @ sources
    x = x if mixing is None else x @ mixing
    return np.asarray(x.T @ x / n_samples)


SWAP = np.eye(N)[[1, 0, 3, 2, *range(4, N)]]


def calibrated(logits: FloatArray | None = None) -> Profile:
    tensors = drift_tensors([covariance(seed) for seed in range(4)], logits)
    return msgspec.structs.replace(make_profile(), weights=tensors)


def watched(
    monitor: DriftMonitor, t_start: int, t_stop: int, mixing: FloatArray | None = None
) -> list[Drift]:
    def looks() -> Iterator[Drift]:
        for t in range(t_start, t_stop):
            if (drift := monitor.push(float(t), covariance(100 + t, mixing))) is not None:
                yield drift

    return list(looks())


def test_distance_of_diagonal_matrices_is_that_of_their_logarithms() -> None:
    one, other = np.diag([1.0, 1.0, 4.0]), np.diag([1.0, 1.0, 1.0])
    shaped = [0.95 * x + 0.05 for x in (0.5, 0.5, 2.0)]
    assert covariance_distance(one, other) == pytest.approx(np.sqrt(np.mean(np.log(shaped) ** 2)))
    assert covariance_distance(one, one) == pytest.approx(0.0, abs=1e-9)
    assert covariance_distance(one, other) == pytest.approx(covariance_distance(other, one))
    assert covariance_distance(100.0 * one, other) == pytest.approx(covariance_distance(one, other))


def test_quiet_while_nothing_changes() -> None:
    drifts = watched(DriftMonitor(calibrated(), N), 0, 300)
    assert len(drifts) == 280
    assert max(one.signal for one in drifts) < 0.5 * LIMIT
    assert not any(one.advised for one in drifts)
    assert {one.reference for one in drifts} == {"calibration"}


def test_swapped_electrodes_are_told_once() -> None:
    monitor = DriftMonitor(calibrated(), N)
    watched(monitor, 0, 100)
    drifts = watched(monitor, 100, 300, SWAP)
    advised = [i for i, one in enumerate(drifts) if one.advised]
    assert len(advised) == 1
    assert 30 <= advised[0] <= 90
    assert drifts[-1].signal > LIMIT


def test_a_short_disturbance_is_not_told() -> None:
    monitor = DriftMonitor(calibrated(), N)
    drifts = watched(monitor, 0, 100) + watched(monitor, 100, 130, SWAP) + watched(monitor, 130, 300)
    assert max(one.signal for one in drifts) > LIMIT
    assert not any(one.advised for one in drifts)


def test_without_a_calibration_the_first_minute_counts() -> None:
    for profile in (
        None,
        make_profile(),
        msgspec.structs.replace(make_profile(), weights={"drift.covariance": np.eye(3)}),
    ):
        monitor = DriftMonitor(profile, N)
        drifts = watched(monitor, 0, 150)
        assert {one.reference for one in drifts} == {"stream"}
        assert len(drifts) == 150 - 61 - 19
        assert max(one.signal for one in drifts) < 0.5 * LIMIT
        assert sum(one.advised for one in watched(monitor, 150, 300, SWAP)) == 1


def test_a_calibration_whose_parts_differ_has_a_wider_unit() -> None:
    narrow = drift_tensors([covariance(1), covariance(2)])
    wide = drift_tensors([covariance(1), covariance(2, SWAP)])
    assert float(wide["drift.spread"][0]) > float(narrow["drift.spread"][0]) == 0.32


def test_logits_are_compared_where_the_calibration_has_them() -> None:
    logits = np.random.default_rng(0).standard_normal((500, 2)) * np.array([1.0, 0.0])
    monitor = DriftMonitor(calibrated(logits), N)
    rows = [np.array([1.0, -1.0])] * 16
    found = [monitor.push(float(t), covariance(t), rows) for t in range(200)][-1]
    assert found is not None
    mean, deviation = logits[:, 0].mean() / 2, logits[:, 0].std() / 2
    assert found.logits == pytest.approx(abs(1.0 - mean * 1) / deviation, rel=0.05)
    assert watched(DriftMonitor(calibrated(), N), 0, 30)[-1].logits is None


def test_other_channels_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"covariance has shape \(3, 3\), need \(8, 8\)"):
        DriftMonitor(None, N).push(0.0, np.eye(3))
