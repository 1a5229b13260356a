import numpy as np
import pytest
from scipy.signal import lfilter

from rtbci.errors import ShapeError
from rtbci.probe.power import POWER_FLOOR, HopPowers, PowerProbe
from tests.probe_samples import HOP, N_CHANNELS, N_PATCHES, PATCH, WINDOW, power_probe

SIGNAL = np.random.default_rng(2).standard_normal((3 * WINDOW, N_CHANNELS))


def filtered(probe: PowerProbe) -> np.ndarray:
    """Every filter's output on the whole signal, shape (n_samples, n_bands * n_filters)."""
    outputs = [
        lfilter(taps, [1.0], SIGNAL @ filters.T, axis=0)
        for filters, taps in zip(probe.spatial, probe.temporal, strict=True)
    ]
    return np.hstack(outputs)


def test_hop_powers_are_those_of_scipy_on_the_whole_signal() -> None:
    probe = power_probe()
    powers = HopPowers(probe, HOP, WINDOW // HOP)
    for i in range(0, len(SIGNAL), HOP):
        powers.push(SIGNAL[i : i + HOP])
    want = (filtered(probe)[-WINDOW:] ** 2).reshape(WINDOW // HOP, HOP, -1).mean(axis=1)
    np.testing.assert_allclose(powers.window(), want)


def test_logits_are_those_of_the_definition() -> None:
    probe = power_probe()
    hop_powers = np.random.default_rng(0).random((WINDOW // HOP, probe.coef.shape[1]))
    patches = hop_powers.reshape(N_PATCHES, PATCH // HOP, -1).mean(axis=1)
    features = (np.log(patches + POWER_FLOOR) * probe.patch_weight.T).sum(axis=0)
    np.testing.assert_allclose(probe.logits(hop_powers), probe.coef @ features + probe.intercept)


def test_tensors_make_the_same_probe() -> None:
    probe = power_probe()
    hop_powers = np.ones((WINDOW // HOP, probe.coef.shape[1]))
    np.testing.assert_array_equal(
        PowerProbe.from_tensors(probe.tensors()).logits(hop_powers), probe.logits(hop_powers)
    )


def test_wrong_shapes_say_got_and_need() -> None:
    probe = power_probe()
    with pytest.raises(ShapeError, match=r"powers have shape \(4, 8\), need \(a multiple of 3, 8\)"):
        probe.logits(np.zeros((4, 8)))
    with pytest.raises(ShapeError, match=r"hop has shape \(1, 3\), need \(4, 3\)"):
        HopPowers(probe, HOP, 6).push(np.zeros((1, N_CHANNELS)))
    with pytest.raises(ShapeError, match=r"PowerProbe: spatial, temporal"):
        PowerProbe(probe.spatial, probe.temporal[:1], probe.patch_weight, probe.coef, probe.intercept)
