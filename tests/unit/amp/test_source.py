import threading

import numpy as np
import pytest

from rtbci.amp.source import AmpSource
from rtbci.amp.synthetic import SyntheticAmp
from rtbci.errors import ConfigError, StreamLostError
from rtbci.stream.source import Chunk, Marker


class FakeTime:
    """A clock that moves a little whenever it is read."""

    def __init__(self) -> None:
        self.now_s = 500.0

    def __call__(self) -> float:
        self.now_s += 0.001
        return self.now_s


def test_samples_come_at_the_rate_with_regular_stamps_and_equal_the_amplifiers() -> None:
    time = FakeTime()
    with AmpSource(SyntheticAmp(["C3", "C4"], 128.0, 7), chunk=16, clock=time) as source:
        chunks: list[Chunk] = []
        markers: list[Marker] = []
        while sum(len(chunk.t_lsl) for chunk in chunks) < 640:
            chunks.append(source.pull(0.0))
            markers += source.pull_markers()
            time.now_s += 0.02
            newest = source.info.rate_hz * (time.now_s - 500.0)
            assert sum(len(chunk.t_lsl) for chunk in chunks) <= newest + 1
    t_lsl = np.concatenate([chunk.t_lsl for chunk in chunks])
    data = np.concatenate([chunk.data for chunk in chunks])
    np.testing.assert_allclose(np.diff(t_lsl), 1 / 128, atol=1e-9)
    expected, cues = SyntheticAmp(["C3", "C4"], 128.0, 7).generate(len(data))
    np.testing.assert_array_equal(data, expected)
    assert [m.value for m in markers] == [m.value for m in cues]
    assert markers[0].t_lsl - t_lsl[0] == pytest.approx(3.0)
    assert {len(chunk.t_lsl) % 16 for chunk in chunks} == {0}


def test_after_a_stall_it_gives_at_most_a_second_at_a_time() -> None:
    time = FakeTime()
    with AmpSource(SyntheticAmp(["C3"], 128.0), clock=time) as source:
        time.now_s += 10.0
        sizes = [len(source.pull(0.0).t_lsl) for _ in range(10)]
        assert max(sizes) == 128
        assert sum(sizes) == pytest.approx(1280, abs=9)
        assert source.pull(0.0).data.shape[1] == 1


def test_closing_wakes_a_waiting_pull() -> None:
    source = AmpSource(SyntheticAmp(["C3"], 128.0), chunk=12_800)
    source.open()
    sizes: list[int] = []
    thread = threading.Thread(target=lambda: sizes.append(len(source.pull(60.0).t_lsl)), name="test-pull")
    thread.start()
    source.close()
    thread.join(5.0)
    assert sizes == [0]
    source.close()
    with pytest.raises(StreamLostError, match="is closed; open it before pulling"):
        source.pull(0.0)


def test_chunk_must_be_positive() -> None:
    with pytest.raises(ConfigError, match="chunk is 0 samples, need at least 1"):
        AmpSource(SyntheticAmp(["C3"], 128.0), chunk=0)
