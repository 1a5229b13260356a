import numpy as np
import pytest

from rtbci.errors import ConfigError
from rtbci.stages.adapter import SpectroSpatialAdapter

RNG = np.random.default_rng(4)
CHUNK = RNG.normal(size=(40, 4))


def test_matrix() -> None:
    matrix = RNG.normal(size=(3, 4))
    np.testing.assert_allclose(SpectroSpatialAdapter(matrix, 256.0).push(CHUNK), CHUNK @ matrix.T)


@pytest.mark.parametrize("gains", [[1.0, 1.0, 1.0], [1e3, 1.0, -0.5]])
def test_picking_equals_the_matrix(gains: list[float]) -> None:
    matrix = np.zeros((3, 4))
    matrix[[0, 1, 2], [3, 0, 3]] = gains
    np.testing.assert_array_equal(
        SpectroSpatialAdapter(matrix, 256.0).push(CHUNK), CHUNK[:, [3, 0, 3]] * gains
    )


@pytest.mark.parametrize("matrix", [[[0.5, 0, 0.5, 0], [0, 0, 2.0, 0]], [[0, 0, 1.0, 0], [1.0, 0, 0, 0]]])
def test_a_dead_channel_that_is_not_used_spoils_nothing(matrix: list[list[float]]) -> None:
    chunk = CHUNK.copy()
    chunk[:, [1, 3]] = np.nan
    assert np.isfinite(SpectroSpatialAdapter(matrix, 256.0).push(chunk)).all()


def test_an_output_without_input_is_zero() -> None:
    out = SpectroSpatialAdapter([[0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]], 256.0).push(CHUNK)
    np.testing.assert_array_equal(out, np.column_stack((np.zeros(40), CHUNK[:, 1])))


def test_fir_is_a_causal_convolution_of_each_output() -> None:
    matrix, fir = RNG.normal(size=(2, 4)), RNG.normal(size=(2, 7))
    signal = np.concatenate((np.zeros((1, 4)), CHUNK))  # the first sample is also the history
    out = SpectroSpatialAdapter(matrix, 256.0, fir).push(signal)
    for o in range(2):
        np.testing.assert_allclose(out[:, o], np.convolve((signal @ matrix.T)[:, o], fir[o])[:41], atol=1e-12)


def test_fir_starts_without_a_transient() -> None:
    fir = np.full((2, 5), 0.2)
    out = SpectroSpatialAdapter(np.eye(2), 256.0, fir).push(np.full((9, 2), 77.0))
    np.testing.assert_allclose(out, 77.0)


def test_delay_is_half_the_length_for_linear_phase() -> None:
    assert SpectroSpatialAdapter(np.eye(2), 256.0).delay_s == 0.0
    assert SpectroSpatialAdapter(np.eye(2), 256.0, np.ones((2, 15))).delay_s == pytest.approx(7 / 256.0)
    assert SpectroSpatialAdapter(np.eye(2), 256.0, np.zeros((2, 15))).delay_s == 0.0


def test_settings_are_copied() -> None:
    matrix = np.eye(4) + 0.5
    stage = SpectroSpatialAdapter(matrix, 256.0)
    before = stage.push(CHUNK)
    matrix[:] = 0.0
    np.testing.assert_array_equal(stage.push(CHUNK), before)


def test_bad_settings() -> None:
    with pytest.raises(ConfigError, match=r"matrix has shape \(4,\), need \(n_out, n_in\)"):
        SpectroSpatialAdapter(np.ones(4), 256.0)
    with pytest.raises(ConfigError, match=r"fir has shape \(3, 5\), need \(2, n_taps\)"):
        SpectroSpatialAdapter(np.ones((2, 4)), 256.0, np.ones((3, 5)))
    with pytest.raises(ConfigError, match="matrix has entries that are not finite"):
        SpectroSpatialAdapter([[np.nan]], 256.0)
    with pytest.raises(ConfigError, match="rate_hz is -1"):
        SpectroSpatialAdapter([[1.0]], -1.0)
