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


class Received:
    """Keeps what it is given: indices of samples, texts of markers, and the thread that brought them."""

    def __init__(self) -> None:
        self.calls: list[tuple[list[int], list[str]]] = []
        self.threads: set[str] = set()

    def __call__(self, chunk: Chunk, markers: Sequence[Marker]) -> None:
        self.calls.append((indices(chunk), [marker.value for marker in markers]))
        self.threads.add(threading.current_thread().name)


def nobody(_chunk: Chunk, _markers: Sequence[Marker]) -> None:
    """Take no notice."""


def test_everything_arrives_in_order_and_the_source_is_opened_and_closed_by_the_thread() -> None:
    done, received = threading.Event(), Received()
    source = ScriptedSource(samples(0, 3), samples(3, 4), Marker(0.03, "a"), samples(4, 6), done)
    with Acquisition(source, received) as acquisition:
        assert done.wait(5)
        acquisition.wait(0.0)  # it goes on: nothing to raise
        assert acquisition.info.name == "scripted"
    assert received.calls == [([0, 1, 2], []), ([3], []), ([], ["a"]), ([4, 5], [])]
    assert received.threads == {THREAD_NAME}
    assert source.calls == [f"open in {THREAD_NAME}", f"close in {THREAD_NAME}"]
    assert not acquisition._thread.is_alive()


def test_many_chunks_lose_nothing() -> None:
    n, done, received = 5_000, threading.Event(), Received()
    source = ScriptedSource(*(samples(i, i + 1) for i in range(n)), done)
    with Acquisition(source, received):
        assert done.wait(30)
    assert received.calls == [([i], []) for i in range(n)]


@pytest.mark.parametrize(
    "error", [StreamLostError("gone"), EOFError("ended"), ValueError("a bug"), SystemExit(1)]
)
def test_errors_surface_after_the_samples_and_stay(error: BaseException) -> None:
    received = Received()
    source = ScriptedSource(samples(0, 4), error)
    with Acquisition(source, received) as acquisition:
        for timeout_s in (60.0, 0.0):
            with pytest.raises(type(error), match=str(error)):
                acquisition.wait(timeout_s)
    assert received.calls == [([0, 1, 2, 3], [])]
    assert source.calls[-1] == f"close in {THREAD_NAME}"


def test_an_error_on_opening_is_raised_by_wait() -> None:
    def fail() -> None:
        raise StreamNotFoundError("no such stream")

    acquisition = Acquisition(ScriptedSource(on_open=fail), nobody)
    acquisition.start()
    with pytest.raises(StreamNotFoundError, match="no such stream"):
        acquisition.wait(60)


def test_start_does_not_wait_for_the_source_to_open() -> None:
    may_open, done, received = threading.Event(), threading.Event(), Received()
    source = ScriptedSource(samples(0, 1), done, on_open=lambda: assert_set(may_open))
    with Acquisition(source, received) as acquisition:
        acquisition.wait(0.0)
        assert not source.calls
        may_open.set()
        assert done.wait(5)
    assert received.calls == [([0], [])]


def assert_set(event: threading.Event) -> None:
    assert event.wait(5)


def test_stop_twice_and_start_twice() -> None:
    acquisition = Acquisition(ScriptedSource(), nobody)
    acquisition.stop()
    with Acquisition(ScriptedSource(), nobody) as acquisition:
        with pytest.raises(StreamError, match="started a second time"):
            acquisition.start()
        acquisition.stop()
        acquisition.stop()
    acquisition.wait(60)  # at once: nothing will come


def test_what_comes_after_stop_has_given_up_waiting_is_handed_to_nobody() -> None:
    pulling, comes = threading.Event(), threading.Event()

    class Slow(ScriptedSource):
        def pull(self, timeout_s: float) -> Chunk:
            pulling.set()
            assert_set(comes)
            return samples(0, 3)

    received = Received()
    acquisition = Acquisition(source := Slow(), received)
    acquisition.start()
    assert pulling.wait(5)
    acquisition.stop(0.0)
    comes.set()
    acquisition.wait(5)
    assert source.calls[-1] == f"close in {THREAD_NAME}"
    assert received.calls == []


def test_arrival_is_stamped_by_the_clock_before_it_is_handed_over() -> None:
    stamps: list[float | None] = []
    done = threading.Event()
    source = ScriptedSource(samples(0, 1), done)
    acquisition = Acquisition(
        source, lambda _chunk, _markers: stamps.append(acquisition.t_last_received), clock=lambda: 42.0
    )
    assert acquisition.t_last_received is None
    with acquisition:
        assert done.wait(5)
    assert stamps == [42.0]


def test_an_error_of_who_receives_ends_the_thread_and_surfaces() -> None:
    def fail(_chunk: Chunk, _markers: Sequence[Marker]) -> None:
        raise ZeroDivisionError("in the decoder")

    source = ScriptedSource(samples(0, 2))
    with (
        Acquisition(source, fail) as acquisition,
        pytest.raises(ZeroDivisionError, match="in the decoder"),
    ):
        acquisition.wait(60)
    assert source.calls[-1] == f"close in {THREAD_NAME}"


def test_last_markers_come_with_the_end() -> None:
    class EndsWithMarker(ScriptedSource):
        def pull(self, timeout_s: float) -> Chunk:
            self.waiting_markers.append(Marker(1.0, "last"))
            raise EOFError("ended")

    received = Received()
    with Acquisition(EndsWithMarker(), received) as acquisition, pytest.raises(EOFError, match="ended"):
        acquisition.wait(60)
    assert received.calls == [([], ["last"])]


class Due:
    """An `Ahead` that is due at a time and notes when it was called."""

    def __init__(self, t_due: float | None) -> None:
        self.t_due, self.done, self.thread = t_due, threading.Event(), ""

    def rehearse(self) -> None:
        self.t_due, self.thread = None, threading.current_thread().name
        self.done.set()


def test_what_is_due_is_done_by_the_thread_while_nothing_comes() -> None:
    ahead = Due(0.0)
    with Acquisition(ScriptedSource(), nobody, clock=lambda: 1.0, ahead=ahead):
        assert ahead.done.wait(5)
    assert ahead.thread == THREAD_NAME


def test_samples_that_come_first_are_taken_first() -> None:
    ahead, done = Due(1.1), threading.Event()
    source = ScriptedSource(samples(0, 3))
    taken: list[bool] = []

    def receive(_chunk: Chunk, _markers: Sequence[Marker]) -> None:
        taken.append(ahead.done.is_set())
        done.set()

    with Acquisition(source, receive, clock=lambda: 1.0, ahead=ahead):
        assert done.wait(5)
        assert ahead.done.wait(5)
    assert taken == [False]


def test_what_is_due_much_later_or_never_is_not_done() -> None:
    for t_due in (None, 1e9):
        ahead, done = Due(t_due), threading.Event()
        source = ScriptedSource(done)
        with Acquisition(source, nobody, clock=lambda: 1.0, ahead=ahead):
            assert done.wait(5)
            source.script.put(second := threading.Event())
            assert second.wait(5)
        assert not ahead.done.is_set()


@pytest.mark.timeout(10)
def test_an_error_in_what_is_due_ends_the_thread_and_is_raised_outside() -> None:
    class Fails(Due):
        def rehearse(self) -> None:
            raise StreamError("rehearsal failed")

    with (
        Acquisition(ScriptedSource(), nobody, clock=lambda: 1.0, ahead=Fails(0.0)) as acquisition,
        pytest.raises(StreamError, match="rehearsal failed"),
    ):
        acquisition.wait(5)


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
        acquisition = Acquisition(source, nobody)
        acquisition.start()
        with pytest.raises(StreamLostError, match="gone") as kept:
            acquisition.wait(5.0)
        acquisition.stop()
        assert source.held is not None
        assert source.held() is None
        assert kept.value.__traceback__ is not None  # where it came from is still told
    finally:
        gc.enable()
