"""A stream decoded where one stands is decoded as a recording of it."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rtbci import Decoder, decode_stream
from rtbci.errors import StreamLostError
from rtbci.replay.recording import Recording
from rtbci.stream.source import Chunk, Marker, Source, StreamInfo
from tests.tiny import check_same, eeg, stream_info, write_paradigm

N, RATE_HZ = 1000, 250.0


class Played(Source):
    """A second missing in the middle; then, where it does not `end`, silence."""

    def __init__(self, *, ends: bool = True) -> None:
        self.recording = Recording(
            stream_info(), eeg(N), t_s=np.arange(N) / RATE_HZ + (np.arange(N) >= N // 2)
        )
        self._ends, self._left = ends, self._cut()
        self.is_open, self.marks = False, [Marker(1.0, "cue")]

    def _cut(self) -> Iterator[Chunk]:
        t_s = self.recording.sample_times()
        for i in range(0, N, 30):
            yield Chunk(self.recording.data[i : i + 30], t_s[i : i + 30])

    @property
    def info(self) -> StreamInfo:
        return self.recording.info

    def open(self) -> None:
        self.is_open = True

    def close(self) -> None:
        self.is_open = False

    def pull(self, timeout_s: float) -> Chunk:
        chunk = next(self._left, None)
        if chunk is None and self._ends:
            raise EOFError
        return chunk or Chunk(np.empty((0, self.info.n_channels)), np.empty(0))

    def pull_markers(self) -> list[Marker]:
        taken, self.marks = self.marks, []
        return taken


@pytest.fixture
def decoder(tmp_path: Path) -> Iterator[Decoder]:
    with Decoder(str(write_paradigm(tmp_path / "tiny"))) as decoder:
        yield decoder


def test_as_a_recording_is(decoder: Decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Played()
    marked: list[str] = []
    monkeypatch.setattr(decoder, "mark", lambda marker: marked.append(marker.value))
    streamed = list(decode_stream(decoder, source))
    assert not source.is_open
    assert marked == ["cue"]
    whole = decoder.decode(source.recording)
    assert len(streamed) == len(whole) > 20
    for one, other in zip(streamed, whole, strict=True):
        assert (one.estimate.t_window, one.label, one.why) == (
            other.estimate.t_window,
            other.label,
            other.why,
        )
        check_same(one.estimate.probs, other.estimate.probs, 1e-9)


def test_whoever_asks_for_no_more_closes_it(decoder: Decoder) -> None:
    source = Played()
    verdicts = decode_stream(decoder, source)
    next(verdicts)
    assert source.is_open
    verdicts.close()
    assert not source.is_open


def test_silence_is_an_error_and_no_hang(decoder: Decoder) -> None:
    source, t = Played(ends=False), iter(np.arange(0.0, 1e3, 0.5))
    with pytest.raises(StreamLostError, match=r"no data for 5 s, need a stream that sends"):
        list(decode_stream(decoder, source, clock=lambda: float(next(t))))
    assert not source.is_open
