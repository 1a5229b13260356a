import numpy as np
import pytest

from rtbci.errors import ChannelError, ConfigError
from rtbci.stages.reference import AverageReference, NamedReference

CHUNK = np.array([[1.0, 2.0, 6.0], [10.0, 20.0, 60.0]])


def test_average() -> None:
    out = AverageReference(3, 256.0).push(CHUNK)
    np.testing.assert_allclose(out, CHUNK - CHUNK.mean(axis=1, keepdims=True))


def test_channels_outside_the_reference_do_not_count_even_when_they_are_not_numbers() -> None:
    chunk = CHUNK.copy()
    chunk[:, 2] = np.nan
    out = NamedReference(["C3", "M1", "M2"], ["C3", "M1"], 256.0).push(chunk)
    np.testing.assert_allclose(out[:, :2], [[-0.5, 0.5], [-5.0, 5.0]])
    assert np.isnan(out[:, 2]).all()


def test_named() -> None:
    out = NamedReference(["C3", "M1", "M2"], ["M1", "M2"], 256.0).push(CHUNK)
    np.testing.assert_allclose(out, CHUNK - CHUNK[:, 1:].mean(axis=1, keepdims=True))


def test_a_label_named_twice_counts_once() -> None:
    out = NamedReference(["C3", "M1", "M2"], ["M1", "M2", "M1"], 256.0).push(CHUNK)
    np.testing.assert_allclose(out, CHUNK - CHUNK[:, 1:].mean(axis=1, keepdims=True))


def test_unknown_label_is_named_with_the_nearest() -> None:
    with pytest.raises(ChannelError, match=r"TP9, C33 not among the channels.*; nearest are C3"):
        NamedReference(["C3", "CZ", "C4"], ["TP9", "C33", "CZ"], 256.0)
    with pytest.raises(ChannelError, match="got no reference labels"):
        NamedReference(["C3"], [], 256.0)


def test_bad_rate() -> None:
    with pytest.raises(ConfigError, match="rate_hz is 0"):
        AverageReference(2, 0.0)
