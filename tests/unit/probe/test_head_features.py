from typing import cast

import numpy as np
import pytest

from rtbci.backends.session import Session
from rtbci.errors import ProfileError, ShapeError
from rtbci.probe.branches import WindowBranch
from rtbci.probe.head_features import (
    HEAD_TENSORS,
    conv_features,
    power_features,
    tangent_features,
    whole_window_features,
    window_features,
)
from rtbci.probe.open_branches import open_branches
from rtbci.probe.window_head import WindowHead
from tests.probe_samples import (
    HOP,
    N_CHANNELS,
    WINDOW,
    conv_probe,
    make_profile,
    power_probe,
    sessions,
    tangent_probe,
)

RNG = np.random.default_rng(4)


def test_power_head_on_its_features_is_the_probe() -> None:
    probe = power_probe()
    powers = RNG.random((5, WINDOW // HOP, probe.coef.shape[1]))
    logits = power_features(probe, powers) @ probe.coef.T + probe.intercept
    np.testing.assert_allclose(logits, [probe.logits(one) for one in powers], rtol=1e-12)
    np.testing.assert_allclose(power_features(probe, powers[0]), power_features(probe, powers)[0])


def test_tangent_head_on_its_features_is_the_probe() -> None:
    probe = tangent_probe()
    x = RNG.standard_normal((5, 2, N_CHANNELS, 20))
    covariances = x @ x.transpose(0, 1, 3, 2) / 20
    logits = tangent_features(probe, covariances) @ probe.coef.T + probe.intercept
    np.testing.assert_allclose(logits, [probe.logits(one) for one in covariances], rtol=1e-10)
    assert tangent_features(probe, covariances[0]).shape == (probe.coef.shape[1],)


def test_last_layer_on_its_features_is_the_conv_probe() -> None:
    probe = conv_probe()
    patches = RNG.standard_normal((5, probe.n_patches, probe.n_features)).astype(np.float32)
    logits = conv_features(probe, patches) @ probe.weight.T + probe.bias
    np.testing.assert_allclose(logits, [probe.logits(one) for one in patches], rtol=1e-5, atol=1e-6)
    assert conv_features(probe, patches[0]).dtype == np.float64


@pytest.mark.parametrize("kind", sorted(set(HEAD_TENSORS) - {"window"}))
def test_head_on_a_windows_features_is_the_branch(kind: str) -> None:
    profile = make_profile()
    opened = cast("dict[str, Session]", sessions())
    branches = {one.name: one for one in open_branches(profile, opened)}
    signal = RNG.standard_normal((WINDOW + 3 * HOP + 1, N_CHANNELS))
    entry = next(one for one in profile.branches if one.kind == kind)
    features = window_features(profile, entry, signal, opened.get(kind))
    names, tensors = HEAD_TENSORS[kind], profile.tensors(entry.name)
    logits = tensors[names.coef] @ features + tensors[names.intercept]
    np.testing.assert_allclose(logits, branches[entry.name].logits_of(signal), rtol=1e-6, atol=1e-9)


def test_head_on_a_whole_windows_features_is_the_branch() -> None:
    session = cast("Session", sessions()["window"])
    head = WindowHead(RNG.standard_normal((3, session.output_shape[1])), RNG.standard_normal(3))
    branch = WindowBranch(session, "features", head=head)
    signal = RNG.standard_normal((WINDOW + 5, N_CHANNELS))
    logits = head.weight @ whole_window_features(session, signal) + head.bias
    np.testing.assert_array_equal(branch.logits_of(signal), logits)


def test_an_encoders_spatial_filters_come_first() -> None:
    profile, session = make_profile(), cast("Session", sessions()["encoder"])
    signal, adapter = RNG.standard_normal((WINDOW, 4)), RNG.standard_normal((N_CHANNELS, 4))
    wanted = window_features(profile, profile.branches[0], signal @ adapter.T, session)
    profile.weights["encoder.adapter"] = adapter
    np.testing.assert_array_equal(window_features(profile, profile.branches[0], signal, session), wanted)


def test_wrong_input_is_refused() -> None:
    profile = make_profile()
    with pytest.raises(ShapeError, match=r"powers have shape \(4, 8\), need \(\.\.\., a multiple of 3, 8\)"):
        power_features(power_probe(), np.ones((4, 8)))
    with pytest.raises(ShapeError, match=r"covariances have shape \(3, 3\), need"):
        tangent_features(tangent_probe(), np.eye(N_CHANNELS))
    with pytest.raises(ShapeError, match=r"features have shape \(2, 5\), need \(\.\.\., 3, 5\)"):
        conv_features(conv_probe(), np.ones((2, 5)))
    with pytest.raises(ShapeError, match=r"branch 'power': signal has shape \(4, 3\)"):
        window_features(profile, profile.branches[2], np.ones((4, N_CHANNELS)))
    with pytest.raises(ProfileError, match="branch 'encoder': of kind encoder without an engine"):
        window_features(profile, profile.branches[0], np.ones((WINDOW, N_CHANNELS)))
