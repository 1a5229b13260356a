"""Recordings in memory and the synthetic source: what they give, and when."""

import numpy as np
import pytest

from rtbci.clock import Clock
from rtbci.errors import RateError, ShapeError
from rtbci.stream.recording import RecordingSource
from rtbci.stream.source import Channel, Chunk, Marker, StreamInfo
from rtbci.stream.synthetic import SyntheticSource

INFO = StreamInfo("memory", "", 100.0, (Channel("C3", "uV"), Channel("C4", "uV")))
DATA = np.arange(20.0).reshape(10, 2)


class FakeClock:
    """A clock that only moves when somebody sleeps, and by a little too much, as real ones do."""

    def __init__(self) -> None:
        self.t = 50.0

    def __call__(self) -> float:
        return self.t

    def sleep_until(self, t_lsl: float, clock: Clock) -> None:
        self.t = max(self.t, t_lsl) + 1e-4


def drained(source: RecordingSource | SyntheticSource, timeout_s: float = 1.0) -> list[Chunk]:
    chunks = []
    try:
        while True:
            chunks.append(source.pull(timeout_s))
    except EOFError:
        return chunks


def joined(chunks: list[Chunk]) -> Chunk:
    return Chunk(np.concatenate([c.data for c in chunks]), np.concatenate([c.t_lsl for c in chunks]))


def test_recording_comes_in_chunks_with_its_own_stamps_and_ends() -> None:
    with RecordingSource(INFO, DATA, chunk=4, t0_lsl=7.0) as source:
        chunks = drained(source)
        assert [len(chunk.t_lsl) for chunk in chunks] == [4, 4, 2]
        assert np.array_equal(joined(chunks).data, DATA)
        assert joined(chunks).t_lsl == pytest.approx(7.0 + np.arange(10) / 100)
        with pytest.raises(EOFError, match="'memory' has ended after 10 samples"):
            source.pull(0.0)


def test_recording_begins_again_when_opened_again() -> None:
    source = RecordingSource(INFO, DATA)
    with source:
        first = joined(drained(source))
    with source:
        assert np.array_equal(joined(drained(source)).data, first.data)


def test_chunks_are_copies() -> None:
    data = DATA.copy()
    with RecordingSource(INFO, data) as source:
        source.pull(0.0).data[:] = -1.0
    assert np.array_equal(data, DATA)


def test_given_stamps_are_kept() -> None:
    stamps = np.cumsum(np.linspace(0.01, 0.02, 10))
    with RecordingSource(INFO, DATA, t_lsl=stamps) as source:
        assert np.array_equal(joined(drained(source)).t_lsl, stamps)


def test_markers_come_with_the_samples_they_belong_to() -> None:
    markers = [Marker(0.075, "late"), Marker(0.01, "early"), Marker(9.0, "behind the end")]
    with RecordingSource(INFO, DATA, markers, chunk=4) as source:
        assert source.pull_markers() == []
        seen = []
        for _ in range(3):
            source.pull(0.0)
            seen.append([marker.value for marker in source.pull_markers()])
    assert seen == [["early"], [], ["late", "behind the end"]]


def test_realtime_recording_is_paced_and_moved_to_now() -> None:
    clock = FakeClock()
    source = RecordingSource(
        INFO,
        DATA,
        [Marker(3.05, "m")],
        t0_lsl=3.0,
        chunk=4,
        realtime=True,
        clock=clock,
        sleep_until=clock.sleep_until,
    )
    with source:
        assert len(source.pull(0.01).t_lsl) == 0  # the first chunk is due after 40 ms
        assert clock.t == pytest.approx(50.01, abs=1e-3)
        first = source.pull(1.0)
        assert clock.t == pytest.approx(50.04, abs=1e-3)
        assert first.t_lsl == pytest.approx(50 + np.arange(4) / 100)
        clock.t += 0.045
        assert len(source.pull(1.0).t_lsl) == 4
        (marker,) = source.pull_markers()
        assert marker.t_lsl == pytest.approx(50.05)


def test_realtime_never_drifts() -> None:
    clock = FakeClock()
    source = SyntheticSource(chunk=5, n_samples=5000, clock=clock, sleep_until=clock.sleep_until)
    with source:
        drained(source)
    assert clock.t == pytest.approx(50 + 5000 / 250, abs=2e-4)


def test_consumer_that_was_away_gets_all_that_is_due_at_once() -> None:
    clock = FakeClock()
    with SyntheticSource(chunk=8, clock=clock, sleep_until=clock.sleep_until) as source:
        clock.t += 1.0
        assert len(source.pull(1.0).t_lsl) == 248  # whole chunks of 8 out of 250


def test_synthetic_samples_depend_on_the_seed_alone() -> None:
    def made(chunk: int, seed: int = 3) -> np.ndarray:
        with SyntheticSource(chunk=chunk, seed=seed, n_samples=1000, realtime=False) as source:
            return joined(drained(source)).data

    assert np.array_equal(made(1), made(999))
    assert np.array_equal(made(1), made(64))
    assert not np.array_equal(made(8), made(8, seed=4))


def test_synthetic_signal_is_what_it_says() -> None:
    with SyntheticSource(
        n_samples=25_000, chunk=1000, realtime=False, index_channel=True, noise_uv=10
    ) as source:
        data, t_lsl = joined(drained(source))
        assert source.info.labels == ("C3", "CZ", "C4", "INDEX")
        assert source.info.channels[-1].type == "MISC"
    assert np.array_equal(data[:, 3], np.arange(25_000))
    assert t_lsl == pytest.approx(np.arange(25_000) / 250)
    assert data[:, :3].var(axis=0) == pytest.approx(np.full(3, 10**2 + 8**2 / 2), rel=0.2)
    power = np.abs(np.fft.rfft(data[:, 0])) ** 2
    hz = np.fft.rfftfreq(25_000, 1 / 250)
    assert hz[power[10:].argmax() + 10] == pytest.approx(10.0)
    low, high = (power[(hz > f) & (hz < 1.4 * f)].mean() for f in (2.0, 32.0))
    assert low / high == pytest.approx(16, rel=0.6)  # 1/f over four octaves


@pytest.mark.parametrize("shape", [(10,), (10, 3)])
def test_wrong_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"need \(n_samples, 2\)"):
        RecordingSource(INFO, np.zeros(shape))


def test_wrong_stamps_chunks_and_rates_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"t_lsl has shape \(9,\), need \(10,\)"):
        RecordingSource(INFO, DATA, t_lsl=np.zeros(9))
    with pytest.raises(ShapeError, match="chunk is 0 samples"):
        RecordingSource(INFO, DATA, chunk=0)
    with pytest.raises(RateError, match="rate_hz is 0, need more than 0"):
        SyntheticSource(rate_hz=0)
