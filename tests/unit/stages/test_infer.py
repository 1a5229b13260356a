import numpy as np
import pytest

from rtbci.errors import ChannelError, ShapeError
from rtbci.stages.align import RunningAlign
from rtbci.stages.infer import fill_matrix, infer_matrix, measured_covariance, whitener
from rtbci.stages.stage import FloatArray

N = 9
FOUND = [1, 3, 4, 7]


def covariance(n: int = N, seed: int = 0) -> FloatArray:
    """Neighbours alike, as electrodes are; microvolts squared."""
    rng = np.random.default_rng(seed)
    place = rng.normal(size=(n, 2))
    apart = np.square(place[:, None] - place[None]).sum(axis=2)
    scale = rng.uniform(5.0, 20.0, n)
    return np.asarray(np.exp(-apart / 2.0) * np.outer(scale, scale) + 4.0 * np.eye(n))


def average_reference(rows: FloatArray) -> FloatArray:
    return np.asarray(rows - rows.mean(axis=0))


def selection(n: int = N) -> FloatArray:
    return np.eye(n)[FOUND]


def test_it_is_the_regression_of_the_whitened_layout_on_the_whitened_electrodes() -> None:
    s, rows = covariance(), selection()
    x = np.random.default_rng(1).multivariate_normal(np.zeros(N), s, 400_000)
    whole, measured = x @ whitener(s, 0.0), x @ rows.T @ whitener(rows @ s @ rows.T, 0.0)
    fitted = np.linalg.lstsq(measured, whole, rcond=None)[0].T
    np.testing.assert_allclose(infer_matrix(s, rows, 0.0), fitted, atol=0.01)


def test_it_is_the_regression_also_behind_an_average_reference_of_each() -> None:
    # The layout loses the mean of nine, what is measured the mean of four of them.
    s = average_reference(average_reference(covariance()).T)
    rows = average_reference(selection())
    x = average_reference(
        np.random.default_rng(2).multivariate_normal(np.zeros(N), covariance(), 400_000).T
    ).T
    y = x[:, FOUND] - x[:, FOUND].mean(axis=1, keepdims=True)
    whole, measured = x @ whitener(s, 0.0), y @ whitener(rows @ s @ rows.T, 0.0)
    fitted = np.linalg.lstsq(measured, whole, rcond=1e-6)[0].T
    np.testing.assert_allclose(infer_matrix(s, rows, 0.0), fitted, atol=0.01)


def test_it_neither_stretches_nor_adds_dimensions() -> None:
    matrix = infer_matrix(covariance(), selection(), 0.0)
    np.testing.assert_allclose(matrix.T @ matrix, np.eye(len(FOUND)), atol=1e-9)


def test_behind_an_average_reference_it_is_an_isometry_of_what_is_left() -> None:
    s = average_reference(average_reference(covariance()).T)
    matrix = infer_matrix(s, average_reference(selection()), 0.0)
    left = np.eye(len(FOUND)) - 1.0 / len(FOUND)  # all but the mean
    np.testing.assert_allclose(matrix.T @ matrix, left, atol=1e-6)


def test_shrinkage_changes_the_scale_a_little() -> None:
    matrix = infer_matrix(covariance(), selection(), 0.05)
    gains = np.linalg.svd(matrix, compute_uv=False)
    assert 0.8 < gains.min() <= gains.max() < 1.1


def test_all_electrodes_are_left_as_they_are() -> None:
    np.testing.assert_allclose(infer_matrix(covariance(), np.eye(N), 0.0), np.eye(N), atol=1e-9)


def test_the_order_and_the_unit_of_the_electrodes_do_not_matter() -> None:
    s, rows, order = covariance(), selection(), [2, 0, 3, 1]
    matrix = infer_matrix(s, rows, 0.05)
    np.testing.assert_allclose(infer_matrix(s, rows[order], 0.05), matrix[:, order], atol=1e-9)
    np.testing.assert_allclose(infer_matrix(1e-6 * s, rows, 0.05), matrix, atol=1e-9)


def test_the_whitener_is_what_the_alignment_comes_to() -> None:
    s = covariance()
    stage = RunningAlign(N, 256.0, shrinkage=0.05, warm_start=(s, 1e9))
    np.testing.assert_allclose(stage.push(np.eye(N)), whitener(s, 0.05), atol=1e-6)


def test_an_electrode_less_itself_is_nothing_to_infer_from() -> None:
    rows = average_reference(np.eye(N)[:1])
    with pytest.raises(ChannelError, match="1 of 9 electrodes less their reference have no power"):
        infer_matrix(covariance(), rows, 0.05)


def test_a_covariance_of_another_layout() -> None:
    with pytest.raises(ShapeError, match=r"covariance has shape \(8, 8\), need \(9, 9\)"):
        measured_covariance(covariance(8), selection())


def test_bad_channels_are_filled_by_the_regression_on_the_good_ones_whatever_the_reference() -> None:
    s, good = covariance(), np.ones(N, bool)
    good[[2, 6]] = False
    x = np.random.default_rng(1).multivariate_normal(np.zeros(N), s, 200_000)
    filled = fill_matrix(s, good, 1e-9)
    less_mean = x - x[:, good].mean(axis=1, keepdims=True)
    fitted = np.linalg.lstsq(less_mean[:, good], less_mean[:, ~good], rcond=None)[0]
    np.testing.assert_allclose(less_mean[:, good] @ fitted, (less_mean @ filled.matrix.T)[:, ~good], atol=0.6)
    np.testing.assert_allclose(filled.matrix.sum(axis=1), 1.0)
    np.testing.assert_array_equal(filled.matrix[good], np.eye(N)[good])
    assert not filled.matrix[:, ~good].any()
    left = x - x @ filled.matrix.T
    np.testing.assert_allclose(filled.unknown, np.cov(left.T), atol=0.05 * np.diag(s).max())
    referenced = average_reference(average_reference(s).T)
    np.testing.assert_allclose(fill_matrix(referenced, good, 1e-9).matrix, filled.matrix, atol=1e-5)
    assert (filled.known[good] == 1.0).all()
    assert (filled.known[~good] < 1.0).all()


def test_one_good_channel_stands_for_all_and_none_for_none() -> None:
    good = np.arange(N) == 3
    np.testing.assert_allclose(fill_matrix(covariance(), good, 0.01).matrix, np.tile(good, (N, 1)))
    with pytest.raises(ChannelError, match="none of 9 channels is good, need one or more"):
        fill_matrix(covariance(), np.zeros(N, bool), 0.01)
