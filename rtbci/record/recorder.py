"""Records a run: everything is queued at once and written by a thread of its own, whatever the disk does."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from rtbci.clock import Clock, now, utc_now
from rtbci.publish.control_messages import MARK_SOURCE
from rtbci.publish.messages import Event, Message, Prediction
from rtbci.publish.sink import Sink
from rtbci.record.description import Description
from rtbci.record.disk import FULL, Disk, OpenDisk, SyncedFile
from rtbci.record.items import Item, Left, Opened, UsedProfile, bytes_of
from rtbci.record.room import Room
from rtbci.record.session_json import JSON_NAME, Ended, SessionRecord
from rtbci.record.streams import SessionStreams, SoFar
from rtbci.record.tap import RecordedSource
from rtbci.record.xdf_format import SESSION_XDF
from rtbci.runtime.news import FAILED, LOST, RESUMED, ROOM, SLOW, STARTED, TAKEN_UP, News
from rtbci.stream.source import Chunk, Marker, Source

__all__ = ["SessionRecorder", "Written"]

WRITE_S = 0.2
"""Written this often, right after a decision, when the next one is farthest."""
LATEST_S = 0.4
"""And without decisions this often."""
SYNC_S = 0.5
"""The disk is told to keep what was written this often; together with `LATEST_S` under a second."""
RETRY_S = 1.0
SLOW_S = 2.0
TOLD_S = 5.0
CLOSE_S = 10.0
"""How long a run that ends waits for a disk that does not answer, or for room on one that is full;"""
MOST_CLOSE_S = 60.0
"""and for one that answers, and is slow;"""
SAID_S = 1.0
"""when that is told."""
BATCH_BYTES = 2**20
SYNC_BYTES = 4 * 2**20
"""And when so much has been written since: it is kept in memory until the disk has it."""
GONE = "its folder was removed or moved, or its disk unmounted"


class Written(NamedTuple):
    """What has been recorded so far; `problem` is why nothing can be at the moment, or empty."""

    folder: Path
    n_bytes: int
    n_samples: int
    n_samples_lost: int
    n_messages_lost: int
    problem: str


class SessionRecorder(Sink):
    """Records one run into a folder of its own; a `Sink` for the messages, and a tap for the stream.

    Parameters
    ----------
    folder : Path
        To be made, with its parents.
    record : SessionRecord
        What `session.json` says at first.
    start : datetime
        Calendar time of the start.
    max_bytes : int
        Memory for what the disk has not taken yet. While it is written a batch of at most 1 MiB more is held.
        What does not fit is counted and told; nothing waits for it.
    clock : Clock
        Seconds of the local LSL clock.
    open_disk : OpenDisk
        Makes the file.
    so_far : SoFar, optional
        What the file holds that is gone on with; see `rtbci.record.resume`.

    Attributes
    ----------
    say_waiting : callable
        Called where `close` waits for the disk for longer than a second.

    Notes
    -----
    `take`, `send` and `news` may be called by any thread and never wait for the disk; the thread
    ``rtbci-record`` writes. What fails is tried again every second, at the same place of the file; what the disk took and
    then could not keep (`Disk.sync`) is written again, too: it says so once, and forgets it.
    `take` costs 1 to 2 µs.
    """

    def __init__(
        self,
        folder: Path,
        record: SessionRecord,
        start: datetime,
        *,
        max_bytes: int = 64 * 2**20,
        clock: Clock = now,
        open_disk: OpenDisk = SyncedFile,
        so_far: SoFar | None = None,
    ) -> None:
        self._folder, self._description = folder, Description(folder, record)
        self._room = Room(folder)
        self._max_bytes, self._clock, self._open_disk = max_bytes, clock, open_disk
        self._streams = SessionStreams(start, clock, so_far)
        self._lock = threading.Lock()  # guards the queue, its size, the losses and the news
        self._queue: deque[tuple[Item, int]] = deque()
        self._n_queued = 0
        self._n_samples_lost = self._n_messages_lost = 0
        self._left = Left(0, 0, 0)
        self._told: tuple[int, int] = (0, 0)
        self._news: list[News] = []
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="rtbci-record", daemon=True)
        # Below: the writer's own, but for numbers that others only read.
        self._disk: Disk | None = None
        self._unwritten = b""
        self._at = so_far.n_bytes if so_far else 0
        self._unsynced: list[bytes] = []  # in front of `_at`; the disk has not said yet that it keeps it
        self._n_unsynced = self._n_samples_synced = 0
        self._problem = ""
        self._is_full = False
        self._n_written = self._n_answers = 0
        self._t_written = self._t_synced = self._t_tried = self._t_caught_up = clock()
        self._t_told_slow = self._t_told_lost = -float("inf")
        self.error: Exception | None = None
        self.say_waiting: Callable[[], None] = lambda: None

    # -- any thread ------------------------------------------------------------------------------------

    @property
    def folder(self) -> Path:
        """Where the session goes."""
        return self._folder

    @property
    def written(self) -> Written:
        """What has been recorded so far."""
        lost = self._n_samples_lost, self._n_messages_lost
        return Written(self._folder, self._at, self._n_written, *lost, self._problem)

    def start(self, gap_s: float | None = None) -> None:
        """Make folder and file, as far as that can be, and begin to write; problems are `news`.

        `gap_s` are the seconds since the newest sample of a session that is taken up.
        """
        self._unwritten = self._streams.encode(())
        if self._write():
            self._tell(STARTED, {})
        if gap_s is not None:
            self._tell(TAKEN_UP, {"gap_s": gap_s})
        self._thread.start()

    def tap(self, source: Source) -> RecordedSource:
        """Return a source that gives the same and is recorded."""
        return RecordedSource(source, self)

    def take(self, item: Item) -> None:
        """Queue an item, or count it as lost where there is no memory for it."""
        n_bytes = bytes_of(item)
        with self._lock:
            # What says which stream it is must not be missing from the file, and is never many.
            if self._n_queued + n_bytes <= self._max_bytes or isinstance(item, Opened | UsedProfile):
                if self._left != (0, 0, 0):
                    self._queue.append((self._left, 0))
                    self._left = Left(0, 0, 0)
                self._queue.append((item, n_bytes))
                self._n_queued += n_bytes
            else:
                self._leave_out(item)

    def _leave_out(self, item: Item) -> None:
        n_chunks, n_samples, n_other = self._left
        if isinstance(item, Chunk):
            self._n_samples_lost += len(item.t_lsl)
            self._left = Left(n_chunks + 1, n_samples + len(item.t_lsl), n_other)
        else:
            self._n_messages_lost += 1
            self._left = Left(n_chunks, n_samples, n_other + 1)

    def send(self, message: Message) -> None:
        """Take a message; see `Sink.send`."""
        self.take(message)
        if isinstance(message, Event) and message.data.get("source") == MARK_SOURCE:
            # A client's marker came by no stream; as a marker of the session it is exported and replayed.
            self.take(Marker(message.t_lsl, message.value))
        if isinstance(message, Prediction) and self._clock() - self._t_written >= WRITE_S:
            self._wake.set()

    def news(self) -> Sequence[News]:
        """Take what there is to tell since the last call."""
        self._look_for_trouble(self._clock())
        if not self._news:
            return ()
        with self._lock:
            told, self._news = self._news, []
        return told

    def close(self) -> None:
        """Write what is left, footers and the end of `session.json`; may be called more than once.

        A disk that does not answer, or is full, is waited for `CLOSE_S` seconds, one that is slow up to `MOST_CLOSE_S`.
        """
        self._stopping = True
        self._wake.set()
        if self._thread.ident is None:
            return
        self._thread.join(SAID_S)
        if self._thread.is_alive():
            self.say_waiting()
        for _ in range(round(MOST_CLOSE_S / CLOSE_S)):
            n_answers = self._n_answers
            self._thread.join(CLOSE_S)
            if not self._thread.is_alive():
                return
            if self._n_answers == n_answers:
                self._problem = f"the disk has not answered for {CLOSE_S:g} s"
                return
        self._problem = f"the disk was too slow to take the rest within {MOST_CLOSE_S:g} s"

    def _tell(self, kind: str, data: dict[str, str | int | float | bool | None]) -> None:
        with self._lock:
            self._news.append(News(kind, str(self._folder), data))

    def _look_for_trouble(self, t_now: float) -> None:
        behind_s = t_now - self._t_caught_up
        if behind_s > SLOW_S and not self._problem and t_now - self._t_told_slow > TOLD_S:
            self._t_told_slow = t_now
            self._tell(SLOW, {"behind_s": behind_s, "waiting_mb": self._n_queued / 2**20})
        lost = self._n_samples_lost, self._n_messages_lost
        if lost != self._told and t_now - self._t_told_lost > TOLD_S:
            self._told, self._t_told_lost = lost, t_now
            self._tell(LOST, {"n_samples": lost[0], "n_messages": lost[1]})

    # -- the writer's thread ---------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._wake.wait(LATEST_S)
                self._wake.clear()
                self._write_all()
            self._finish()
        except Exception as error:  # not the disk. Told like one that fails: decoding goes on without
            self.error = error
            self._fail(f"{type(error).__name__}: {error}")
        finally:
            if self._disk is not None:
                with suppress(OSError):
                    self._disk.close()

    def _write_all(self) -> None:
        """Write everything queued, batch by batch, until a write fails."""
        if self._problem and self._clock() - self._t_tried < RETRY_S and not self._stopping:
            return
        # Behind a failure nothing more is taken before the disk keeps what there is: so memory stays bounded.
        is_written = self._write() and (not self._problem or self._sync())
        while is_written and (batch := self._next_batch()):
            self._description.add(item.profile for item, _ in batch if isinstance(item, UsedProfile))
            self._unwritten = self._streams.encode(item for item, _ in batch)
            is_written = self._write() and (self._n_unsynced < SYNC_BYTES or self._sync())
            with self._lock:
                self._n_queued -= sum(n_bytes for _, n_bytes in batch)
        if is_written and self._sync():
            self._t_caught_up = self._clock()
            if self._problem:
                self._problem = ""
                self._tell(RESUMED, {"n_samples_lost": self._n_samples_lost})
            if left := self._room.look(self._t_caught_up, self._at):
                self._tell(ROOM, {"left_s": left.left_s, "free_mb": left.n_bytes / 2**20})

    def _next_batch(self) -> list[tuple[Item, int]]:
        batch, n_bytes = [], 0
        with self._lock:
            while self._queue and n_bytes < BATCH_BYTES:
                batch.append(self._queue.popleft())
                n_bytes += batch[-1][1]
        return batch

    def _write(self) -> bool:
        """Write what is encoded, if anything is, and say whether that went well; else it stays for the next try."""
        self._t_tried = self._clock()
        try:
            if self._disk is None:
                self._disk = self._open()
            if self._unwritten:
                self._disk.write(self._at, self._unwritten)
        except OSError as error:
            self._refuse(error)
            return False
        self._n_answers += 1
        self._at += len(self._unwritten)
        self._n_unsynced += len(self._unwritten)
        self._unsynced.append(self._unwritten)
        self._unwritten = b""
        self._n_written = self._streams.n_samples
        self._t_written = self._clock()
        return True

    def _open(self) -> Disk:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._description.save()
        return self._open_disk(self._folder / SESSION_XDF)

    def _sync(self) -> bool:
        """Have the disk keep what is written, where that is due, and say whether that went well."""
        is_due = self._clock() - self._t_synced >= SYNC_S or self._n_unsynced >= SYNC_BYTES
        if not (is_due or self._stopping or self._problem) or self._disk is None:
            return True
        try:
            self._disk.sync()
        except OSError as error:
            self._write_again()
            self._refuse(error)
            return False
        self._n_answers += 1
        self._t_synced = self._clock()
        self._unsynced.clear()
        self._n_unsynced, self._n_samples_synced = 0, self._n_written
        try:
            if self._disk.is_gone():
                self._put_back(self._disk)
            self._description.keep(self._streams.session, self._streams.opened)
        except OSError as error:
            self._refuse(error)
            return False
        return True

    def _write_again(self) -> None:
        """Take back what the disk took and could not keep: the system may have dropped it, and says so once."""
        self._unwritten = b"".join(self._unsynced)
        self._at -= self._n_unsynced
        self._unsynced.clear()
        self._n_unsynced, self._n_written = 0, self._n_samples_synced

    def _put_back(self, disk: Disk) -> None:
        """Somebody has removed or moved the folder: make it again, with all that was in it."""
        if not self._problem:
            self._fail(GONE)
        disk.put_back()
        self._description.save_anew()

    def _refuse(self, error: OSError) -> None:
        self._n_answers += 1
        self._is_full = error.errno in FULL
        self._fail(error.strerror or str(error))

    def _fail(self, reason: str) -> None:
        is_news = reason != self._problem
        self._problem = reason
        if is_news:
            self._tell(FAILED, {"reason": reason})

    def _finish(self) -> None:
        """Last writes; a session without a sample leaves nothing behind."""
        self._write_all()
        for _ in range(round(CLOSE_S / RETRY_S) - 1):
            if not (self._problem and self._is_full):
                break
            time.sleep(RETRY_S)  # whoever is told that the disk is full makes room
            self._write_all()
        if self._disk is not None and self._disk.is_gone():  # and cannot be put back
            self._n_written = self._at = 0
        if not self._problem:
            self._unwritten = self._streams.end()
            if self._write():
                self._sync()
        left = [item for item, _ in self._queue]
        self._n_samples_lost += sum(len(item.t_lsl) for item in left if isinstance(item, Chunk))
        self._n_samples_lost += self._streams.n_samples - self._n_written
        self._n_messages_lost += sum(not isinstance(item, Chunk) for item in left)
        try:
            if self._streams.n_samples or self._problem:
                self._save_end()
            elif self._disk is not None:
                self._disk.close()  # Windows does not remove what is open
                self._remove()
        except OSError as error:
            self._problem = self._problem or f"{JSON_NAME}: {error.strerror or error}"

    def _save_end(self) -> None:
        ended = Ended(
            utc=utc_now().isoformat(),
            n_samples=self._n_written,
            n_samples_lost=self._n_samples_lost,
            n_messages_lost=self._n_messages_lost,
            n_bytes=self._at,
        )
        self._description.save_end(ended)

    def _remove(self) -> None:
        self._description.remove()
        (self._folder / SESSION_XDF).unlink(missing_ok=True)
        self._folder.rmdir()
