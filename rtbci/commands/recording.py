"""Recording in `rtbci run`: where it goes, and what is said of it at the start and at the end."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec
from rich.console import Console

from rtbci.clock import now, utc_now
from rtbci.config import RunConfig
from rtbci.errors import RecordingError
from rtbci.listing import counted
from rtbci.publish.sink import Sink
from rtbci.record.kept_profiles import ProfileKeeper
from rtbci.record.recorder import CLOSE_S, MOST_CLOSE_S, SessionRecorder, Written
from rtbci.record.resume import Unfinished
from rtbci.record.room import free_bytes
from rtbci.record.session_json import Resumed, describe_session, versions_here
from rtbci.record.sessions import new_session_folder, sessions_root
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.journal import Journal
from rtbci.runtime.live import SourceFactory
from rtbci.runtime.news import News
from rtbci.stream.source import Source, StreamInfo

__all__ = [
    "Recording",
    "begin_recording",
    "check_recorded",
    "recorded",
    "say_recorded",
    "say_recording",
    "start_recorder",
]


class Recording(NamedTuple):
    """What records a run; nothing where it is not recorded."""

    recorder: SessionRecorder | None = None
    sinks: tuple[Sink, ...] = ()
    journal: Journal | None = None

    @property
    def news(self) -> Callable[[], Sequence[News]]:
        """Tells what there is to tell of it."""
        return tuple if self.recorder is None else self.recorder.news

    def tapped(self, make_source: SourceFactory) -> SourceFactory:
        """Sources of a factory, each recorded."""
        return make_source if self.recorder is None else recorded(make_source, self.recorder)


def begin_recording(
    config: RunConfig, decoder: Decoder, stack: ExitStack, unfinished: Unfinished | None = None
) -> Recording:
    """Begin to record a run, or go on with a session, until `stack` is closed, where the configuration says so."""
    if not config.record.enabled:
        return Recording()
    recorder = start_recorder(config, decoder, unfinished)
    stack.callback(recorder.close)
    journal = Journal(decoder, recorder.take, unfinished.numbers if unfinished else None)
    return Recording(recorder, (ProfileKeeper(decoder, recorder), recorder), journal)


def start_recorder(
    config: RunConfig, decoder: Decoder, unfinished: Unfinished | None = None
) -> SessionRecorder:
    """Make the session's folder, or take one up, and start to write; what cannot be made is told, the run goes on."""
    start, t_lsl = utc_now(), now()
    if unfinished is not None:
        return _go_on(config, unfinished, start, t_lsl)
    root = Path(config.record.folder).expanduser() if config.record.folder else sessions_root()
    folder = new_session_folder(root, start, decoder.recipe.name, config.user)
    recorder = SessionRecorder(
        folder,
        describe_session(config, decoder, start, t_lsl),
        start,
        max_bytes=config.record.memory_mb * 2**20,
    )
    recorder.start()
    return recorder


def _go_on(config: RunConfig, unfinished: Unfinished, start: datetime, t_lsl: float) -> SessionRecorder:
    resumed = Resumed(utc=start.isoformat(), t_lsl=t_lsl, gap_s=unfinished.gap_s, versions=versions_here())
    record = unfinished.record
    recorder = SessionRecorder(
        unfinished.folder,
        msgspec.structs.replace(record, resumed=(*record.resumed, resumed)),
        start,
        max_bytes=config.record.memory_mb * 2**20,
        open_disk=lambda path: unfinished.disk,  # noqa: ARG005 - it is open already
        so_far=unfinished.so_far,
    )
    recorder.start(unfinished.gap_s)
    return recorder


def recorded(make_source: SourceFactory, recorder: SessionRecorder) -> SourceFactory:
    """Sources of a factory, each recorded."""

    def make(lost: StreamInfo | None) -> Source:
        return recorder.tap(make_source(lost))

    return make


def say_recording(console: Console, recorder: SessionRecorder | None) -> None:
    """Say where the recording goes, or that there is none; and at its end, where that takes long, what is waited for."""
    if recorder is None:
        console.print("record:  off", highlight=False)
        return
    recorder.say_waiting = partial(_say_waiting, console, recorder)
    problem = recorder.written.problem
    what = f"record:  {recorder.folder}{_said_free(recorder.folder)}"
    if problem:
        what += f": NOT RECORDING ({problem}); tried again every second, --record DIR takes another folder"
    console.print(what, markup=False, highlight=False, soft_wrap=True, style="bold red" if problem else None)


def _say_waiting(console: Console, recorder: SessionRecorder) -> None:
    said = f"the disk is slow, waiting for it, up to {MOST_CLOSE_S:g} s"
    if problem := recorder.written.problem:
        said = f"NOT RECORDING ({problem}): what is in memory waits {CLOSE_S:g} s for it; make room"
    console.print(f"record:  {said}", markup=False, highlight=False)


def _said_free(folder: Path) -> str:
    """Space on the folder's disk; nothing where that is not known."""
    free = free_bytes(folder)
    if free is None:
        return ""
    return f"  ({free / 1e9:.1f} GB free)" if free >= 1e9 else f"  (only {free / 1e6:.0f} MB free)"


def say_recorded(console: Console, written: Written) -> None:
    """Say what has been recorded, and what has not."""
    lost = ""
    if written.n_samples_lost or written.n_messages_lost:
        lost = f"; NOT recorded: {counted(written.n_samples_lost, 'sample')}, {counted(written.n_messages_lost, 'message')}"
    problem = f"; at last: {written.problem}" if written.problem else ""
    what = f"{counted(written.n_samples, 'sample')}, {written.n_bytes / 1e6:.1f} MB in {written.folder}"
    if not written.n_samples and not problem:
        what = "nothing, no samples came"
    console.print(f"recorded {what}{lost}{problem}", markup=False, highlight=False)


def check_recorded(written: Written) -> None:
    """Have the exit status tell that a recording is not whole, to whoever reads no lines.

    Raises
    ------
    RecordingError
        When something was lost, or the disk failed at the end.
    """
    if written.n_samples_lost or written.n_messages_lost or written.problem:
        raise RecordingError(
            f"{written.folder}: not all was recorded ({written.problem or 'the disk did not keep up'}), need a folder on a disk "
            "with space that stays there; `rtbci session info` says what of it can be read, --record DIR takes another place"
        )
