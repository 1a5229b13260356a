"""Scores of epochs: as pyRiemann and scikit-learn compute them, from tensors alone."""

import numpy as np
import pytest

from rtbci.errors import CalibrationError, ConfigError, ShapeError
from rtbci.flashes.fit import INVERSE_PENALTY, N_FILTERS, SHRINKAGE, fit_probe
from rtbci.probe.erp import ErpBranch, ErpProbe
from rtbci.probe.tangent import shrink
from rtbci.stages.stage import FloatArray

N, N_SAMPLES, N_CHANNELS = 120, 48, 6


def epochs(seed: int) -> tuple[FloatArray, "np.ndarray[tuple[int], np.dtype[np.bool_]]"]:
    """Noise, and in a sixth a response on two channels."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0.0, 3.0, (N, N_SAMPLES, N_CHANNELS))
    is_target = np.arange(N) % 6 == 0
    bump = 3.0 * np.exp(-0.5 * ((np.arange(N_SAMPLES) - 20) / 5.0) ** 2)
    x[is_target, :, 1:3] += bump[:, np.newaxis]
    return x, is_target


def test_scores_are_those_of_pyriemann() -> None:
    from pyriemann.estimation import XdawnCovariances
    from pyriemann.tangentspace import TangentSpace
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    def covariance(x: FloatArray) -> FloatArray:
        centred = x - x.mean(axis=1, keepdims=True)
        return shrink(centred @ centred.T / x.shape[1], SHRINKAGE)

    (x, is_target), (other, _) = epochs(0), epochs(1)
    model = make_pipeline(
        XdawnCovariances(N_FILTERS, estimator=covariance, xdawn_estimator="lwf"),  # pyright: ignore[reportArgumentType]
        TangentSpace(),
        LogisticRegression(C=INVERSE_PENALTY, max_iter=2000),
    ).fit(x.transpose(0, 2, 1), is_target.astype(int))
    expected = model.decision_function(other.transpose(0, 2, 1))
    probe = fit_probe(x, is_target)
    np.testing.assert_allclose([probe.score(one) for one in other], expected, atol=1e-6)


def test_it_is_the_same_from_its_tensors() -> None:
    x, is_target = epochs(0)
    probe = fit_probe(x, is_target, n_filters=2)
    again = ErpProbe.from_tensors(probe.tensors())
    assert [again.score(one) for one in x[:9]] == [probe.score(one) for one in x[:9]]


def test_a_branch_gives_nothing_for_a_nontarget_and_the_score_for_a_target() -> None:
    x, is_target = epochs(0)
    probe = fit_probe(x, is_target, n_filters=2)
    branch = ErpBranch(probe)
    padded = np.concatenate((np.full((5, N_CHANNELS), 1e3), x[0]))
    assert branch.logits_of(padded).tolist() == [0.0, probe.score(x[0])]
    assert branch.logits() is None
    branch.rehearse()
    branch.reset()


def test_flat_epochs_have_a_score() -> None:
    x, is_target = epochs(0)
    assert np.isfinite(fit_probe(x, is_target).score(np.zeros((N_SAMPLES, N_CHANNELS))))


def test_what_does_not_fit_is_refused() -> None:
    x, is_target = epochs(0)
    probe = fit_probe(x, is_target, n_filters=2)
    with pytest.raises(ShapeError, match=r"epoch has shape \(47, 6\), need \(48, 6\)"):
        probe.score(x[0][1:])
    with pytest.raises(ShapeError, match=r"signal has shape \(47, 6\), need \(48 or more"):
        ErpBranch(probe).logits_of(x[0][1:])
    with pytest.raises(ConfigError, match=r"got a hop of 4 samples, need windows that are locked to flashes"):
        ErpBranch(probe).push(x[0][:4])
    tensors = probe.tensors()
    with pytest.raises(ShapeError, match=r"need \(f, channels\)"):
        ErpProbe.from_tensors({**tensors, "coef": tensors["coef"][1:]})
    with pytest.raises(ShapeError, match=r"shrinkage is 0"):
        ErpProbe.from_tensors({**tensors, "shrinkage": np.zeros(1)})


def test_flashes_of_one_kind_cannot_be_fitted() -> None:
    x, is_target = epochs(0)
    with pytest.raises(CalibrationError, match=r"0 of 120 were attended to"):
        fit_probe(x, is_target & False)
