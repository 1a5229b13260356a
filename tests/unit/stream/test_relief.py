"""A receiver that takes long: another thread drains the source, and everything comes in order later."""

import threading
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest

from rtbci.errors import StreamLostError
from rtbci.stream import acquire
from rtbci.stream.acquire import RELIEF_NAME, RELIEF_S, THREAD_NAME, Acquisition
from rtbci.stream.source import Chunk, Marker
from rtbci.stream.waiting import Counted
from tests.fed_source import FedSource
from tests.integration.live_runs import wait_for
from tests.tiny import stream_info

pytestmark = [pytest.mark.clock, pytest.mark.timeout(120)]


def chunk(first: int, n: int = 10) -> Chunk:
    i = np.arange(first, first + n, dtype=float)
    return Chunk(np.column_stack([i, i, i]), i / 250.0)


class Slow:
    """A receiver that waits for the test while it has the sample `i_slow`."""

    def __init__(self, i_slow: int) -> None:
        self.i_slow, self.begun, self.may_go = i_slow, threading.Event(), threading.Event()
        self.calls: list[tuple[list[int], list[str]]] = []
        self.on_call: Callable[[], object] = lambda: None

    def __call__(self, data: Chunk, markers: Sequence[Marker]) -> None:
        i = data.data[:, 0].astype(int).tolist()
        self.calls.append((i, [marker.value for marker in markers]))
        self.on_call()
        if self.i_slow in i:
            self.begun.set()
            assert self.may_go.wait(60)

    @property
    def samples(self) -> list[int]:
        return [i for samples, _ in self.calls for i in samples]

    def wait_samples(self, n: int) -> None:
        """Wait until it has `n` samples."""
        wait_for(lambda: len(self.samples) == n, f"{n} samples")


@pytest.fixture
def source() -> FedSource:
    return FedSource(stream_info())


@pytest.fixture
def slow() -> Iterator[Slow]:
    one = Slow(i_slow=10)
    yield one
    one.may_go.set()


def begin(source: FedSource, slow: Slow) -> None:
    source.feed(chunk(0))
    wait_for(lambda: len(slow.calls) == 1, "the first chunk")
    source.feed(chunk(10))
    assert slow.begun.wait(60)


def test_a_fast_receiver_is_served_by_one_thread(source: FedSource) -> None:
    received = Slow(i_slow=-1)
    with Acquisition(source, received):
        for i in range(20):
            source.feed(chunk(10 * i))
            received.wait_samples(10 * (i + 1))
    assert set(source.pulled_by) == {THREAD_NAME}
    assert received.samples == list(range(200))


def test_the_source_is_drained_while_the_receiver_is_busy(source: FedSource, slow: Slow) -> None:
    with Acquisition(source, slow) as acquisition:
        begin(source, slow)
        for i in range(2, 6):
            source.feed(chunk(10 * i), Marker(10 * i / 250.0, f"m{i}"))
            source.wait_pulled(10 * (i + 1))
        assert len(slow.calls) == 2
        wait_for(lambda: acquisition.t_waiting == 59 / 250.0, "the newest to wait")
        wait_for(lambda: acquisition.busy_s(acquisition._clock()) > RELIEF_S, "some time")
        seen: list[float | None] = []
        slow.on_call = lambda: seen.append(acquisition.t_waiting)
        slow.may_go.set()
        wait_for(lambda: len(slow.samples) == 60, "what waited")
        assert acquisition.busy_s(acquisition._clock()) < 60
    assert set(source.pulled_by) == {THREAD_NAME, RELIEF_NAME}
    assert slow.samples == list(range(60))
    assert [text for _, texts in slow.calls for text in texts] == ["m2", "m3", "m4", "m5"]
    assert seen == [59 / 250.0] * (len(seen) - 1) + [None]  # each is told what waits behind it
    assert [chunk.data[0, 0] for chunk in source.pulled] == [calls[0][0] for calls in slow.calls]


def test_what_waits_is_bounded(source: FedSource, slow: Slow) -> None:
    with Acquisition(source, slow) as acquisition:
        acquisition._waiting._max_bytes = 3000
        begin(source, slow)
        for i in range(2, 12):
            source.feed(chunk(10 * i))
            source.wait_pulled(10 * (i + 1))
        wait_for(lambda: acquisition.t_waiting == 119 / 250.0, "the newest to wait")
        left: list[Counted] = []
        slow.on_call = lambda: left.append(acquisition.take_left_out())
        slow.may_go.set()
        wait_for(lambda: slow.samples[-1] == 119, "the newest")
    assert source.n_pulled == 120  # all has passed through the source
    n_left = left[0].n_samples
    assert n_left == 10 * left[0].n_chunks > 30
    assert set(left[1:]) == {Counted(0, 0)}
    assert slow.samples == [*range(20), *range(20 + n_left, 120)]


def test_a_receiver_that_never_returns_costs_a_run_its_end_and_no_sample(
    source: FedSource, slow: Slow
) -> None:
    with Acquisition(source, slow) as acquisition:
        begin(source, slow)
        source.feed(chunk(20))
        wait_for(lambda: source.n_pulled == 30, "what another thread pulls")
        source.feed(chunk(30), Marker(0.12, "last"))
        acquisition.stop(0.0)
        assert source.n_pulled == 40
        assert source.markers == ["last"]
        assert acquisition.is_stuck
        assert source.n_closed == 1
        assert acquisition.rest.n_samples == 20
        acquisition.stop(0.0)
        assert acquisition.rest.n_samples == 20
        slow.may_go.set()
        acquisition.wait(60)  # when it returns after all, it ends, and has been given nothing
    assert slow.samples == list(range(20))
    assert acquisition.rest.n_samples == 20


def test_the_end_of_a_run_drains_what_is_there(source: FedSource, slow: Slow) -> None:
    with Acquisition(source, slow) as acquisition:
        begin(source, slow)
        stopping = threading.Thread(target=acquisition.stop)
        stopping.start()
        wait_for(lambda: acquisition._stopping, "the stop")
        source.feed(chunk(20))
        slow.may_go.set()
        stopping.join(60)
    assert source.n_pulled == 30
    assert slow.samples == list(range(20))
    assert (acquisition.rest.n_samples, acquisition.is_stuck) == (10, False)
    assert acquisition.take_left_out().n_samples == 10


def test_a_source_that_gives_more_and_more_is_drained_only_so_long(
    source: FedSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acquire, "REST_S", 0.05)

    class Endless(FedSource):
        n = 0

        def pull(self, timeout_s: float) -> Chunk:
            self.n += 1
            return chunk(10 * self.n)

    endless = Endless(stream_info())
    with Acquisition(endless, lambda _chunk, _markers: None):
        wait_for(lambda: endless.n > 3, "samples")
    assert endless.n_closed == 1


def test_an_error_of_the_source_waits_until_its_samples_have_been_handed_over(
    source: FedSource, slow: Slow
) -> None:
    with Acquisition(source, slow) as acquisition:
        begin(source, slow)
        source.feed(chunk(20), StreamLostError("gone"))
        wait_for(lambda: acquisition._relief_error is not None, "the error")
        acquisition.wait(0.0)
        slow.may_go.set()
        with pytest.raises(StreamLostError, match="gone"):
            acquisition.wait(60)
    assert slow.samples == list(range(30))
