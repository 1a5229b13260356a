"""Recordings over real LSL outlets and inlets."""

import threading
import time
import uuid
from collections.abc import Iterable
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pylsl
import pytest
from pylsl.util import LostError

from rtbci.clock import now
from rtbci.replay.outlet import Outlet
from rtbci.replay.play import LOOP_MARKER, Player
from rtbci.replay.read import read_recordings
from rtbci.replay.recording import Recording
from rtbci.stream.source import Channel, FloatArray, Marker, StreamInfo
from tests.data_paths import data_dir, needs_data

pytestmark = [pytest.mark.net, pytest.mark.clock]


class Receiver:
    """Inlets for the samples and markers of one source id, each drained by `pull_until_quiet`."""

    def __init__(self, source_id: str) -> None:
        self.samples = self._inlet(source_id)
        self.markers = self._inlet(f"{source_id}-markers")
        self.data: list[npt.NDArray[np.float32]] = []
        self.stamps: list[float] = []
        self.arrived: list[float] = []
        self.marks: list[tuple[float, str]] = []

    @staticmethod
    def _inlet(source_id: str) -> Any:
        (info,) = pylsl.resolve_byprop("source_id", source_id, 1, 10.0)
        inlet = pylsl.StreamInlet(info, recover=False)
        inlet.open_stream(10.0)
        return inlet

    def pull(self, timeout_s: float) -> bool:
        try:
            data, stamps = self.samples.pull_chunk(timeout_s, 4096, min_samples=1, as_numpy=True)
            values, times = self.markers.pull_chunk(0.0, 4096)
        except LostError:
            return False
        self.data.append(data)
        self.stamps.extend(stamps)
        self.arrived.extend([now()] * len(stamps))
        self.marks.extend((t, value[0]) for t, value in zip(times, values, strict=True))
        return True

    def pull_for(self, seconds: float, n_samples: int = 10**9) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until and len(self.stamps) < n_samples and self.pull(0.1):
            pass
        for _ in range(3):  # markers of the last chunk
            self.pull(0.05)

    def everything(self) -> npt.NDArray[np.float32]:
        return np.concatenate(self.data)


class Running:
    """A player in a thread; what it raises is raised at the end."""

    def __init__(self, player: Player) -> None:
        self.player, self.stop = player, threading.Event()
        self.error: BaseException | None = None
        self.ended: bool | None = None
        self.thread = threading.Thread(target=self.run, name="test-player")

    def run(self) -> None:
        try:
            self.ended = self.player.run(self.stop)
        except BaseException as error:
            self.error = error

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop.set()
        self.thread.join(10.0)
        assert not self.thread.is_alive()
        if self.error is not None:
            raise self.error


def unique() -> str:
    return f"rtbci-test-{uuid.uuid4().hex[:12]}"


def counting(
    n_samples: int,
    rate_hz: float = 200.0,
    t_s: FloatArray | None = None,
    markers: Iterable[Marker] = (),
) -> Recording:
    info = StreamInfo(
        "counting", unique(), rate_hz, (Channel("C3", "microvolts"), Channel("C4", "microvolts"))
    )
    return Recording(info, np.arange(2.0 * n_samples).reshape(-1, 2), tuple(markers), t_s)


@needs_data
@pytest.mark.data
def test_an_edf_arrives_bit_for_bit_with_its_metadata_and_markers() -> None:
    path = data_dir() / "eegmmidb/raw/S007R12.edf"
    (recording,) = read_recordings(path, start_s=7.0, stop_s=10.0)
    source_id = unique()
    player = Player([recording], source_id=source_id, wait_for_consumers=True, chunk=5)
    with Running(player):
        receiver = Receiver(source_id)
        xml = receiver.samples.info(5.0)
        receiver.pull_for(8.0, recording.n_samples)
    np.testing.assert_array_equal(receiver.everything(), recording.data.astype(np.float32))
    assert receiver.everything().dtype == np.float32
    np.testing.assert_allclose(np.diff(receiver.stamps), 1 / 160, atol=1e-9)
    # markers: (8.3 - 7.0) s and so on after the first sample, to the sample
    assert [value for _, value in receiver.marks] == [m.value for m in recording.markers]
    assert len(receiver.marks) > 0
    for (t, _), marker in zip(receiver.marks, recording.markers, strict=True):
        assert t - receiver.stamps[0] == pytest.approx(marker.t_lsl, abs=1e-6)
    assert xml.get_channel_labels() == list(recording.info.labels)
    assert set(xml.get_channel_units()) == {"microvolts"}
    assert set(xml.get_channel_types()) == {"EEG"}
    assert (xml.name(), xml.type(), xml.nominal_srate()) == ("S007R12", "EEG", 160.0)
    late_s = np.subtract(receiver.arrived, receiver.stamps)
    # a chunk of 5 arrives after its last sample; its first is then 4 intervals old
    assert late_s.min() >= 0
    assert np.median(late_s) < 0.06


@needs_data
@pytest.mark.data
def test_all_streams_of_an_xdf_are_played() -> None:
    recordings = read_recordings(data_dir() / "formats/xdf-example-files/minimal.xdf")
    source_id = unique()
    with Running(Player(recordings, source_id=source_id, speed=float("inf"), wait_for_consumers=True)):
        receiver = Receiver(source_id)
        receiver.pull_for(5.0, 9)
    assert receiver.everything()[:, 0].tolist() == [192, 12, 13, 14, 15, 12, 13, 14, 15]
    assert [value for _, value in receiver.marks][1:4] == ["Hello", "World", "from"]
    t_hello = receiver.marks[1][0] - receiver.stamps[0]
    assert t_hello == pytest.approx(0.2, abs=1e-3)  # 5.2 s in the file, 0.1 s of clock offset taken out


def test_max_speed_loses_nothing() -> None:
    recording = counting(40_000, markers=[Marker(i / 10, str(i)) for i in range(2000)])
    with Running(Player([recording], speed=float("inf"), wait_for_consumers=True, chunk=16)):
        receiver = Receiver(recording.info.source_id)
        start = time.monotonic()
        receiver.pull_for(20.0, recording.n_samples)
        took_s = time.monotonic() - start
    np.testing.assert_array_equal(receiver.everything(), recording.data.astype(np.float32))
    assert [int(value) for _, value in receiver.marks] == list(range(2000))
    assert took_s < 15.0  # 200 s of recording


def test_gaps_are_kept_in_time_and_in_stamps() -> None:
    t_s = np.arange(200) / 200.0
    t_s[100:] += 0.7
    recording = counting(200, t_s=t_s)
    with Running(Player([recording], wait_for_consumers=True)):
        receiver = Receiver(recording.info.source_id)
        receiver.pull_for(6.0, 200)
    np.testing.assert_allclose(np.array(receiver.stamps) - receiver.stamps[0], t_s, atol=1e-9)
    assert np.diff(receiver.arrived).max() == pytest.approx(0.7, abs=0.15)


def test_a_stamp_of_0_is_no_other_time() -> None:
    recording = counting(3)
    with Outlet(recording.info) as outlet:
        receiver = Receiver(recording.info.source_id)
        outlet.push_markers([Marker(0.0, "now?")])
        outlet.push(recording.data, np.array([-0.005, 0.0, 0.005]))
        receiver.pull_for(6.0, 3)
    assert receiver.stamps == pytest.approx([-0.005, 0.0, 0.005], abs=1e-12)
    ((t_lsl, value),) = receiver.marks
    assert t_lsl == pytest.approx(0.0, abs=1e-12)
    assert value == "now?"


def test_a_loop_goes_on_with_a_marker_at_the_seam() -> None:
    recording = counting(100)
    with Running(Player([recording], loop=True, wait_for_consumers=True)) as running:
        receiver = Receiver(recording.info.source_id)
        receiver.pull_for(6.0, 250)
        assert running.ended is None
    values = receiver.everything()[:, 0] / 2
    np.testing.assert_array_equal(values[:250], np.arange(250) % 100)
    np.testing.assert_allclose(np.diff(receiver.stamps), 1 / 200, atol=1e-9)
    seams = [t - receiver.stamps[0] for t, value in receiver.marks if value == LOOP_MARKER]
    assert seams[:2] == pytest.approx([0.5, 1.0], abs=1e-6)


def test_double_speed_takes_half_the_time_with_stamps_of_the_file() -> None:
    recording = counting(400)
    with Running(Player([recording], speed=2.0, wait_for_consumers=True)):
        receiver = Receiver(recording.info.source_id)
        receiver.pull_for(6.0, 400)
    np.testing.assert_allclose(np.diff(receiver.stamps), 1 / 200, atol=1e-9)
    assert receiver.arrived[-1] - receiver.arrived[0] == pytest.approx(1.0, abs=0.15)


def test_the_end_of_the_file_ends_the_streams() -> None:
    recording = counting(20)
    n_more = 0
    player = Player([recording], wait_for_consumers=True, linger_s=0.2)
    with Running(player) as running:
        receiver = Receiver(recording.info.source_id)
        receiver.pull_for(3.0, 20)
        running.thread.join(5.0)
        assert running.ended is True
        while receiver.pull(0.2):
            n_more += 1
            assert n_more < 50
    assert pylsl.resolve_byprop("source_id", recording.info.source_id, 1, 0.4) == []


def test_stopping_is_clean_while_waiting_and_while_playing() -> None:
    recording = counting(2000)
    with Running(Player([recording], wait_for_consumers=True)) as running:
        time.sleep(0.1)
    assert running.ended is False
    with Running(Player([recording])) as running:
        time.sleep(0.1)
    assert running.ended is False
