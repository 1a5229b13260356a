import numpy as np
import pytest
from pyriemann.classification import MDM

from rtbci.errors import ShapeError
from rtbci.probe.mdm import MdmProbe
from rtbci.probe.tangent import shrink
from rtbci.stages.spd import riemannian_mean
from tests.probe_samples import N_CHANNELS, N_CLASSES, mdm_probe


def test_distances_and_labels_are_those_of_pyriemann() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 20)
    parts = rng.standard_normal((60, 4, 12)) * (1.0 + labels[:, np.newaxis, np.newaxis] * [[0.2]])
    parts[:, 0] *= (1.0 + labels)[:, np.newaxis]
    moments = parts @ parts.transpose(0, 2, 1) / 12
    shrunk = shrink(moments, 0.1)
    reference = MDM(metric="riemann").fit(shrunk, labels)
    means = np.stack([riemannian_mean(shrunk[labels == one])[np.newaxis] for one in range(3)])
    probe = MdmProbe(means, [1.0], np.zeros(3), 0.1)
    squared = probe.squared_distances(moments[:, np.newaxis])[:, :, 0]
    np.testing.assert_allclose(np.sqrt(squared), reference.transform(shrunk), rtol=1e-5)
    logits = probe.logits(moments[:, np.newaxis])
    np.testing.assert_array_equal(logits.argmax(axis=1), reference.predict(shrunk))
    # Probabilities are a softmax of the negative squared distances.
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(softmax, reference.predict_proba(shrunk), atol=1e-6)


def test_a_window_on_a_mean_is_of_that_class_and_a_far_one_as_sure_as_its_distances() -> None:
    probe = MdmProbe(np.stack([np.eye(3), 4.0 * np.eye(3)])[:, np.newaxis], [0.5], [0.0, 0.0], 0.05)
    at, between = probe.logits(np.eye(3)[np.newaxis]), probe.logits(2.0 * np.eye(3)[np.newaxis])
    assert at[0] == pytest.approx(0.0)
    assert at[1] == pytest.approx(-0.5 * 3 * np.log(4.0) ** 2)
    assert between[0] == pytest.approx(between[1])


def test_one_window_is_as_many() -> None:
    probe = mdm_probe()
    moments = np.stack([np.eye(N_CHANNELS), 2 * np.eye(N_CHANNELS)])
    many = probe.logits(np.stack([moments, 3 * moments]))
    assert many.shape == (2, N_CLASSES)
    np.testing.assert_allclose(many[0], probe.logits(moments), atol=1e-12)


def test_tensors_make_the_same_probe() -> None:
    probe = mdm_probe()
    again = MdmProbe.from_tensors(probe.tensors())
    moments = np.stack([np.eye(N_CHANNELS)] * 2)
    np.testing.assert_array_equal(again.logits(moments), probe.logits(moments))


def test_what_does_not_fit_is_refused() -> None:
    means = np.stack([np.eye(3), np.eye(3)])[:, np.newaxis]
    with pytest.raises(ShapeError, match=r"need \(n_classes, n_bands, c, c\)"):
        MdmProbe(means[:, 0], [1.0], [0.0, 0.0])
    with pytest.raises(ShapeError, match=r"scale \(2,\)"):
        MdmProbe(means, [1.0, 1.0], [0.0, 0.0])
    with pytest.raises(ShapeError, match="shrinkage is 0"):
        MdmProbe(means, [1.0], [0.0, 0.0], 0.0)
    with pytest.raises(ShapeError, match="numbers of at least 0"):
        MdmProbe(means, [-1.0], [0.0, 0.0])
    with pytest.raises(ShapeError, match="positive definite"):
        MdmProbe(0 * means, [1.0], [0.0, 0.0])
    with pytest.raises(ShapeError, match=r"covariances have shape \(2, 3, 3\)"):
        MdmProbe(means, [1.0], [0.0, 0.0]).logits(np.zeros((2, 3, 3)))
