import numpy as np
import pytest
from scipy.linalg import logm, sqrtm

from rtbci.errors import ShapeError
from rtbci.probe.tangent import BlockCovariances, TangentProbe, shrink, tangent_vectors
from tests.probe_samples import N_CHANNELS, tangent_probe

RNG = np.random.default_rng(3)


def covariance(n: int = N_CHANNELS) -> np.ndarray:
    x = RNG.standard_normal((4 * n, n))
    return x.T @ x / len(x)


def test_tangent_vector_is_that_of_the_definition() -> None:
    c, g = covariance(), covariance()
    inverse_root = np.linalg.inv(np.real(sqrtm(g)))
    want = np.real(logm(inverse_root @ c @ inverse_root))
    got = tangent_vectors(c[np.newaxis], g)[0]
    rows, columns = np.triu_indices(N_CHANNELS)
    np.testing.assert_allclose(
        got, want[rows, columns] * np.where(rows == columns, 1, np.sqrt(2)), atol=1e-10
    )
    assert np.linalg.norm(got) == pytest.approx(np.linalg.norm(want))  # what the sqrt(2) is for


def test_matches_pyriemann() -> None:
    tangentspace = pytest.importorskip("pyriemann.utils.tangentspace")
    many, reference = np.stack([covariance() for _ in range(4)]), covariance()
    want = tangentspace.upper(tangentspace.log_map_riemann(many, reference, C12=False))
    np.testing.assert_allclose(tangent_vectors(many, reference), want, atol=1e-10)


def test_probe_is_linear_in_the_tangent_vectors() -> None:
    probe = tangent_probe()
    covariances = np.stack([covariance(), covariance()])
    shrunk = shrink(covariances, probe.shrinkage)
    vector = np.concatenate([tangent_vectors(shrunk[[b]], probe.reference[b])[0] for b in range(2)])
    np.testing.assert_allclose(probe.logits(covariances), probe.coef @ vector + probe.intercept)


def test_tensors_make_the_same_probe() -> None:
    probe, covariances = tangent_probe(), np.stack([covariance(), covariance()])
    again = TangentProbe.from_tensors(probe.tensors())
    np.testing.assert_array_equal(again.logits(covariances), probe.logits(covariances))


def test_flat_signal_gives_finite_logits() -> None:
    assert np.isfinite(tangent_probe().logits(np.zeros((2, N_CHANNELS, N_CHANNELS)))).all()


def test_covariance_of_a_window_has_the_same_bits_wherever_the_window_lies() -> None:
    hops = RNG.standard_normal((40, 2, 4, N_CHANNELS))
    outcomes = []
    for n_before in range(12):
        blocks = BlockCovariances(2, N_CHANNELS, 4, n_blocks=6)
        for hop in [*hops[:n_before], *hops[20:26]]:
            blocks.push(hop)
        outcomes.append(blocks.window())
    window = np.concatenate(list(hops[20:26]), axis=1)
    np.testing.assert_allclose(outcomes[0], window.transpose(0, 2, 1) @ window / window.shape[1])
    for other in outcomes[1:]:
        np.testing.assert_array_equal(other, outcomes[0])


def test_an_artefact_leaves_no_trace_once_it_is_out_of_the_window() -> None:
    hops = RNG.standard_normal((12, 1, 4, N_CHANNELS))
    spoilt, clean = (BlockCovariances(1, N_CHANNELS, 4, n_blocks=6) for _ in range(2))
    spoilt.push(np.full((1, 4, N_CHANNELS), 1e12))
    for hop in hops[:6]:
        spoilt.push(hop)
        clean.push(hop)
    np.testing.assert_array_equal(spoilt.window(), clean.window())


def test_wrong_shapes_say_got_and_need() -> None:
    with pytest.raises(ShapeError, match=r"covariances have shape \(3, 3\), need \(2, 3, 3\)"):
        tangent_probe().logits(np.eye(3))
    with pytest.raises(ShapeError, match=r"hop has shape \(4, 3\), need \(1, 4, 3\)"):
        BlockCovariances(1, 3, 4, 2).push(np.zeros((4, 3)))
    with pytest.raises(ShapeError, match=r"need \(n_bands, c, c\)"):
        TangentProbe(np.eye(3)[np.newaxis], np.zeros((2, 7)), np.zeros(2))
    with pytest.raises(ShapeError, match="need a positive definite matrix"):
        TangentProbe(np.zeros((1, 3, 3)), np.zeros((2, 6)), np.zeros(2))
