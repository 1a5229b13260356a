"""How a clock offset that was measured anew gets into the stamps."""

import numpy as np
import numpy.typing as npt
import pytest

from rtbci.stream.health import GapDetector
from rtbci.stream.lsl import CORRECT_S, MOST_OF_PERIOD, NOISE_S, LslSource
from rtbci.stream.source import Channel, StreamInfo

CHUNK_S = 1 / 64


class Inlet:
    """Samples without end, and the offsets that liblsl measures one after the other."""

    def __init__(self, rate_hz: float, offsets_s: list[float]) -> None:
        self._rate_hz, self._offsets_s = rate_hz, offsets_s
        self._n_chunk, self._i_next = round(CHUNK_S * rate_hz), 0

    def pull_chunk(
        self, timeout_s: float, max_samples: int, *, as_numpy: bool
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64]]:
        i = np.arange(self._i_next, self._i_next + self._n_chunk)
        self._i_next += self._n_chunk
        return np.zeros((len(i), 1), np.float32), 100.0 + i / self._rate_hz

    def samples_available(self) -> int:
        return 0

    def was_clock_reset(self) -> bool:
        return False

    def time_correction(self, timeout_s: float) -> float:
        return self._offsets_s.pop(0) if len(self._offsets_s) > 1 else self._offsets_s[0]


def source_of(rate_hz: float, offsets_s: list[float]) -> LslSource:
    source = LslSource(name="amp")
    source._info = StreamInfo("amp", "", rate_hz, (Channel("C3", "uV"),))
    source._inlet = Inlet(rate_hz, offsets_s)
    source._dtype_is_float64 = False
    source.clock_offset_s = source._measured_s = offsets_s[0]
    return source


@pytest.mark.parametrize("change_s", [0.345e-3, -0.345e-3, 5e-3, -5e-3])
@pytest.mark.parametrize("rate_hz", [256.0, 1024.0, 2048.0, 4096.0])
def test_an_offset_measured_anew_is_no_missing_sample(rate_hz: float, change_s: float) -> None:
    source, gaps = source_of(rate_hz, [0.2, 0.2, 0.2 + change_s]), GapDetector(rate_hz)
    offsets = []
    for _ in range(round(4 * CORRECT_S / CHUNK_S)):
        chunk = source.pull(0.0)
        assert not gaps.push(chunk.t_lsl)
        offsets.append(source.clock_offset_s)
    assert offsets[0] == 0.2
    assert offsets[-1] == 0.2 + change_s
    steps = np.abs(np.diff(offsets))
    assert steps.max() <= MOST_OF_PERIOD / rate_hz * 1.0001


def test_stamps_are_the_senders_and_one_offset_in_each_chunk() -> None:
    source = source_of(2048.0, [0.0, 0.0, 1e-3])
    for i in range(round(3 * CORRECT_S / CHUNK_S)):
        t_lsl = source.pull(0.0).t_lsl
        np.testing.assert_allclose(
            t_lsl - source.clock_offset_s, 100.0 + (32 * i + np.arange(32)) / 2048.0, atol=1e-9
        )


def test_a_clock_that_was_set_is_followed_at_once() -> None:
    source = source_of(2048.0, [0.0, 0.0, 2 * NOISE_S])
    found = set()
    for _ in range(round(3 * CORRECT_S / CHUNK_S)):
        source.pull(0.0)
        found.add(source.clock_offset_s)
    assert found == {0.0, 2 * NOISE_S}
