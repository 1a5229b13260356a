import numpy as np
import pytest

from rtbci.backends.changeable import ChangeableSession
from rtbci.errors import EngineError
from rtbci.recipes import Precision
from rtbci.stages.stage import Float32Array


class Doubling:
    """A session in memory that always returns the same array, as those with pinned buffers do."""

    network_id = "a" * 64
    precision: Precision = "fp32"
    device = "cpu"

    def __init__(self, backend: str = "first", factor: float = 2.0, n_channels: int = 3) -> None:
        self.backend, self.engine_id, self._factor = backend, backend * 4, factor
        self.input_shape: tuple[int, ...] = (1, n_channels)
        self.output_shape: tuple[int, ...] = (1, n_channels)
        self.error: Exception | None = None
        self.n_closed = 0
        self._y = np.empty(self.output_shape, np.float32)

    def run(self, x: Float32Array) -> Float32Array:
        if x.shape != self.input_shape:
            raise EngineError(f"input is {x.shape}, need {self.input_shape}")
        if self.error is not None:
            raise self.error
        np.multiply(x, np.float32(self._factor), out=self._y)
        return self._y

    def close(self) -> None:
        self.n_closed += 1


X = np.arange(3, dtype=np.float32)[None]


def test_it_is_the_session_that_it_holds() -> None:
    first = Doubling()
    one = ChangeableSession(first)
    assert (one.backend, one.engine_id, one.network_id) == ("first", "first" * 4, "a" * 64)
    assert (one.precision, one.device) == ("fp32", "cpu")
    assert one.input_shape == one.output_shape == (1, 3)
    y = one.run(X)
    one.run(0 * X)
    np.testing.assert_array_equal(y, 2 * X)  # the receiver's own, though the session reuses its array
    with pytest.raises(EngineError, match=r"input is \(1, 2\), need \(1, 3\)"):
        one.run(X[:, :2])
    one.close()
    assert first.n_closed == 1


def test_another_one_computes_after_an_exchange() -> None:
    first, second, third = Doubling(), Doubling("second", 3.0), Doubling("third", 4.0)
    one = ChangeableSession(first)
    one.exchange(second)
    assert (one.backend, one.engine_id) == ("second", "second" * 4)
    np.testing.assert_array_equal(one.run(X), 3 * X)
    one.exchange(third)
    np.testing.assert_array_equal(one.run(X), 4 * X)
    assert (first.n_closed, second.n_closed, third.n_closed) == (0, 1, 0)
    one.close()
    assert (first.n_closed, third.n_closed) == (1, 1)


@pytest.mark.parametrize(
    ("other", "wanted"),
    [
        (Doubling("second", n_channels=4), r"second: takes \(1, 4\), need \(1, 3\) as in the one in use"),
        (Doubling("other"), r"other: is of network bbbbbbbbbbbb, need aaaaaaaaaaaa as in the one in use"),
    ],
)
def test_what_cannot_stand_in_is_refused(other: Doubling, wanted: str) -> None:
    if other.backend == "other":
        other.network_id = "b" * 64
    one = ChangeableSession(Doubling())
    with pytest.raises(EngineError, match=wanted):
        one.exchange(other)
    assert one.backend == "first"


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (EngineError("second: device lost"), "second: device lost"),
        (RuntimeError("unspecified launch failure"), "RuntimeError: unspecified launch failure"),
    ],
)
def test_when_it_fails_the_first_one_computes_the_same_result(error: Exception, why: str) -> None:
    first, second = Doubling(), Doubling("second", 3.0)
    one = ChangeableSession(first)
    one.exchange(second)
    second.error = error
    np.testing.assert_array_equal(one.run(X), 2 * X)
    assert one.failure == why
    assert one.backend == "first"
    assert second.n_closed == 1
    np.testing.assert_array_equal(one.run(X), 2 * X)
    first.error = EngineError("first: out of memory")
    with pytest.raises(EngineError, match="first: out of memory"):
        one.run(X)


def test_a_wrong_input_is_the_callers_fault_and_no_failure() -> None:
    one = ChangeableSession(Doubling())
    one.exchange(Doubling("second", 3.0))
    with pytest.raises(EngineError, match=r"input is \(1, 2\)"):
        one.run(X[:, :2])
    assert not one.failure
    assert one.backend == "second"
