"""Linear algebra in somebody's own program: on one thread while rtbci computes, on as many as before behind it."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from rtbci import Decoder, decode_stream
from rtbci.replay.recording import Recording
from rtbci.runtime.verdict import Verdict
from rtbci.stream.source import Chunk, FloatArray
from rtbci.system.one_thread import one_thread
from tests.fed_source import FedSource
from tests.tiny import eeg, stream_info, write_paradigm


def n_threads() -> frozenset[int]:
    return frozenset(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    with threadpool_limits(2, user_api="blas"):
        yield


class Noting(Decoder):
    """Notes with how many threads it decodes."""

    seen = frozenset[int]()

    def push(self, data: FloatArray, t_lsl: FloatArray) -> list[Verdict]:
        self.seen = self.seen | n_threads()
        return super().push(data, t_lsl)


def test_one_inside_as_many_as_before_behind() -> None:
    with one_thread():
        assert n_threads() == {1}
    assert n_threads() == {2}


def test_a_recording_and_a_stream_are_decoded_on_one(tmp_path: Path) -> None:
    recording = Recording(stream_info(), eeg(500))
    with Noting(str(write_paradigm(tmp_path / "tiny"))) as decoder:
        decoder.decode(recording)
        assert (decoder.seen, n_threads()) == (frozenset({1}), frozenset({2}))
        source = FedSource(recording.info)
        source.feed(Chunk(recording.data, np.arange(500) / 250.0))
        decoder.seen = frozenset[int]()
        next(decode_stream(decoder, source))
        assert (decoder.seen, n_threads()) == (frozenset({1}), frozenset({2}))
