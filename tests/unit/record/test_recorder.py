"""The recorder with disks that fail, fill up and hang; no test waits for a clock."""

import errno
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rtbci.errors import FileFormatError
from rtbci.record import recorder as module
from rtbci.record.disk import SyncedFile
from rtbci.record.items import Opened
from rtbci.record.recorder import SLOW_S, SessionRecorder
from rtbci.record.room import Room
from rtbci.record.session_json import SessionRecord, read_session_json
from rtbci.record.streams import topic_stream
from rtbci.record.xdf_format import SESSION_XDF
from rtbci.record.xdf_read import StreamData, read_xdf_file
from rtbci.stream.source import Chunk, Marker
from tests.tiny import MemorySource
from tests.unit.record.samples import INFO, START, event, hello, prediction, record

PATIENCE_S = 20.0


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.t_s = 100.0

    def __call__(self) -> float:
        return self.t_s


class Disk(SyncedFile):
    """A real file whose space, and patience, a test sets."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.room = 10**9
        self.error: OSError | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.n_syncs = 0
        self._n_kept = 0

    def write(self, at: int, content: bytes) -> None:
        self.gate.wait(PATIENCE_S)
        if at + len(content) > self.room:
            super().write(at, content[: max(0, self.room - at)])  # a disk takes what it can
            raise OSError(errno.ENOSPC, "No space left on device")
        super().write(at, content)

    def sync(self) -> None:
        n_bytes = self._path.stat().st_size if self._path.exists() else 0
        if self.error is not None:  # as Linux does: what it could not keep is dropped, and said once
            super().write(self._n_kept, bytes(n_bytes - self._n_kept))
            raise self.error
        super().sync()
        self.n_syncs, self._n_kept = self.n_syncs + 1, n_bytes


class Bench:
    """A recorder on such a disk."""

    def __init__(self, folder: Path, max_bytes: int = 2**20) -> None:
        self.clock = Clock()
        self.disks: list[Disk] = []
        self.n_free: int | None = None  # as far as is known
        self.recorder = SessionRecorder(
            folder, record(), START, max_bytes=max_bytes, clock=self.clock, open_disk=self._open
        )
        self.recorder._room = Room(folder, lambda _folder: self.n_free)
        self.recorder.start()
        self.n = 0

    def _open(self, path: Path) -> Disk:
        self.disks.append(Disk(path))
        return self.disks[-1]

    @property
    def disk(self) -> Disk:
        return self.disks[-1]

    def give(self, n_samples: int = 10) -> None:
        """The next samples; sample i holds i in all channels, stamped i / 250."""
        i = np.arange(self.n, self.n + n_samples)
        self.recorder.take(Chunk(np.repeat(i[:, None], 3, axis=1).astype(float), i / 250.0))
        self.n += n_samples

    def wait_until(self, condition: Callable[[], object]) -> None:
        """Have the writer look, until something has happened; time goes on meanwhile."""
        for _ in range(int(PATIENCE_S / 0.01)):
            self.clock.t_s += 0.5
            self.recorder._wake.set()
            if condition():
                return
            self.recorder._thread.join(0.01)
        raise AssertionError("waited in vain")

    def wait_for_another_try(self) -> None:
        """Have the writer try once more."""
        t_tried = self.recorder._t_tried
        self.wait_until(lambda: self.recorder._t_tried > t_tried)

    def kinds(self) -> list[str]:
        return [news.kind for news in self.recorder.news()]

    def signal(self) -> StreamData:
        file = read_xdf_file(self.recorder.folder / SESSION_XDF)
        assert not file.damages
        found = file.named("amp")
        assert found is not None
        return found


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = Bench(tmp_path / "sessions" / "s")
    made.recorder.take(Opened(INFO, ""))
    return made


def test_what_was_given_is_in_the_file(bench: Bench) -> None:
    recorder = bench.recorder
    recorder.send(hello())
    for i in range(5):
        bench.give(i + 1)
        recorder.send(prediction(i, 1.0 + i))
    recorder.take(Marker(1.5, "cue"))
    recorder.send(event(0, "decision", 2.0, "left_hand"))
    assert bench.kinds() == ["recording_started"]
    assert not recorder.poll()
    recorder.close()
    recorder.close()
    signal = bench.signal()
    assert signal.chunks.tolist() == [1, 2, 3, 4, 5]
    assert signal.values[:, 0].tolist() == list(range(15))
    file = read_xdf_file(recorder.folder / SESSION_XDF)
    predictions = file.named(topic_stream("prediction"))
    assert predictions is not None
    assert len(predictions.texts) == 5
    written = recorder.written
    assert (written.n_samples, written.n_samples_lost, written.problem) == (15, 0, "")
    assert written.n_bytes == (recorder.folder / SESSION_XDF).stat().st_size
    kept = read_session_json(recorder.folder)
    assert kept.ended is not None
    assert (kept.session, kept.streams, kept.ended.n_samples) == ("s-1", ("amp",), 15)
    assert bench.disk.n_syncs >= 1


def test_a_session_without_samples_leaves_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "sessions" / "s")
    bench.recorder.send(hello())
    assert (tmp_path / "sessions" / "s" / SESSION_XDF).is_file()
    bench.recorder.close()
    assert list((tmp_path / "sessions").iterdir()) == []


def test_a_session_without_samples_is_closed_before_it_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path / "sessions" / "s")
    bench.recorder.send(hello())
    unlink = Path.unlink

    def as_on_windows(path: Path, missing_ok: bool = False) -> None:
        if path.name == SESSION_XDF and not bench.disk._file.closed:
            raise PermissionError(13, "used by another process")
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", as_on_windows)
    bench.recorder.close()
    assert list((tmp_path / "sessions").iterdir()) == []


def test_it_is_written_and_synced_while_it_runs(bench: Bench) -> None:
    bench.give()
    bench.wait_until(lambda: bench.recorder.written.n_samples == 10 and bench.disk.n_syncs)
    assert bench.signal().values[:, 0].tolist() == list(range(10))  # readable before it has ended
    assert read_session_json(bench.recorder.folder).ended is None
    bench.recorder.close()


def test_a_full_disk_is_told_tried_again_and_recovered_from(bench: Bench) -> None:
    bench.give()
    bench.wait_until(lambda: bench.recorder.written.n_samples == 10)
    bench.disk.room = bench.recorder.written.n_bytes + 100
    bench.give()
    bench.wait_until(lambda: bench.recorder.written.problem)
    news = list(bench.recorder.news())
    assert [one.kind for one in news] == ["recording_started", "recording_failed"]
    assert news[-1].data == {"reason": "No space left on device"}
    assert news[-1].value == str(bench.recorder.folder)
    bench.give()
    for _ in range(3):
        bench.wait_for_another_try()
    assert bench.kinds() == []  # told once
    bench.disk.room = 10**9
    bench.wait_until(lambda: not bench.recorder.written.problem)
    assert bench.kinds() == ["recording_resumed"]
    bench.recorder.close()
    assert bench.signal().values[:, 0].tolist() == list(range(30))
    assert bench.recorder.written.n_samples_lost == 0


def test_memory_is_bounded_and_what_does_not_fit_is_counted_and_told(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "s", max_bytes=20_000)
    bench.recorder.take(Opened(INFO, ""))
    bench.wait_until(lambda: not bench.recorder._queue)
    bench.disk.room = 0
    bench.give()
    bench.wait_until(lambda: bench.recorder.written.problem)
    bench.kinds()
    for _ in range(200):
        bench.give()
    bench.recorder.take(Marker(1.0, "x" * 20_000))
    assert bench.recorder._n_queued <= 20_000
    lost = bench.recorder.written.n_samples_lost
    assert 0 < lost < bench.n
    news = list(bench.recorder.news())
    assert [one.kind for one in news] == ["recording_lost"]
    assert news[0].data == {"n_samples": lost, "n_messages": 1}
    assert bench.kinds() == []  # not again at once
    bench.disk.room = 10**9
    bench.wait_until(lambda: not bench.recorder.written.problem)
    bench.give()
    bench.recorder.close()
    values = bench.signal().values[:, 0].tolist()
    assert len(values) == bench.n - lost
    assert values == [*range(len(values) - 10), *range(bench.n - 10, bench.n)]  # one gap, in its place
    kept = read_session_json(bench.recorder.folder)
    assert kept.ended is not None
    assert (kept.ended.n_samples, kept.ended.n_samples_lost) == (len(values), lost)


def test_a_disk_that_hangs_is_told_and_nobody_waits_for_it(bench: Bench) -> None:
    bench.wait_until(lambda: bench.recorder.written.n_bytes and not bench.recorder._queue)
    bench.kinds()
    bench.disk.gate.clear()
    bench.give()
    bench.recorder._wake.set()
    bench.recorder._thread.join(0.05)
    bench.clock.t_s += SLOW_S + 1.0
    news = list(bench.recorder.news())
    assert [one.kind for one in news] == ["recording_slow"]
    assert news[0].data["behind_s"] > SLOW_S  # type: ignore[operator]
    bench.give()  # returns at once, though the writer hangs
    bench.disk.gate.set()
    bench.recorder.close()
    assert bench.signal().values[:, 0].tolist() == list(range(20))


def test_a_disk_that_never_answers_does_not_hold_up_the_end(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CLOSE_S", 0.05)
    monkeypatch.setattr(module, "SAID_S", 0.01)
    said: list[str] = []
    bench.recorder.say_waiting = lambda: said.append("waits")
    bench.wait_until(lambda: bench.recorder.written.n_bytes)
    bench.disk.gate.clear()
    bench.give()
    bench.recorder.close()
    assert "has not answered for 0.05 s" in bench.recorder.written.problem
    assert said == ["waits"]
    bench.disk.gate.set()
    bench.recorder._thread.join(PATIENCE_S)


@pytest.mark.parametrize(
    ("answers", "problem"),
    [
        ([0], ""),  # within the first second
        ([0, 1, 2, 1], ""),
        ([0, 1, 0, 1, 1], "the disk has not answered for 10 s"),
        ([0] + [1] * 20, "the disk was too slow to take the rest within 60 s"),
    ],
)
def test_a_slow_disk_has_its_time_at_the_end(bench: Bench, answers: list[int], problem: str) -> None:
    class Writer:
        """Ends after so many waits, in each of which the disk answers so often."""

        ident = 1

        def join(self, timeout_s: float) -> None:
            bench.recorder._n_answers += answers.pop(0) if answers else 0

        def is_alive(self) -> bool:
            return bool(answers)

    writer, said = bench.recorder._thread, list[str]()
    bench.recorder.say_waiting = lambda: said.append("waits")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(bench.recorder, "_thread", Writer())
        is_slow = len(answers) > 1
        bench.recorder.close()
    assert (bench.recorder.written.problem, said) == (problem, ["waits"] * is_slow)
    writer.join(PATIENCE_S)


def test_what_the_disk_took_and_could_not_keep_is_told_and_written_again(bench: Bench) -> None:
    bench.give()
    bench.wait_until(lambda: bench.disk.n_syncs)
    bench.disk.error = OSError(errno.EIO, "Input/output error")
    bench.give()
    bench.wait_until(lambda: bench.recorder.written.problem == "Input/output error")
    for _ in range(3):
        bench.give()
        bench.wait_for_another_try()
    assert bench.recorder.written.n_samples == 10
    assert bench.recorder._queue  # and nothing more is taken into memory that has no bound
    assert bench.kinds() == ["recording_started", "recording_failed"]
    bench.disk.error = None
    bench.wait_until(lambda: not bench.recorder.written.problem)
    bench.recorder.close()
    assert bench.kinds() == ["recording_resumed"]
    assert bench.signal().values[:, 0].tolist() == list(range(50))


def test_a_disk_that_will_be_full_is_told_twice_and_again_when_there_was_room(tmp_path: Path) -> None:
    looked = [  # s, MB written, MB free, and how many s are told
        (0, 0, 700, None),
        (10, 10, 690, None),
        (100, 100, 600, None),
        (101, 101, 1, None),  # too early to look again
        (110, 110, 590, 590),
        (120, 120, 580, None),
        (650, 650, 50, 50),
        (660, 660, 40, None),
        (670, 670, 5000, None),
        (5170, 5170, 500, 500),
        (5180, 5180, 400, None),  # somebody else has written something
        (5190, 5190, 300, 40),  # and goes on
    ]
    free = 0
    room = Room(tmp_path, lambda _folder: free * 2**20)
    for t_s, n_written, free, left_s in looked:
        left = room.look(float(t_s), n_written * 2**20)
        assert (left and (left.left_s, left.n_bytes)) == (left_s and (left_s, free * 2**20))
    assert Room(tmp_path / "none").look(0.0, 0) is None


def test_a_disk_that_will_be_full_is_news(bench: Bench) -> None:
    bench.n_free = 10_000

    def is_told() -> bool:
        bench.give()
        return "recording_room" in bench.kinds()

    bench.wait_until(is_told)
    bench.recorder.close()


def test_a_description_that_could_not_be_written_is_written_later(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def fails(folder: Path, record: SessionRecord) -> None:
        tried.append(folder.name)
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("rtbci.record.description.write_session_json", fails)
        bench.give()
        bench.wait_until(lambda: len(tried) >= 2)  # streams are known now
        assert bench.recorder.written.problem == "No space left on device"
    bench.wait_until(lambda: not bench.recorder.written.problem)
    assert read_session_json(bench.recorder.folder).streams == ("amp",)
    bench.recorder.close()


def test_a_folder_that_cannot_be_made_is_told_at_once_and_taken_when_it_can(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    bench = Bench(tmp_path / "file" / "s")
    assert bench.recorder.written.problem
    assert bench.kinds() == ["recording_failed"]
    bench.recorder.take(Opened(INFO, ""))
    bench.give()
    (tmp_path / "file").unlink()
    bench.wait_until(lambda: not bench.recorder.written.problem)
    bench.recorder.close()
    assert bench.signal().values[:, 0].tolist() == list(range(10))


def test_a_full_disk_that_gets_room_at_the_end_has_all_of_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SAID_S", 0.01)
    monkeypatch.setattr(module, "RETRY_S", 0.02)
    bench.give()
    bench.wait_until(lambda: bench.recorder.written.n_samples == 10)
    bench.disk.room = bench.recorder.written.n_bytes + 100
    bench.give()
    said: list[str] = []

    def make_room() -> None:
        said.append(bench.recorder.written.problem)
        bench.disk.room = 10**9

    bench.recorder.say_waiting = make_room
    bench.recorder.close()
    assert said == ["No space left on device"]
    written = bench.recorder.written
    assert (written.n_samples, written.n_samples_lost, written.problem) == (20, 0, "")
    assert bench.signal().values[:, 0].tolist() == list(range(20))


def test_what_a_failing_disk_never_took_is_counted_at_the_end(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.01)
    monkeypatch.setattr(module, "CLOSE_S", 0.1)
    bench.give()
    bench.wait_until(lambda: bench.recorder.written.n_samples == 10)
    bench.disk.room = 0
    bench.give()
    bench.recorder.take(Marker(1.0, "x"))
    bench.recorder.close()
    written = bench.recorder.written
    assert (written.n_samples, written.n_samples_lost, written.problem) == (10, 10, "No space left on device")


def test_an_error_of_our_own_is_told_and_does_not_reach_the_decoder(bench: Bench) -> None:
    bench.recorder.take(Chunk(np.zeros((4, 7)), np.zeros(4)))  # not the stream's channels
    bench.wait_until(lambda: bench.recorder.error)
    bench.wait_until(lambda: bench.recorder.written.problem)
    assert "need (n_samples, 3)" in bench.recorder.written.problem
    assert "recording_failed" in bench.kinds()
    bench.give()
    bench.recorder.close()


def test_an_existing_file_is_never_written_over(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    folder.mkdir()
    (folder / SESSION_XDF).write_bytes(b"precious")
    bench = Bench(folder)
    assert bench.recorder.written.problem
    bench.recorder.close()
    assert (folder / SESSION_XDF).read_bytes() == b"precious"


def test_two_recorders_do_not_mix(tmp_path: Path) -> None:
    benches = [Bench(tmp_path / name) for name in "ab"]
    for bench in benches:
        bench.recorder.take(Opened(INFO, ""))
        bench.give()
        bench.recorder.close()
        assert len(bench.signal().t_s) == 10


def test_a_tapped_source_gives_the_same_and_is_recorded(bench: Bench) -> None:
    chunks = [Chunk(np.full((n, 3), float(n)), np.arange(n) / 250.0 + n) for n in (1, 4, 2)]
    source = MemorySource(INFO, [chunks[0], Marker(1.0, "a"), *chunks[1:]])
    source.clock_offset_s = 0.25  # type: ignore[attr-defined]
    with bench.recorder.tap(source) as tapped:
        assert tapped.info is INFO
        pulled = [tapped.pull(0.0) for _ in range(3)]
        assert tapped.pull_markers() == [Marker(1.0, "a")]
        with pytest.raises(EOFError):
            tapped.pull(0.0)
    for one, other in zip(pulled, chunks, strict=True):
        np.testing.assert_array_equal(one.data, other.data)
    bench.recorder.close()
    assert bench.signal().chunks.tolist() == [1, 4, 2]
    file = read_xdf_file(bench.recorder.folder / SESSION_XDF)
    offsets, markers = file.named("rtbci-clock-offset"), file.named("rtbci-markers")
    assert offsets is not None
    assert markers is not None
    assert offsets.values.tolist() == [[0.25]]
    assert offsets.t_s.tolist() == [1.0]
    assert markers.texts == ["a"]


def test_session_json_that_is_gone_while_it_runs_is_written_again(bench: Bench) -> None:
    bench.give()
    # It is written once more when the streams are known; after that not before the end.
    bench.wait_until(lambda: read_session_json(bench.recorder.folder).streams)
    assert bench.recorder.written.n_samples
    (bench.recorder.folder / "session.json").unlink()
    with pytest.raises(FileFormatError, match="cannot be read"):
        read_session_json(bench.recorder.folder)
    bench.recorder.close()
    assert read_session_json(bench.recorder.folder).ended is not None


@pytest.mark.skipif(os.name != "posix", reason="Windows neither removes nor moves what is open")
def test_a_folder_that_is_removed_is_told_and_whole_again(bench: Bench) -> None:
    bench.give()
    bench.wait_until(lambda: read_session_json(bench.recorder.folder).streams)
    shutil.rmtree(bench.recorder.folder.parent)
    bench.give()
    bench.wait_until(
        lambda: (bench.recorder.folder / SESSION_XDF).exists() and not bench.recorder.written.problem
    )
    bench.give()
    shutil.rmtree(bench.recorder.folder)  # also as the last that happens
    bench.recorder.close()
    assert bench.kinds() == ["recording_started", *["recording_failed", "recording_resumed"] * 2]
    assert bench.signal().values[:, 0].tolist() == list(range(30))
    written = bench.recorder.written
    assert (written.n_samples, written.n_samples_lost, written.problem) == (30, 0, "")
    assert read_session_json(bench.recorder.folder).ended is not None


@pytest.mark.skipif(os.name != "posix", reason="Windows neither removes nor moves what is open")
def test_a_disk_that_was_away_and_is_back_has_all_of_it(tmp_path: Path) -> None:
    def mount(name: str) -> None:
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / "link").symlink_to(name)
        (tmp_path / "link").replace(tmp_path / "usb")  # at once, as a disk comes and goes

    mount("disk")
    bench = Bench(folder := tmp_path / "usb" / "s")
    bench.recorder.take(Opened(INFO, ""))
    bench.give()
    bench.wait_until(lambda: read_session_json(folder).streams)
    mount("below")
    bench.give()
    bench.wait_until(lambda: (folder / SESSION_XDF).exists() and not bench.recorder.written.problem)
    mount("disk")
    bench.give()
    bench.wait_until(lambda: (folder / "session.displaced.xdf").exists())
    bench.recorder.close()
    assert bench.signal().values[:, 0].tolist() == list(range(30))
    before = read_xdf_file(folder / "session.displaced.xdf").named("amp")
    assert before is not None
    assert before.values[:, 0].tolist() in (list(range(10)), list(range(20)))  # until it was noticed
    assert read_session_json(folder).ended is not None


@pytest.mark.skipif(os.name != "posix", reason="Windows neither removes nor moves what is open")
def test_a_folder_that_cannot_be_put_back_is_no_recording(bench: Bench) -> None:
    bench.give()
    bench.wait_until(lambda: read_session_json(bench.recorder.folder).streams)
    above = bench.recorder.folder.parent
    shutil.rmtree(above)
    above.touch()  # no folder can be made there
    for _ in range(3):
        bench.wait_for_another_try()
    bench.recorder.close()
    reasons = [news.data["reason"] for news in bench.recorder.news() if news.kind == "recording_failed"]
    assert reasons[0] == "its folder was removed or moved, or its disk unmounted"
    assert len(reasons) == 2  # and once why it stays so
    written = bench.recorder.written
    assert (written.n_samples, written.n_samples_lost, written.n_bytes) == (0, 10, 0)
    assert written.problem
