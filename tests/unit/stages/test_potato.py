import numpy as np
import pytest
from pyriemann.artifact_detection import Potato as TheirPotato
from pyriemann.artifact_detection import PotatoField
from scipy.stats import combine_pvalues, norm

from rtbci.errors import SignalError
from rtbci.stages.potato import Potato, combined_p, p_of_z
from rtbci.stages.stage import FloatArray


def covariances(n: int, size: int = 4, seed: int = 0, loud: int = 0) -> FloatArray:
    rng = np.random.default_rng(seed)
    parts = rng.standard_normal((n, size, 40))
    parts[:loud] *= rng.uniform(4.0, 9.0, (loud, size, 1))
    return parts @ parts.transpose(0, 2, 1) / 40


@pytest.mark.parametrize("loud", [0, 5])
def test_a_potato_is_that_of_pyriemann(loud: int) -> None:
    known, new = covariances(60, loud=loud), covariances(20, seed=1, loud=4)
    theirs, ours = TheirPotato(threshold=3, n_iter_max=20).fit(known), Potato.fit(known, 3.0)
    np.testing.assert_allclose(ours.centre, np.asarray(theirs.covmean_), atol=1e-6)
    np.testing.assert_allclose(ours.z(new), theirs.transform(new), atol=1e-4)
    p = [p_of_z(float(z)) for z in ours.z(new)]
    np.testing.assert_allclose(p, np.maximum(theirs.predict_proba(new), 1e-10), atol=1e-5)


def test_it_follows_as_that_of_pyriemann() -> None:
    known, new = covariances(60), covariances(5, seed=2)
    theirs, ours = TheirPotato(threshold=3, n_iter_max=20).fit(known), Potato.fit(known, 3.0)
    for one in new:
        theirs.partial_fit(one[np.newaxis], alpha=0.1)
        ours = ours.moved(one, 0.1)
    np.testing.assert_allclose(ours.centre, np.asarray(theirs.covmean_), atol=1e-6)
    np.testing.assert_allclose(
        ours.z(covariances(9, seed=3)), theirs.transform(covariances(9, seed=3)), atol=1e-3
    )


@pytest.mark.parametrize(("method", "theirs"), [("fisher", "fisher"), ("liptak", "stouffer")])
def test_a_field_is_that_of_pyriemann(method: str, theirs: str) -> None:
    sizes = (3, 4, 5)
    known = [covariances(60, size, i) for i, size in enumerate(sizes)]
    new = [covariances(20, size, 10 + i, loud=3) for i, size in enumerate(sizes)]
    field = PotatoField(3, z_threshold=3, n_iter_max=20, method_combination=theirs).fit(known)
    ours = [Potato.fit(one, 3.0) for one in known]
    z = np.stack([potato.z(one) for potato, one in zip(ours, new, strict=True)])
    p = [combined_p([p_of_z(float(one)) for one in column], method) for column in z.T]
    np.testing.assert_allclose(p, field.predict_proba(new), rtol=2e-3, atol=1e-9)


@pytest.mark.parametrize("method", ["fisher", "liptak"])
def test_probabilities_are_combined_as_scipy_does(method: str) -> None:
    rng = np.random.default_rng(0)
    for n in (1, 2, 5):
        p = rng.uniform(1e-6, 1.0, n)
        wanted = combine_pvalues(p, "fisher" if method == "fisher" else "stouffer").pvalue
        assert combined_p(p.tolist(), method) == pytest.approx(wanted, rel=1e-9)
    assert combined_p([1.0, 1.0], method) == pytest.approx(1.0)
    assert combined_p([1e-10] * 8, method) >= 0.0


def test_p_of_z() -> None:
    assert p_of_z(1.5) == pytest.approx(float(norm.sf(1.5)))
    assert p_of_z(50.0) == 1e-10


def test_a_signal_that_is_all_outlier_is_refused() -> None:
    with pytest.raises(SignalError, match="need clean ones"):
        Potato.fit(covariances(20), -10.0)
