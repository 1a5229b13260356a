import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyriemann.geometry.distance import distance_riemann
from pyriemann.geometry.geodesic import geodesic_riemann
from pyriemann.geometry.mean import mean_logeuclid, mean_riemann

from rtbci.errors import ShapeError
from rtbci.stages.spd import (
    distances,
    exponential,
    geodesic,
    inverse_roots,
    log_euclidean_mean,
    logarithm,
    riemannian_mean,
    roots,
)
from rtbci.stages.stage import FloatArray


def matrices(n: int, size: int = 5, seed: int = 0) -> FloatArray:
    parts = np.random.default_rng(seed).standard_normal((n, size, 3 * size))
    return parts @ parts.transpose(0, 2, 1) / (3 * size)


def test_distances_means_and_geodesics_are_those_of_pyriemann() -> None:
    many = matrices(7)
    np.testing.assert_allclose(
        distances(many[1:], inverse_roots(many[0])),
        [distance_riemann(one, many[0]) for one in many[1:]],
        rtol=1e-9,
    )
    np.testing.assert_allclose(riemannian_mean(many), mean_riemann(many, tol=1e-12), atol=1e-8)
    np.testing.assert_allclose(log_euclidean_mean(many), mean_logeuclid(many), atol=1e-10)
    for share in (0.0, 0.2, 0.5, 1.0):
        np.testing.assert_allclose(
            geodesic(many[0], many[1], share), geodesic_riemann(many[0], many[1], share), atol=1e-9
        )


def test_roots_and_exponential_undo_each_other() -> None:
    many = matrices(3)
    np.testing.assert_allclose(roots(many) @ roots(many), many, atol=1e-10)
    np.testing.assert_allclose(
        inverse_roots(many) @ many @ inverse_roots(many), np.tile(np.eye(5), (3, 1, 1)), atol=1e-9
    )
    np.testing.assert_allclose(exponential(logarithm(many)), many, atol=1e-10)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 999), size=st.integers(1, 6))
def test_distance_and_mean_do_not_see_a_mixing(seed: int, size: int) -> None:
    many = matrices(4, size, seed)
    mixing = np.random.default_rng(seed + 1).standard_normal((size, size)) + 3 * np.eye(size)
    mixed = mixing @ many @ mixing.T
    before, after = (distances(one[1:], inverse_roots(one[0])) for one in (many, mixed))
    np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(
        riemannian_mean(mixed), mixing @ riemannian_mean(many) @ mixing.T, rtol=1e-5, atol=1e-6
    )


def test_one_that_is_not_positive_definite_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"has the eigenvalue .* shrink them first"):
        logarithm(np.diag([1.0, 0.0]))
    with pytest.raises(ShapeError, match="positive definite"):
        distances(np.diag([1.0, -1.0]), np.eye(2))
