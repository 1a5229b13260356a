import numpy as np

from rtbci.probe.listened import ListenedBranch
from rtbci.stages.stage import FloatArray


class Mean:
    name, window_samples = "mean", 4

    def __init__(self) -> None:
        self.value: FloatArray | None = None
        self.n_rehearsed = 0

    def push(self, hop: FloatArray) -> None:
        self.value = hop.mean(axis=0)

    def logits(self) -> FloatArray | None:
        return self.value

    def logits_of(self, window: FloatArray) -> FloatArray:
        return np.asarray(window[-4:].mean(axis=0))

    def rehearse(self) -> None:
        self.n_rehearsed += 1

    def reset(self) -> None:
        self.value = None


def test_everything_is_passed_on_and_kept() -> None:
    branch = Mean()
    said: list[FloatArray | None] = []
    hops: list[np.ndarray] = []
    listened = ListenedBranch(branch, said, hops)
    assert (listened.name, listened.window_samples, listened.logits()) == ("mean", 4, None)
    hop = np.arange(4.0).reshape(2, 2)
    listened.push(hop)
    logits = listened.logits()
    assert logits is not None
    hop += 5.0
    logits += 5.0
    assert said[0] is None
    np.testing.assert_array_equal(said[1], [1.0, 2.0])
    np.testing.assert_array_equal(hops, [[[0.0, 1.0], [2.0, 3.0]]])
    assert hops[0].dtype == np.float32
    np.testing.assert_array_equal(listened.logits_of(np.ones((6, 2))), [1.0, 1.0])
    listened.rehearse()
    listened.reset()
    assert (branch.n_rehearsed, branch.value, len(said), len(hops)) == (1, None, 2, 1)
