import pytest

from rtbci.errors import ConfigError
from rtbci.runtime.watch import StreamWatch


def state(watch: StreamWatch) -> str:
    """The state as text: a type checker takes the last one that was asserted to stand for ever."""
    return watch.state


def running() -> StreamWatch:
    watch = StreamWatch(1.0, 5.0)
    watch.opened(100.0)
    watch.received(100.1)
    watch.full()
    return watch


def test_from_waiting_to_running() -> None:
    watch = StreamWatch(1.0, 5.0)
    assert state(watch) == "waiting"
    watch.passed(1000.0)
    assert state(watch) == "waiting"  # there is no stream that could be lost
    watch.opened(1000.0)
    assert (state(watch), watch.why) == ("warming_up", "warming_up")
    watch.received(1000.1)
    assert state(watch) == "warming_up"
    watch.full()
    assert state(watch) == "running"


def test_silence_is_stale_then_lost() -> None:
    watch = running()
    for t_now, wanted in ((101.0, "running"), (101.2, "stale"), (105.0, "stale"), (105.2, "lost")):
        watch.passed(t_now)
        assert state(watch) == wanted
    assert watch.why == "stream_lost"


def test_a_short_silence_goes_on_where_it_was() -> None:
    watch = running()
    watch.passed(102.0)
    watch.received(102.0)
    assert state(watch) == "running"
    warming = StreamWatch(1.0, 5.0)
    warming.opened(0.0)
    warming.passed(2.0)
    assert state(warming) == "stale"
    warming.received(2.1)
    assert (state(warming), warming.why) == ("warming_up", "warming_up")


def test_after_a_loss_it_recovers() -> None:
    watch = running()
    watch.passed(110.0)
    watch.opened(111.0)
    assert (state(watch), watch.why) == ("recovering", "gap")
    watch.full()
    assert state(watch) == "running"


def test_a_stream_that_was_lost_and_speaks_again() -> None:
    watch = running()
    watch.passed(110.0)
    watch.received(110.1)
    assert state(watch) == "recovering"


def test_a_loss_is_not_taken_back_by_more_silence() -> None:
    watch = running()
    watch.passed(110.0)
    watch.passed(102.0)
    assert state(watch) == "lost"


def test_after_a_gap_it_recovers() -> None:
    watch = running()
    watch.restarted()
    assert (state(watch), watch.why) == ("recovering", "gap")
    watch.passed(103.0)
    assert (state(watch), watch.why) == ("stale", "stream_lost")
    watch.received(103.0)
    assert state(watch) == "recovering"
    watch.full()
    assert state(watch) == "running"


@pytest.mark.parametrize(("stale_s", "lost_s"), [(0.0, 1.0), (1.0, 1.0), (2.0, 1.0), (-1.0, 1.0)])
def test_times_out_of_order(stale_s: float, lost_s: float) -> None:
    with pytest.raises(ConfigError, match="need 0 < stale_s < lost_s"):
        StreamWatch(stale_s, lost_s)
