import numpy as np
import pytest

from rtbci.errors import ShapeError
from rtbci.probe.conv_probe import ConvProbe
from tests.probe_samples import N_FEATURES, N_PATCHES, conv_probe


def test_equals_the_two_maps_one_after_the_other() -> None:
    probe = conv_probe()
    features = np.random.default_rng(1).standard_normal((N_PATCHES, N_FEATURES))
    hidden = features @ probe.patch_weight.T + probe.patch_bias
    np.testing.assert_allclose(probe.logits(features), probe.weight @ hidden.ravel() + probe.bias)


def test_equals_torch_layers() -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    per_patch, head = torch.nn.Linear(N_FEATURES, 4), torch.nn.Linear(N_PATCHES * 4, 2)
    features = torch.randn(N_PATCHES, N_FEATURES)
    weights = (x.detach().numpy() for x in (per_patch.weight, per_patch.bias, head.weight, head.bias))
    want = head(per_patch(features).flatten()).detach().numpy()
    np.testing.assert_allclose(ConvProbe(*weights).logits(features.numpy()), want, atol=1e-6)


def test_tensors_make_the_same_probe() -> None:
    probe = conv_probe()
    features = np.ones((N_PATCHES, N_FEATURES), np.float32)
    np.testing.assert_array_equal(
        ConvProbe.from_tensors(probe.tensors()).logits(features), probe.logits(features)
    )


def test_wrong_shapes_say_got_and_need() -> None:
    with pytest.raises(ShapeError, match=r"features have shape \(2, 5\), need \(3, 5\)"):
        conv_probe().logits(np.zeros((2, N_FEATURES)))
    with pytest.raises(ShapeError, match=r"ConvProbe: weights have shapes .* need \(h, f\)"):
        ConvProbe(np.zeros((4, 5)), np.zeros(4), np.zeros((2, 11)), np.zeros(2))
