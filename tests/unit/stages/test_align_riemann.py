import numpy as np
import pytest
from pyriemann.geometry.geodesic import geodesic_riemann
from pyriemann.geometry.mean import mean_riemann

from rtbci.stages.align import N_RECENT, RunningAlign
from rtbci.stages.align_riemann import N_STEP, RiemannAlign
from rtbci.stages.stage import FloatArray

RATE_HZ, BLOCK_S, N = 64.0, 0.25, 4
N_BLOCK = 16


def signal(seconds: float, seed: int = 0, mixing: FloatArray | None = None) -> FloatArray:
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((N, N)) + 2 * np.eye(N) if mixing is None else mixing
    return rng.standard_normal((round(seconds * RATE_HZ), N)) @ mixing.T * 5.0


def stage(**settings: float | None) -> RiemannAlign:
    return RiemannAlign(N, RATE_HZ, block_s=BLOCK_S, **settings)  # type: ignore[arg-type]


def test_the_mean_is_the_running_geometric_one() -> None:
    data = signal(12.0)
    align = stage(shrinkage=0.0, prior_s=0.0)
    align.push(data)
    # The same by hand, from pyRiemann's geodesic: the last block is only closed by the sample behind it.
    blocks = data.reshape(-1, N_BLOCK, N)[:-1]
    moments = blocks.transpose(0, 2, 1) @ blocks / N_BLOCK
    mean = moments[:N_RECENT].mean(axis=0)
    for i in range(N_RECENT, len(moments) + 1, N_STEP):
        mean = geodesic_riemann(mean, moments[i - N_RECENT : i].mean(axis=0), N_STEP / i)
    found = align.shrunk_covariance
    assert found is not None
    np.testing.assert_allclose(found / np.trace(found), mean / np.trace(mean), atol=1e-9)


def test_it_comes_to_the_mean_of_all_windows_and_to_unit_power() -> None:
    mixing = np.random.default_rng(3).standard_normal((N, N)) + 2 * np.eye(N)
    data = signal(240.0, 1, mixing)
    align = stage(shrinkage=0.0)
    out = align.push(data)
    late = out[len(out) // 2 :]
    np.testing.assert_allclose(late.T @ late / len(late), np.eye(N), atol=0.15)
    windows = data[: 59 * 256].reshape(-1, 256, N)
    wanted = mean_riemann(windows.transpose(0, 2, 1) @ windows / 256)
    found = align.shrunk_covariance
    assert found is not None
    np.testing.assert_allclose(found / np.trace(found), wanted / np.trace(wanted), atol=0.01)


def test_one_loud_minute_moves_it_less_than_the_euclidean_mean() -> None:
    mixing = np.eye(N)
    data = signal(120.0, 2, mixing)
    data[2000:4000, 0] *= 3.0  # less than what is capped at once
    shapes = {}
    for kind in (RunningAlign, RiemannAlign):
        align = kind(N, RATE_HZ, block_s=BLOCK_S, shrinkage=0.0)
        align.push(data)
        found = align.shrunk_covariance
        assert found is not None
        shapes[kind] = found[0, 0] / found[1, 1]
    assert shapes[RiemannAlign] < 0.8 * shapes[RunningAlign]


def test_the_first_blocks_are_those_of_the_euclidean_one() -> None:
    data = signal(N_RECENT * BLOCK_S)
    np.testing.assert_array_equal(stage().push(data), RunningAlign(N, RATE_HZ, block_s=BLOCK_S).push(data))


def test_what_is_taken_back_did_not_happen() -> None:
    data = signal(8.0)
    fault = 80.0 * signal(1.0, 5)
    first, second = stage(), stage()
    first.push(data)
    before = first.shrunk_covariance
    first.push(np.vstack([data[:1] * 0, fault])[: len(fault)])
    first.take_back(1.0)
    second.push(data)
    second.take_back(0.0)
    after = first.shrunk_covariance
    assert before is not None
    assert after is not None
    np.testing.assert_allclose(after / np.trace(after), before / np.trace(before), atol=0.05)
    first.push(data)  # goes on


def test_a_warm_start_is_where_it_begins() -> None:
    covariance = np.diag([1.0, 4.0, 9.0, 16.0])
    align = RiemannAlign(
        N, RATE_HZ, block_s=BLOCK_S, shrinkage=0.0, warm_start=(covariance, 1000.0), prior_s=0.0
    )
    align.push(signal(8.0, 0, np.eye(N)))
    found = align.shrunk_covariance
    assert found is not None
    np.testing.assert_allclose(found / found[0, 0], covariance, rtol=0.12, atol=0.05)
    assert align.covariance is not None
    assert align.covariance[3, 3] > align.covariance[0, 0]


@pytest.mark.parametrize("n_zero", [1, N])
def test_flat_channels_do_not_end_it(n_zero: int) -> None:
    data = signal(10.0)
    data[:, :n_zero] = 0.0
    assert np.isfinite(stage().push(data)).all()
