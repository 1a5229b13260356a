"""The promises of every source; a new one is tested by listing it here."""

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import numpy as np
import pylsl
import pytest

from rtbci.errors import StreamError
from rtbci.stream.acquire import Acquisition
from rtbci.stream.lsl import LslSource
from rtbci.stream.recording import RecordingSource
from rtbci.stream.source import Channel, Chunk, Marker, Source, StreamInfo
from rtbci.stream.synthetic import SyntheticSource

RATE_HZ = 250.0


@contextmanager
def recording() -> Iterator[Source]:
    info = StreamInfo("r", "", RATE_HZ, (Channel("C3", "uV"), Channel("C4", "uV")))
    signal = np.random.default_rng(0).standard_normal((2000, 2))
    yield RecordingSource(info, signal, [Marker(i / 10, str(i)) for i in range(10)])


@contextmanager
def synthetic() -> Iterator[Source]:
    yield SyntheticSource(realtime=False)


@contextmanager
def synthetic_realtime() -> Iterator[Source]:
    yield SyntheticSource()


@contextmanager
def lsl() -> Iterator[Source]:
    source_id = f"contract-{uuid.uuid4().hex}"
    described = pylsl.StreamInfo(source_id, "EEG", 3, RATE_HZ, pylsl.cf_float32, source_id)
    described.set_channel_labels(["C3", "CZ", "C4"])
    outlet = pylsl.StreamOutlet(described, chunk_size=5)
    stopping = threading.Event()

    def send() -> None:
        signal = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
        while not stopping.wait(5 / RATE_HZ):
            outlet.push_chunk(signal)

    sender = threading.Thread(target=send, name="contract-sender")
    sender.start()
    try:
        yield LslSource(source_id=source_id)
    finally:
        stopping.set()
        sender.join()


FACTORIES = [
    recording,
    synthetic,
    pytest.param(synthetic_realtime, marks=pytest.mark.clock),
    pytest.param(lsl, marks=pytest.mark.net),
]


@pytest.fixture(params=FACTORIES, ids=lambda factory: getattr(factory, "__name__", "source"))
def source(request: pytest.FixtureRequest) -> Iterator[Source]:
    factory: Callable[[], AbstractContextManager[Source]] = request.param
    with factory() as made:
        yield made


def pulled(source: Source, n_least: int) -> list[Chunk]:
    chunks: list[Chunk] = []
    while sum(len(chunk.t_lsl) for chunk in chunks) < n_least:
        chunks.append(source.pull(2.0))
    return chunks


def test_chunks_have_the_agreed_shape_type_and_rising_stamps(source: Source) -> None:
    with source:
        assert source.info.rate_hz == RATE_HZ
        chunks = pulled(source, 200)
        for chunk in chunks:
            assert chunk.data.dtype == np.float64
            assert chunk.t_lsl.dtype == np.float64
            assert chunk.data.shape == (len(chunk.t_lsl), source.info.n_channels)
        assert (np.diff(np.concatenate([chunk.t_lsl for chunk in chunks])) > 0).all()


def test_chunks_are_owned_by_the_receiver(source: Source) -> None:
    with source:
        first = pulled(source, 1)[-1]
        kept = Chunk(first.data.copy(), first.t_lsl.copy())
        later = pulled(source, 50)[-1]
        assert not np.shares_memory(first.data, later.data)
        assert first.data.flags.writeable
        assert np.array_equal(first.data, kept.data)
        assert np.array_equal(first.t_lsl, kept.t_lsl)


def test_pull_does_not_outlast_its_timeout(source: Source) -> None:
    with source:
        pulled(source, 1)
        t_start = time.perf_counter()
        for _ in range(10):
            source.pull(0.0)
        assert time.perf_counter() - t_start < 0.5


def test_markers_never_wait_and_come_once_in_order(source: Source) -> None:
    with source:
        taken: list[Marker] = []
        t_start = time.perf_counter()
        for _ in range(200):
            taken += source.pull_markers()
        assert time.perf_counter() - t_start < 0.5
        pulled(source, 300)
        taken += source.pull_markers()
        assert taken == sorted(set(taken))


def test_pull_before_open_and_after_close_is_refused(source: Source) -> None:
    with pytest.raises(StreamError, match=r"not open.*call open first"):
        source.pull(0.0)
    with source:
        pulled(source, 1)
    with pytest.raises(StreamError, match=r"not open.*call open first"):
        source.pull(0.0)


def test_close_twice_and_open_again(source: Source) -> None:
    source.open()
    pulled(source, 1)
    source.close()
    source.close()
    with source:
        pulled(source, 1)


def test_close_of_a_source_that_was_never_open(source: Source) -> None:
    source.close()


def test_info_stays_the_same(source: Source) -> None:
    with source:
        before = source.info
        pulled(source, 20)
        assert source.info == before


def test_acquisition_drains_it(source: Source) -> None:
    n, enough = [0], threading.Event()

    def receive(chunk: Chunk, _markers: Sequence[Marker]) -> None:
        assert chunk.data.shape == (len(chunk.t_lsl), source.info.n_channels)
        n[0] += len(chunk.t_lsl)
        if n[0] >= 100:
            enough.set()

    with Acquisition(source, receive):
        assert enough.wait(5.0)
