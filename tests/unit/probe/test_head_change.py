import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax

from rtbci.probe.head_change import fit_change, reduced

RNG = np.random.default_rng(0)


def test_the_span_of_few_samples_is_all_that_is_needed() -> None:
    x, start = RNG.standard_normal((8, 30)), RNG.standard_normal((8, 2))
    labels, weights = np.arange(8) % 2, np.full(8, 0.5)
    change = fit_change(x, start, labels, weights, 3.0)
    centred = x - x.mean(axis=0)

    def loss(flat: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> float:
        w, b = flat[:60].reshape(2, 30), flat[60:]
        log_probs = log_softmax(start + centred @ w.T + b, axis=1)
        return float(-weights @ log_probs[np.arange(8), labels] + (w**2).sum() / 2 + 3.0 * (b**2).sum() / 2)

    whole = minimize(loss, np.zeros(62), method="BFGS", options={"gtol": 1e-7})
    assert np.allclose(change.weight, whole.x[:60].reshape(2, 30), atol=1e-4)
    assert np.allclose(change.of(x), centred @ whole.x[:60].reshape(2, 30).T + whole.x[60:], atol=1e-3)


def test_without_two_classes_nothing_changes() -> None:
    x, start = RNG.standard_normal((5, 3)), np.zeros((5, 2))
    change = fit_change(x, start, np.zeros(5, dtype=int), np.ones(5), 1.0)
    assert not change.of(x).any()


def test_a_class_without_trials_keeps_its_logits() -> None:
    x, start = RNG.standard_normal((20, 3)), np.zeros((20, 3))
    labels = np.where(x[:, 0] > 0, 2, 0)
    change = fit_change(5.0 * x, start, labels, np.ones(20), 1.0)
    said = change.of(5.0 * x)
    assert not said[:, 1].any()
    assert np.mean(np.where(said[:, [0, 2]].argmax(axis=1), 2, 0) == labels) > 0.9


def test_a_strong_prior_holds() -> None:
    x, start = RNG.standard_normal((20, 3)), np.zeros((20, 2))
    labels = (x[:, 0] > 0).astype(int)
    assert np.abs(fit_change(1e-4 * x, start, labels, np.ones(20), 1e6).of(1e-4 * x)).max() < 1e-3


@pytest.mark.parametrize("shape", [(4, 9), (9, 4), (4, 4)])
def test_reduced_says_the_same(shape: tuple[int, int]) -> None:
    x = RNG.standard_normal(shape)
    small, basis = reduced(x)
    assert small.shape[1] <= min(shape[1], max(shape[0], shape[1]))
    assert np.allclose(small @ basis, x)
    assert np.allclose(basis @ basis.T, np.eye(len(basis)))
