import numpy as np
import pytest
from scipy.special import softmax

from rtbci.errors import ConfigError, ShapeError
from rtbci.probe.fusion import Fusion

LOGITS = [np.array([1.0, -1.0, 0.5]), np.array([0.2, 0.4, -3.0])]


def test_weighted_sum_bias_and_temperature() -> None:
    fusion = Fusion([0.25, 2.0], [0.1, 0.0, -0.1], temperature=1.7)
    logits = fusion.logits(LOGITS)
    np.testing.assert_allclose(logits, 0.25 * LOGITS[0] + 2.0 * LOGITS[1] + [0.1, 0.0, -0.1])
    np.testing.assert_allclose(fusion.probs(logits), softmax(logits / 1.7))


def test_huge_logits_do_not_overflow() -> None:
    np.testing.assert_array_equal(Fusion([1.0], [0, 0]).probs(np.array([1e4, -1e4])), [1.0, 0.0])


def test_what_does_not_fit_is_refused() -> None:
    fusion = Fusion([1.0, 1.0], [0, 0, 0])
    with pytest.raises(ShapeError, match="got logits of 1 branches, need 2"):
        fusion.logits(LOGITS[:1])
    with pytest.raises(ShapeError, match=r"logits have shape \(2,\), need \(3,\)"):
        fusion.logits([LOGITS[0], np.zeros(2)])
    with pytest.raises(ConfigError, match="temperature is 0, need a number above 0"):
        Fusion([1.0], [0, 0], temperature=0.0)
    with pytest.raises(ConfigError, match="weights are"):
        Fusion([np.nan], [0, 0])
    with pytest.raises(ConfigError, match="bias is"):
        Fusion([1.0], [0])
