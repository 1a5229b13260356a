import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from rtbci.evaluate import metrics

RNG = np.random.default_rng(0)


def labels(n_classes: int, n: int = 200) -> tuple[np.ndarray, np.ndarray]:
    true = RNG.integers(0, n_classes, n)
    predicted = np.where(RNG.random(n) < 0.6, true, RNG.integers(0, n_classes, n))
    return true, predicted


@pytest.mark.parametrize("n_classes", [2, 3, 4])
def test_as_scikit_learn(n_classes: int) -> None:
    true, predicted = labels(n_classes)
    counts = metrics.confusion(true, predicted, n_classes)
    np.testing.assert_array_equal(counts, reference.confusion_matrix(true, predicted))
    assert metrics.accuracy(counts) == pytest.approx(reference.accuracy_score(true, predicted))
    assert metrics.balanced_accuracy(counts) == pytest.approx(
        reference.balanced_accuracy_score(true, predicted)
    )
    assert metrics.kappa(counts) == pytest.approx(reference.cohen_kappa_score(true, predicted))
    assert metrics.nmcc(counts) == pytest.approx((reference.matthews_corrcoef(true, predicted) + 1) / 2)


def test_undefined_is_nan() -> None:
    nothing, one_class = np.zeros((2, 2)), np.array([[3.0, 1.0], [0.0, 0.0]])
    assert math.isnan(metrics.accuracy(nothing))
    assert math.isnan(metrics.kappa(nothing))
    assert math.isnan(metrics.balanced_accuracy(one_class))
    assert math.isnan(metrics.nmcc(one_class))
    assert math.isnan(metrics.kappa(np.array([[4.0, 0.0], [0.0, 0.0]])))
    assert metrics.nmcc(np.array([[3.0, 0.0], [2.0, 0.0]])) == 0.5  # always the same answer


@pytest.mark.parametrize(
    ("n_classes", "share", "bits"),
    [
        (2, 1.0, 1.0),
        (4, 1.0, 2.0),
        (2, 0.9, 0.5310044),  # 1 - 0.1368 - 0.3322
        (4, 0.8, 0.9610794),
        (2, 0.5, 0.0),
        (2, 0.2, 0.0),  # the bare formula gives 0.28 here
        (4, 0.25, 0.0),
    ],
)
def test_information_transfer(n_classes: int, share: float, bits: float) -> None:
    assert metrics.itr_bits_per_min(n_classes, share, 4.0) == pytest.approx(15 * bits, abs=1e-5)


def test_information_transfer_of_nothing() -> None:
    assert math.isnan(metrics.itr_bits_per_min(2, math.nan, 4.0))


@given(st.floats(0.0, 1.0), st.integers(2, 9))
def test_information_transfer_is_between_nothing_and_everything(share: float, n_classes: int) -> None:
    assert 0.0 <= metrics.itr_bits_per_min(n_classes, share, 60.0) <= math.log2(n_classes) + 1e-12


def test_calibration_error_by_hand() -> None:
    confidence = np.array([0.55, 0.65, 0.65, 0.95, 1.0])
    right = np.array([True, True, False, True, True])
    bins = metrics.reliability(confidence, right)
    np.testing.assert_allclose(bins[[5, 6, 9]], [[1, 0.55, 1], [2, 1.3, 1], [2, 1.95, 2]])
    assert bins[:, 0].sum() == 5
    # |0.55 - 1| + |1.3 - 1| + |1.95 - 2| over 5
    assert metrics.expected_calibration_error(bins) == pytest.approx(0.16)
    assert math.isnan(metrics.expected_calibration_error(np.zeros((10, 3))))


def test_reliability_of_subjects_adds_up() -> None:
    confidence, right = RNG.uniform(0.5, 1.0, 300), RNG.random(300) < 0.7
    parts = metrics.reliability(confidence[:100], right[:100]) + metrics.reliability(
        confidence[100:], right[100:]
    )
    np.testing.assert_allclose(parts, metrics.reliability(confidence, right))


def test_coverage_by_hand() -> None:
    confidence = np.array([0.9, 0.6, 0.8, 0.7])
    right = np.array([True, False, True, False])
    np.testing.assert_allclose(
        metrics.coverage_accuracy(confidence, right, 4),
        [[0.25, 1.0, 0.9], [0.5, 1.0, 0.8], [0.75, 2 / 3, 0.7], [1.0, 0.5, 0.6]],
    )


def test_coverage_does_not_depend_on_the_order_of_ties() -> None:
    confidence, right = np.full(10, 0.8), np.arange(10) < 4
    for order in (np.arange(10), np.arange(10)[::-1]):
        curve = metrics.coverage_accuracy(confidence[order], right[order], 5)
        np.testing.assert_allclose(curve[:, 1], 0.4)


def test_coverage_of_nothing() -> None:
    assert np.isnan(metrics.coverage_accuracy(np.empty(0), np.empty(0, dtype=bool), 3)).all()
