import numpy as np
import pytest

from rtbci.chaos.scenario import Scenario
from rtbci.chaos.source import FaultySource, FaultyStreams
from rtbci.errors import StreamError, StreamLostError, StreamNotFoundError
from rtbci.stream.recording import RecordingSource
from rtbci.stream.simulated_time import SimulatedClock
from rtbci.stream.source import FloatArray, Marker
from tests.chaos_samples import INFO, scenario, signal

VANISH = {"kind": "vanish", "start_s": 1.0, "length_s": 1.0}


def streams(what: Scenario, clock: SimulatedClock, seconds: float = 6.0) -> FaultyStreams:
    data, t_lsl = signal(seconds)
    markers = [Marker(float(t_lsl[0]) + 0.5, "T1")]
    source = RecordingSource(
        INFO, data, markers, t_lsl=t_lsl, chunk=10, realtime=True, clock=clock, sleep_until=clock.sleep_until
    )
    return FaultyStreams(source, what, clock=clock)


def pull_for(source: FaultySource, clock: SimulatedClock, seconds: float) -> FloatArray:
    """Numbers of the samples that come."""
    t_end, found = clock() + seconds, [np.empty(0)]
    while clock() < t_end - 1e-9:
        found.append(source.pull(min(0.2, t_end - clock())).data[:, 3])
    return np.concatenate(found)


def test_it_goes_on_with_a_stream_that_is_back_as_it_was() -> None:
    clock = SimulatedClock()
    with streams(scenario(VANISH), clock) as world, world.receiver() as source:
        assert source.info == INFO
        index = pull_for(source, clock, 3.0)
        assert index.tolist() == [*range(250), *range(500, 750)]
        assert [one.kind for one in world.records] == ["vanish"]
        assert [one.value for one in source.pull_markers()] == ["T1"]
        assert source.pull_markers() == []


def test_nothing_comes_before_its_time() -> None:
    clock = SimulatedClock()
    what = scenario({"kind": "burst", "start_s": 1.0, "length_s": 1.0})
    with streams(what, clock) as world, world.receiver() as source:
        assert len(pull_for(source, clock, 1.9)) == 250
        assert len(pull_for(source, clock, 0.2)) >= 270


def test_another_description_ends_the_connection() -> None:
    clock = SimulatedClock()
    with streams(scenario({**VANISH, "labels": "permuted"}), clock) as world:
        with world.receiver() as source, pytest.raises(StreamLostError, match="back with other channels"):
            pull_for(source, clock, 4.0)
        with world.receiver(INFO) as again:
            assert again.info.labels != INFO.labels
            assert len(again.pull(0.2).t_lsl)


def test_another_source_id_is_another_stream() -> None:
    clock = SimulatedClock()
    with streams(scenario({**VANISH, "source_id": "other"}), clock) as world:
        with world.receiver() as source:
            assert len(pull_for(source, clock, 4.0)) == 250
        with pytest.raises(StreamNotFoundError, match="0 streams of source id 's-id'"):
            world.receiver(INFO, 0.5).open()


def test_two_streams_must_be_told_apart() -> None:
    clock = SimulatedClock()
    with streams(scenario({"kind": "twin", "start_s": 1.0, "length_s": 4.0}), clock) as world:
        with world.receiver() as source:
            pull_for(source, clock, 2.0)
        with pytest.raises(StreamNotFoundError, match="2 streams"):
            world.receiver().open()
        world.receiver(INFO).open()


def test_its_end_and_wrong_use() -> None:
    clock = SimulatedClock()
    with streams(scenario(), clock, 1.0) as world:
        source = world.receiver()
        with pytest.raises(StreamError, match="not open yet"):
            _ = source.info
        with pytest.raises(StreamError, match="call open first"):
            source.pull(0.0)
        source.open()
        with pytest.raises(EOFError):
            pull_for(source, clock, 2.0)
        source.close()
        source.close()


def test_only_sixty_seconds_are_kept_for_one_who_does_not_pull() -> None:
    clock = SimulatedClock()
    with streams(scenario(), clock, 80.0) as world, world.receiver() as source:
        for _ in range(1750):
            world.advance(0.1)
        index = source.pull(0.0).data[:, 3]
        assert 60.0 <= len(index) / INFO.rate_hz <= 61.0
        assert index[-1] >= 69 * INFO.rate_hz
