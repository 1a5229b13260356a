import numpy as np

from rtbci.backends.remembering import RememberingSession
from rtbci.recipes import Precision
from rtbci.stages.stage import Float32Array


class Counting:
    """Doubles its input, in an array that the next call overwrites."""

    backend, network_id, engine_id, device = "counting", "n", "e", "cpu"
    precision: Precision = "fp32"
    input_shape: tuple[int, ...] = (1, 2, 3)
    output_shape: tuple[int, ...] = (1, 2, 3)

    def __init__(self) -> None:
        self.n_runs, self.n_closed = 0, 0
        self._out = np.zeros((1, 2, 3), np.float32)

    def run(self, x: Float32Array) -> Float32Array:
        self.n_runs += 1
        np.multiply(x, 2.0, out=self._out)
        return self._out

    def close(self) -> None:
        self.n_closed += 1


def test_each_input_is_computed_once() -> None:
    inner = Counting()
    session = RememberingSession(inner)
    x = np.random.default_rng(0).standard_normal((3, 1, 2, 3)).astype(np.float32)
    first = [session.run(one) for one in x]
    first[0][:] = 0.0  # whoever gets an output may write to it
    again = [session.run(one) for one in x]
    np.testing.assert_array_equal(again, 2.0 * x)
    assert inner.n_runs == 3
    broken = np.full((1, 2, 3), np.nan, np.float32)
    assert np.isnan(session.run(broken)).all()
    session.run(broken)
    assert inner.n_runs == 4
    assert (session.backend, session.input_shape, session.network_id) == ("counting", (1, 2, 3), "n")
    session.close()
    assert inner.n_closed == 1
