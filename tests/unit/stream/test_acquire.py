"""The acquisition thread with sources that do exactly what a test says; no sleeping."""

import gc
import threading
import weakref
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Self

import numpy as np
import pytest

from rtbci.errors import StreamError, StreamLostError, StreamNotFoundError
from rtbci.stream.acquire import THREAD_NAME, Acquisition
from rtbci.stream.source import Channel, Chunk, Marker, StreamInfo

RATE_HZ = 100.0
EMPTY = Chunk(np.empty((0, 2)), np.empty(0))
Step = Chunk | Marker | BaseException | threading.Event


class ScriptedSource:
    """Gives what is put into its script; a `threading.Event` is set when its turn comes."""

    def __init__(self, *steps: Step, on_open: Callable[[], None] = lambda: None) -> None:
        self.script: SimpleQueue[Step] = SimpleQueue()
        self.calls: list[str] = []
        self.on_open = on_open
        self.waiting_markers: list[Marker] = []
        for step in steps:
            self.script.put(step)

    @property
    def info(self) -> StreamInfo:
        return StreamInfo("scripted", "", RATE_HZ, (Channel("C3"), Channel("C4")))

    def open(self) -> None:
        self.on_open()
        self.calls.append(f"open in {threading.current_thread().name}")

    def close(self) -> None:
        self.calls.append(f"close in {threading.current_thread().name}")

    def pull(self, timeout_s: float) -> Chunk:
        try:
            step = self.script.get(timeout=timeout_s)
        except Exception:  # queue.Empty
            return EMPTY
        if isinstance(step, BaseException):
            raise step
        if isinstance(step, Marker):
            self.waiting_markers.append(step)
            return EMPTY
        if isinstance(step, threading.Event):
            step.set()
            return EMPTY
        return step

    def pull_markers(self) -> Sequence[Marker]:
        taken, self.waiting_markers = self.waiting_markers, []
        return taken

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def samples(start: int, stop: int) -> Chunk:
    i = np.arange(start, stop, dtype=float)
    return Chunk(np.column_stack((i, -i)), i / RATE_HZ)


def indices(chunk: Chunk) -> list[int]:
    assert np.array_equal(chunk.data[:, 1], -chunk.data[:, 0])
    assert np.array_equal(chunk.t_lsl, chunk.data[:, 0] / RATE_HZ)
    return [int(i) for i in chunk.data[:, 0]]


def test_everything_arrives_in_order_and_the_source_is_opened_and_closed_by_the_thread() -> None:
    done = threading.Event()
    source = ScriptedSource(samples(0, 3), samples(3, 4), done)
    with Acquisition(source) as acquisition:
        assert done.wait(5)
        assert acquisition.wait(5)
        assert indices(acquisition.read()) == [0, 1, 2, 3]
        assert indices(acquisition.read()) == []
        source.script.put(samples(4, 6))
        assert acquisition.wait(5)
        assert indices(acquisition.read()) == [4, 5]
        assert acquisition.n_received == 6
        assert acquisition.n_overflow == 0
        assert acquisition.info.name == "scripted"
    assert source.calls == [f"open in {THREAD_NAME}", f"close in {THREAD_NAME}"]
    assert not acquisition.is_running


@pytest.mark.parametrize("chunk", [1, 3, 7, 40])
def test_overflow_is_exact_and_bounded_whatever_the_chunks(chunk: int) -> None:
    done = threading.Event()
    n = 20 * chunk
    source = ScriptedSource(*(samples(i, i + chunk) for i in range(0, n, chunk)), done)
    with Acquisition(source, capacity_s=0.1) as acquisition:
        assert done.wait(5)
        assert acquisition.wait(0.0, n_samples=10)  # a full queue is ready
        left = indices(acquisition.read())
        assert min(10, n) <= len(left) < 10 + chunk
        assert left == list(range(acquisition.n_overflow, n))


def test_wait_is_false_when_nothing_comes_and_looks_without_waiting() -> None:
    with Acquisition(ScriptedSource()) as acquisition:
        assert acquisition.wait(0.0) is False
        assert acquisition.wait(0.01) is False
        assert acquisition.t_last_received is None


def test_wait_wakes_only_when_enough_has_come() -> None:
    source = ScriptedSource()
    with Acquisition(source) as acquisition:
        for start in range(0, 8, 2):
            done = threading.Event()
            source.script.put(samples(start, start + 2))
            source.script.put(done)
            assert done.wait(5)
            assert acquisition.wait(0.0, n_samples=5) is (start >= 4)
        assert indices(acquisition.read()) == list(range(8))


def test_sleeping_consumer_is_woken_by_the_sample_it_waits_for() -> None:
    source = ScriptedSource()
    with Acquisition(source) as acquisition:
        for start in range(0, 50, 5):
            for i in range(start, start + 5):
                source.script.put(samples(i, i + 1))
            assert acquisition.wait(5, n_samples=5)
            assert indices(acquisition.read()) == list(range(start, start + 5))


@pytest.mark.timeout(10)
def test_waiting_for_more_than_the_ring_holds_ends_when_it_is_full() -> None:
    with Acquisition(ScriptedSource(samples(0, 4)), capacity_s=0.04) as acquisition:
        assert acquisition.wait(60, n_samples=1000)


def test_overflow_drops_the_oldest_and_counts_them() -> None:
    done = threading.Event()
    source = ScriptedSource(*(samples(i, i + 5) for i in range(0, 25, 5)), done)
    with Acquisition(source, capacity_s=0.1) as acquisition:
        assert done.wait(5)
        assert acquisition.n_overflow == 15  # known before anything is read
        assert indices(acquisition.read()) == list(range(15, 25))
        assert acquisition.n_overflow == 15
        assert acquisition.n_received == 25


@pytest.mark.parametrize(
    "error", [StreamLostError("gone"), EOFError("ended"), ValueError("a bug"), SystemExit(1)]
)
def test_errors_surface_after_the_samples_and_stay(error: BaseException) -> None:
    source = ScriptedSource(samples(0, 4), error)
    with Acquisition(source) as acquisition:
        while acquisition.is_running:
            acquisition.wait(0.01, n_samples=1000)
        assert acquisition.wait(5, n_samples=1000)  # no more will come: what is left is worth reading
        assert indices(acquisition.read()) == [0, 1, 2, 3]
        for _ in range(2):
            with pytest.raises(type(error), match=str(error)):
                acquisition.wait(0.0)
            with pytest.raises(type(error), match=str(error)):
                acquisition.read()
        assert acquisition.error is error
    assert source.calls[-1] == f"close in {THREAD_NAME}"


def test_error_wakes_a_sleeping_consumer() -> None:
    source = ScriptedSource()
    with Acquisition(source) as acquisition:
        source.script.put(StreamLostError("gone"))
        with pytest.raises(StreamLostError, match="gone"):
            acquisition.wait(60)


def test_error_on_opening_is_raised_by_the_with_statement() -> None:
    def fail() -> None:
        raise StreamNotFoundError("no such stream")

    acquisition = Acquisition(ScriptedSource(on_open=fail))
    with pytest.raises(StreamNotFoundError, match="no such stream"), acquisition:
        pass
    assert not acquisition.is_running


def test_opening_can_be_watched_without_blocking() -> None:
    may_open = threading.Event()
    acquisition = Acquisition(ScriptedSource(samples(0, 1), on_open=lambda: assert_set(may_open)))
    acquisition.start()
    assert acquisition.wait_open(0.0) is False
    assert acquisition.wait(0.0) is False
    with pytest.raises(StreamError, match="read before the source is open; call wait or wait_open first"):
        acquisition.read()
    may_open.set()
    assert acquisition.wait_open(5) is True
    assert acquisition.wait(5)
    acquisition.stop()


def assert_set(event: threading.Event) -> None:
    assert event.wait(5)


def test_stop_twice_and_start_twice() -> None:
    acquisition = Acquisition(ScriptedSource())
    acquisition.stop()
    with Acquisition(ScriptedSource()) as acquisition:
        with pytest.raises(StreamError, match="started a second time"):
            acquisition.start()
        acquisition.stop()
        acquisition.stop()
    assert acquisition.wait(60) is False  # at once: nothing will come


def test_what_is_left_can_be_read_after_stop() -> None:
    done = threading.Event()
    with Acquisition(ScriptedSource(samples(0, 3), done)) as acquisition:
        assert done.wait(5)
    assert acquisition.wait(60)
    assert indices(acquisition.read()) == [0, 1, 2]
    assert indices(acquisition.read()) == []


def test_markers_are_handed_over_once_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rtbci.stream.acquire.MAX_MARKERS", 2)
    done = threading.Event()
    source = ScriptedSource(Marker(1.0, "a"), Marker(2.0, "b"), Marker(3.0, "c"), done)
    with Acquisition(source) as acquisition:
        assert done.wait(5)
        assert acquisition.markers() == [Marker(2.0, "b"), Marker(3.0, "c")]
        assert acquisition.markers() == []
        assert acquisition.n_markers_lost == 1


def test_arrival_is_stamped_by_the_clock() -> None:
    with Acquisition(ScriptedSource(samples(0, 1)), clock=lambda: 42.0) as acquisition:
        assert acquisition.wait(5)
        assert acquisition.t_last_received == 42.0


def test_capacity_must_be_positive() -> None:
    with pytest.raises(StreamError, match="capacity_s is 0, need more than 0"):
        Acquisition(ScriptedSource(), capacity_s=0)


def test_many_hand_overs_lose_nothing() -> None:
    n = 20_000
    source = ScriptedSource(*(samples(i, i + 1) for i in range(n)))
    got: list[int] = []
    with Acquisition(source, capacity_s=n / RATE_HZ) as acquisition:
        n_wanted = 1
        while len(got) < n:
            assert acquisition.wait(5, min(n_wanted, n - len(got)))
            got += indices(acquisition.read())
            n_wanted = n_wanted % 7 + 1
        assert acquisition.n_overflow == 0
    assert got == list(range(n))


def test_sink_is_called_in_the_thread_with_samples_and_markers() -> None:
    seen: list[tuple[str, list[int], list[str]]] = []

    def sink(chunk: Chunk, markers: Sequence[Marker]) -> None:
        seen.append((threading.current_thread().name, indices(chunk), [marker.value for marker in markers]))

    done = threading.Event()
    source = ScriptedSource(samples(0, 2), Marker(0.01, "a"), samples(2, 3), done, EOFError("ended"))
    with Acquisition(source, sink=sink) as acquisition:
        with pytest.raises(EOFError, match="ended"):
            acquisition.wait(60)
        assert acquisition.n_received == 3
    assert seen == [(THREAD_NAME, [0, 1], []), (THREAD_NAME, [], ["a"]), (THREAD_NAME, [2], [])]


def test_error_in_the_sink_ends_the_thread_and_surfaces() -> None:
    def sink(chunk: Chunk, markers: Sequence[Marker]) -> None:
        raise ZeroDivisionError("in the decoder")

    source = ScriptedSource(samples(0, 2))
    with (
        Acquisition(source, sink=sink) as acquisition,
        pytest.raises(ZeroDivisionError, match="in the decoder"),
    ):
        acquisition.wait(60)
    assert source.calls[-1] == f"close in {THREAD_NAME}"


def test_last_markers_come_with_the_end() -> None:
    class EndsWithMarker(ScriptedSource):
        def pull(self, timeout_s: float) -> Chunk:
            self.waiting_markers.append(Marker(1.0, "last"))
            raise EOFError("ended")

    with Acquisition(EndsWithMarker()) as acquisition:
        with pytest.raises(EOFError, match="ended"):
            acquisition.wait(60)
        assert acquisition.markers() == [Marker(1.0, "last")]


class Due:
    """An `Ahead` that is due at a time and notes when it was called."""

    def __init__(self, t_due: float | None) -> None:
        self.t_due, self.done, self.thread = t_due, threading.Event(), ""

    def rehearse(self) -> None:
        self.t_due, self.thread = None, threading.current_thread().name
        self.done.set()


def test_what_is_due_is_done_by_the_thread_while_nothing_comes() -> None:
    ahead = Due(0.0)
    with Acquisition(ScriptedSource(), clock=lambda: 1.0, ahead=ahead):
        assert ahead.done.wait(5)
    assert ahead.thread == THREAD_NAME


def test_samples_that_come_first_are_taken_first() -> None:
    ahead, done = Due(1.1), threading.Event()
    source = ScriptedSource(samples(0, 3))
    taken: list[bool] = []

    def sink(chunk: Chunk, _: Sequence[Marker]) -> None:
        taken.append(ahead.done.is_set())
        done.set()

    with Acquisition(source, clock=lambda: 1.0, sink=sink, ahead=ahead):
        assert done.wait(5)
        assert ahead.done.wait(5)
    assert taken == [False]


def test_what_is_due_much_later_or_never_is_not_done() -> None:
    for t_due in (None, 1e9):
        ahead, done = Due(t_due), threading.Event()
        source = ScriptedSource(done)
        with Acquisition(source, clock=lambda: 1.0, ahead=ahead):
            assert done.wait(5)
            source.script.put(second := threading.Event())
            assert second.wait(5)
        assert not ahead.done.is_set()


@pytest.mark.timeout(10)
def test_an_error_in_what_is_due_ends_the_thread_and_is_raised_outside() -> None:
    class Fails(Due):
        def rehearse(self) -> None:
            raise StreamError("rehearsal failed")

    with Acquisition(ScriptedSource(), clock=lambda: 1.0, ahead=Fails(0.0)) as acquisition:
        acquisition._thread.join(5)
        with pytest.raises(StreamError, match="rehearsal failed"):
            acquisition.wait(0.0)


class Held:
    """Something that must go when the source lets go of it, as an inlet."""


class HoldingSource(ScriptedSource):
    """Has something in a frame that an error goes through, as `LslSource.pull` has its inlet."""

    held: "weakref.ref[Held] | None" = None

    def pull(self, timeout_s: float) -> Chunk:
        held = Held()
        self.held = weakref.ref(held)
        return super().pull(timeout_s)


def test_an_error_that_is_kept_does_not_keep_what_the_source_held() -> None:
    source = HoldingSource(StreamLostError("gone"))
    gc.disable()  # a collection would hide it
    try:
        acquisition = Acquisition(source)
        acquisition.start()
        with pytest.raises(StreamLostError, match="gone") as kept:
            acquisition.wait(5.0)
        acquisition.stop()
        assert source.held is not None
        assert source.held() is None
        assert kept.value.__traceback__ is not None  # where it came from is still told
    finally:
        gc.enable()
