from collections.abc import Sequence

import numpy as np
import pytest

from rtbci.publish.messages import EngineRef, Event, Prediction, ProfileRef, Quality, Status, Trace
from rtbci.publish.signal_message import Signal, bins_of, decode_signal
from rtbci.runtime.signal_tap import MAX_BYTES, SignalOffer, TappedSource
from rtbci.stream.layout import match_channels
from rtbci.stream.source import Channel, Chunk, FloatArray, Marker, StreamInfo


class Publisher:
    def __init__(self) -> None:
        self.signal_is_wanted = True
        self.sent: list[Signal] = []

    def send_signal(self, payload: bytes) -> None:
        self.sent.append(decode_signal(payload))


class Chunks:
    """A source that gives what it is told to."""

    def __init__(self, labels: Sequence[str], rate_hz: float, unit: str = "uV") -> None:
        self.info = StreamInfo("cap", "id", rate_hz, tuple(Channel(label, unit) for label in labels))
        self.next = Chunk(np.empty((0, len(labels))), np.empty(0))
        self.is_open = False

    def open(self) -> None:
        self.is_open = True

    def close(self) -> None:
        self.is_open = False

    def pull(self, timeout_s: float) -> Chunk:
        return self.next

    def pull_markers(self) -> list[Marker]:
        return [Marker(1.0, "cue")]

    def __enter__(self) -> "Chunks":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class Rig:
    def __init__(
        self, labels: Sequence[str] = ("C3", "Cz.", "TRIG"), rate_hz: float = 1000.0, unit: str = "uV"
    ) -> None:
        self.publisher, self.source = Publisher(), Chunks(labels, rate_hz, unit)
        self.offer = SignalOffer(self.publisher, clock=lambda: 99.0)
        self.tapped: TappedSource = self.offer.tap(self.source)
        self.tapped.open()
        self.i = 0

    def push(self, n: int, data: FloatArray | None = None) -> FloatArray:
        n_channels = len(self.source.info.channels)
        rows = data if data is not None else np.arange(self.i, self.i + n)[:, None] + np.zeros(n_channels)
        self.source.next = Chunk(rows, np.arange(self.i, self.i + n) / self.source.info.rate_hz)
        self.i += n
        assert self.tapped.pull(0.0) is self.source.next
        return rows

    def flush(self) -> None:
        self.source.next = Chunk(np.empty((0, len(self.source.info.channels))), np.empty(0))
        self.tapped.pull(0.0)

    @property
    def sent(self) -> list[Signal]:
        return self.publisher.sent


def prediction(*bad: str) -> Prediction:
    return Prediction(
        v=1, session="run-1", seq=0, t_sent=1.0, classes=("a", "b"), probs=None, label=None, decision=None,
        why="gap", t_window=(0.0, 1.0), age_ms=1.0, trace_ms=Trace(wait=1.0, filter=0.0, encode=0.0, probe=0.0, send=0.0),
        quality=Quality(score=0.5, bad_channels=bad), profile=ProfileRef(user="", id="", generation=0),
        engine=EngineRef(name="", id=""),
    )  # fmt: skip


def status(bad: dict[str, str]) -> Status:
    return Status(
        v=1, session="run-1", seq=0, t_sent=1.0, state="running", paused=False, stream=None, rate_hz=None,
        latency_ms=None, cpu_percent=1.0, uptime_s=1.0, n_predictions=0, n_gaps=0, n_skipped=0, n_overflow=0,
        bad_channels=bad,
    )  # fmt: skip


def gap(t_lsl: float) -> Event:
    return Event(v=1, session="run-1", seq=0, t_sent=1.0, kind="gap", t_lsl=t_lsl, value="", data={})


def test_a_message_comes_when_there_is_enough_at_the_next_pull() -> None:
    rig = Rig()
    rig.offer.send(prediction("Cz."))
    for _ in range(3):
        rig.push(10)
    assert rig.sent == []
    rig.flush()
    (one,) = rig.sent
    assert (one.labels, one.n_bins, one.n_per_bin, one.seq, one.follows) == (("C3", "CZ"), 7, 4, 0, False)
    assert (one.session, one.bad, one.t_sent, one.t_first, one.t_last) == (
        "run-1",
        {"CZ": ""},
        99.0,
        0.0,
        0.027,
    )
    mean, low, high = bins_of(one)
    np.testing.assert_array_equal(mean[:, 0], 1.5 + 4 * np.arange(7))
    np.testing.assert_array_equal(high - low, 3.0)
    rig.push(30)
    rig.flush()
    assert [(one.seq, one.follows, one.n_bins, one.t_first) for one in rig.sent[1:]] == [(1, True, 8, 0.028)]


def test_why_a_channel_is_bad_comes_from_the_status() -> None:
    rig = Rig()
    for message in (prediction("Cz."), status({"Cz.": "flat"}), prediction("Cz."), prediction("Cz.", "C3")):
        rig.offer.send(message)
    rig.push(40)
    rig.flush()
    assert rig.sent[0].bad == {"CZ": "flat", "C3": ""}


def test_while_nobody_listens_nothing_is_kept_or_sent() -> None:
    rig = Rig()
    rig.publisher.signal_is_wanted = False
    for _ in range(5):
        rig.push(50)
    rig.offer.send(gap(0.05))
    assert (rig.sent, rig.tapped._chunks, rig.offer.take_gaps()) == ([], [], [])
    rig.publisher.signal_is_wanted = True
    rig.push(50)
    rig.flush()
    rig.publisher.signal_is_wanted = False
    rig.push(50)
    rig.publisher.signal_is_wanted = True
    rig.push(50)
    rig.flush()
    assert [(round(one.t_first, 3), one.follows) for one in rig.sent] == [(0.25, False), (0.35, False)]


def test_no_bin_spans_a_gap() -> None:
    rig = Rig()
    rig.push(30)
    rig.i += 100
    rig.push(30)
    rig.offer.send(gap(0.13))
    rig.flush()
    before, after = rig.sent
    assert (before.n_bins, before.t_last, after.n_bins) == (7, 0.027, 7)
    assert (after.t_first, after.follows) == (0.13, False)
    assert bins_of(after)[0][0, 0] == 131.5


def test_units_and_what_is_read() -> None:
    rig = Rig(labels=("Fc3.", "C3", "C4"), rate_hz=250.0, unit="V")
    rig.offer.channel_map = lambda: match_channels(rig.source.info, ("C3", "C4"))
    rig.push(12, np.full((12, 3), 2e-6))
    rig.flush()
    (one,) = rig.sent
    assert (one.is_read, one.n_per_bin, one.low) == ((False, True, True), 1, b"")
    np.testing.assert_allclose(bins_of(one)[0], 2.0, rtol=1e-6)


def test_a_backlog_is_sent_in_messages_of_bounded_size() -> None:
    labels = [f"E{i}" for i in range(200)]
    rig = Rig(labels=labels)
    rig.push(1000)
    rig.flush()
    assert sum(one.n_bins for one in rig.sent) == 250
    assert max(12 * one.n_bins * 200 for one in rig.sent) <= MAX_BYTES
    assert [one.follows for one in rig.sent] == [False, *[True] * (len(rig.sent) - 1)]
    for one, after in zip(rig.sent, rig.sent[1:], strict=False):
        assert after.t_first == pytest.approx(one.t_last + 0.001)


def test_a_stream_that_came_back_begins_anew() -> None:
    rig = Rig()
    rig.push(30)
    rig.tapped.close()
    rig.tapped.open()
    rig.push(50)
    rig.flush()
    assert [(one.t_first, one.follows, one.n_bins) for one in rig.sent] == [(0.03, False, 12)]


def test_everything_else_passes() -> None:
    rig = Rig()
    made = rig.offer.factory(lambda lost: rig.source)(None)
    assert made.info is rig.source.info
    with made:
        assert rig.source.is_open
        assert made.pull_markers() == [Marker(1.0, "cue")]
    assert not rig.source.is_open
    assert rig.offer.poll() is False
    rig.offer.close()
