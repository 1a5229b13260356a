"""Rest as a third class: windows, rows, fusion, and the profile that the runtime reads."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import softmax

from rtbci.probe.conv_probe import ConvProbe
from rtbci.probe.head_features import conv_features
from rtbci.probe.tangent import TangentProbe
from tests.training_samples import aligned_signals
from tools.training.filters import convolve
from tools.training.idle import (
    IDLE,
    BranchFeatures,
    IdleRow,
    fit_idle_fusion,
    fit_idle_rows,
    read_idle_rows,
    window_ends,
    with_idle_row,
    with_sums,
    write_idle_rows,
)
from tools.training.networks import EncoderNet
from tools.training.signals import LAYOUT, RATE_HZ, Signal
from tools.training.trials import LAST_END, PATCH, WINDOW


def spaced(gap_s: float) -> Signal:
    """Four trials with `gap_s` from cue to cue."""
    step = round(gap_s * RATE_HZ)
    signal = aligned_signals(n_subjects=1)[0]
    i_cue = 300 + step * np.arange(4)
    rng = np.random.default_rng(0)
    data = rng.standard_normal((int(i_cue[-1]) + LAST_END + 10, signal.data.shape[1]))
    return Signal(1, data, i_cue, signal.classes)


def test_windows_of_rest_hold_no_imagery_and_those_of_imagery_no_rest() -> None:
    signal = spaced(8.4)
    ends, labels = window_ends(signal)
    assert (labels == IDLE).sum() == 6
    assert (labels != IDLE).sum() == 8
    for end, label in zip(ends, labels, strict=True):
        starts = end - WINDOW - signal.i_cue
        inside = (starts >= -int(RATE_HZ / 4)) & (end - signal.i_cue <= LAST_END)
        if label == IDLE:
            assert all(end <= cue or end - WINDOW >= cue + LAST_END for cue in signal.i_cue)
        else:
            assert inside.sum() == 1
            assert label == signal.classes[int(np.flatnonzero(inside)[0])]


def test_a_pause_too_short_for_a_window_gives_none() -> None:
    assert not (window_ends(spaced(6.0))[1] == IDLE).any()


def samples(n: int = 3000) -> BranchFeatures:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, n)
    encoder, tangent = rng.standard_normal((n, 4)), 10.0 * rng.standard_normal((n, 6))
    encoder[:, 1] += 1.5 * (labels == IDLE)
    return BranchFeatures({"encoder": encoder, "tangent": tangent}, labels)


def test_a_row_tells_rest_where_the_features_do(tmp_path: Path) -> None:
    data = samples()
    first = np.arange(len(data.labels)) < 2000
    known = {name: features[first] for name, features in data.features.items()}
    rows = fit_idle_rows(BranchFeatures(known, data.labels[first]))
    write_idle_rows(tmp_path / "rows.npz", rows)
    read = read_idle_rows(tmp_path / "rows.npz")
    rest = data.labels[~first] == IDLE
    for name, least, most in (("encoder", 0.7, 1.0), ("tangent", 0.4, 0.6)):
        said = rows[name].logits(data.features[name][~first])
        np.testing.assert_array_equal(read[name].logits(data.features[name][~first]), said)
        np.testing.assert_array_equal(read[name].scale, rows[name].scale)
        pairs = said[rest][:, None] > said[~rest][None]
        assert least < pairs.mean() < most


def test_the_fusion_finds_the_scale_and_leaves_out_what_says_nothing() -> None:
    rng = np.random.default_rng(1)
    n = 20000
    margins, rest = 2.0 * rng.standard_normal(n), rng.standard_normal(n)
    probs = softmax(np.stack([-margins / 2, margins / 2, 0.7 * rest - 0.4], axis=1), axis=1)
    labels = (rng.random(n)[:, None] > probs.cumsum(axis=1)).sum(axis=1)
    found = fit_idle_fusion({"encoder": rest, "tangent": rng.standard_normal(n)}, margins, labels)
    assert found.shares["encoder"] == pytest.approx(0.7, abs=0.05)
    assert found.shares["tangent"] == pytest.approx(0.0, abs=0.05)
    assert found.offset == pytest.approx(-0.4, abs=0.05)


def test_a_third_row_leaves_the_margin_as_it_is() -> None:
    rng = np.random.default_rng(2)
    conv = ConvProbe(
        rng.standard_normal((3, 5)), rng.standard_normal(3), rng.standard_normal((2, 12)), [0.3, -0.1]
    )
    row = IdleRow(rng.standard_normal(12), 0.7, np.ones(12))
    three = with_idle_row(conv, row, 1.5)
    features = rng.standard_normal((4, 5))
    two_logits, logits = conv.logits(features), three.logits(features)
    assert logits[1] - logits[0] == pytest.approx(two_logits[1] - two_logits[0])
    assert logits[0] + logits[1] == pytest.approx(0.0)
    hidden = (features @ conv.patch_weight.T + conv.patch_bias).ravel()
    assert logits[2] == pytest.approx(1.5 * (hidden @ row.coef + 0.7))

    tangent = TangentProbe(np.eye(2)[None], rng.standard_normal((2, 3)), [0.1, 0.2], 0.3)
    row = IdleRow(rng.standard_normal(3), -0.2, np.ones(3))
    covariance = np.array([[[2.0, 0.5], [0.5, 1.0]]])
    two_logits, logits = tangent.logits(covariance), with_idle_row(tangent, row, 2.0).logits(covariance)
    assert logits[1] - logits[0] == pytest.approx(two_logits[1] - two_logits[0])
    only = TangentProbe(np.eye(2)[None], np.stack([row.coef, row.coef]), [-0.2, -0.2], 0.3)
    assert logits[2] == pytest.approx(2.0 * only.logits(covariance)[0])


def test_sums_of_both_views_change_no_logit_and_are_there_for_a_third_row() -> None:
    torch.manual_seed(0)
    net = EncoderNet("nano", LAYOUT).eval()
    x = torch.randn(3, len(LAYOUT), EncoderNet.context + WINDOW)
    probe, wide = net.probe(), with_sums(net.probe())
    with torch.no_grad():
        straight, mirrored = (_features(net, view) for view in (x, x[:, net.mirror]))
        want, inputs = net(x).numpy(), net.idle_inputs(x).numpy()
    features = np.concatenate([straight, mirrored], axis=2)
    for i, views in enumerate(features):
        np.testing.assert_allclose(wide.logits(views), probe.logits(views), atol=1e-6)
        np.testing.assert_allclose(wide.logits(views), want[i], atol=1e-5)
        np.testing.assert_allclose(conv_features(wide, views), inputs[i], atol=1e-5)
    row = IdleRow(np.random.default_rng(0).standard_normal(384), 0.2, np.ones(384))
    three = with_idle_row(wide, row, 1.0)
    assert three.logits(features[0])[2] == pytest.approx(row.logits(inputs[:1])[0], abs=1e-4)


def _features(net: EncoderNet, x: torch.Tensor) -> np.ndarray:
    """What the engine gives for the patches of windows, (n, n_patches, n_features)."""
    virtual = convolve(net.adapter @ x, net.adapter_fir)
    patches = virtual.reshape(*virtual.shape[:2], -1, PATCH).transpose(1, 2)
    return np.asarray(net.folded().forward(patches, net.ids).flatten(2).numpy())
