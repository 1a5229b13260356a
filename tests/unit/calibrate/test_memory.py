import numpy as np

from rtbci.calibrate.memory import StreamMemory, StreamShape

SHAPE = StreamShape(
    raw_hz=10.0, n_raw_channels=2, n_channels=1, hop_s=0.5, hop_samples=4, n_branches=1, n_classes=2
)


def filled(n_hops: int, keep_s: float = 5.0) -> StreamMemory:
    memory = StreamMemory(SHAPE, keep_s)
    for k in range(n_hops):
        t_lsl = 100.0 + 0.5 * k + np.arange(5) / 10.0
        memory.push_raw(np.full((5, 2), float(k)), t_lsl)
        memory.push_hop(
            np.full((4, 1), k, np.float32), float(t_lsl[-1]), np.array([[k, -k]]), np.array([k, k])
        )
    return memory


def test_hops_are_found_by_their_stamps() -> None:
    memory = filled(30)
    assert (memory.t_first, memory.t_raw_newest, memory.t_hop_newest) == (100.0, 114.9, 114.9)
    assert memory.i_hop_until(114.39) == 27
    assert memory.i_hop_until(200.0) == 29
    assert memory.i_hop_until(100.0) == -1
    assert (memory.holds_hop(18), memory.holds_hop(19)) == (False, True)
    np.testing.assert_array_equal(memory.signal(27, 29)[:, 0], [27] * 4 + [28] * 4)
    np.testing.assert_array_equal(memory.branch_logits(28, 30), [[[28, -28]], [[29, -29]]])
    np.testing.assert_array_equal(memory.logits(29, 30), [[29, 29]])
    np.testing.assert_allclose(memory.stamps(28, 30), [114.4, 114.9])


def test_raw_samples_between_two_times() -> None:
    raw_uv, t_lsl = filled(30).raw(112.95, 113.25)
    np.testing.assert_allclose(t_lsl, [113.0, 113.1, 113.2])
    np.testing.assert_array_equal(raw_uv, np.full((3, 2), 26))
    assert len(filled(30).raw(0.0, 1e9)[1]) == 51


def test_restart_forgets() -> None:
    memory = filled(3)
    memory.restart()
    assert (memory.t_first, memory.was_restarted, memory.i_hop_until(1e9)) == (None, True, -1)
    assert memory.t_raw_newest == -np.inf
    fresh = StreamMemory(SHAPE)
    fresh.restart()
    assert not fresh.was_restarted
