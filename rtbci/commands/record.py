"""`rtbci record`: find a stream, write it down, decode nothing."""

from collections import deque
from contextlib import nullcontext
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from rtbci.clock import now, utc_now
from rtbci.commands.event_words import SAID, said_of
from rtbci.commands.marker_news import line_of
from rtbci.commands.other_streams import OtherStreams
from rtbci.commands.recording import check_recorded, recorded, say_recorded, say_recording
from rtbci.commands.run import lsl_factory
from rtbci.commands.stopping import stop_on_signals
from rtbci.config import RunConfig
from rtbci.listing import counted
from rtbci.record.alone import NAMED, StreamKeeper, describe_alone
from rtbci.record.recorder import SessionRecorder
from rtbci.record.sessions import new_session_folder, sessions_root
from rtbci.stream.marker_choice import SeenMarkers
from rtbci.stream.source import StreamInfo

__all__ = ["record"]


def record(config: RunConfig, console: Console) -> None:
    """Record until Ctrl-C or the end of the duration.

    Raises
    ------
    StreamError
        When there is no stream.
    RecordingError
        At the end, when not all of it was recorded.
    """
    seen: deque[SeenMarkers] = deque()  # told by the thread that pulls
    others = OtherStreams()
    with stop_on_signals() as stop:
        recorder = _start(config)
        try:
            say_recording(console, recorder)
            shown = console.status("waiting for the stream") if console.is_terminal else None
            with shown or nullcontext():

                def look() -> None:
                    news = [one for one in recorder.news() if one.kind in SAID]
                    lines = [said_of(*one) for one in (*news, *others.news())]
                    lines += [line_of(seen.popleft()) for _ in range(len(seen))]
                    for line in lines:
                        console.print(line, markup=False, highlight=False)
                    written = recorder.written
                    if shown is not None and written.n_samples:
                        shown.update(
                            escape(
                                f"{written.n_samples} samples, {written.n_bytes / 1e6:.1f} MB; Ctrl-C ends it"
                            )
                        )

                make = recorded(lsl_factory(config, seen.append, others.tell), recorder)
                StreamKeeper(config, make, lambda kind, info: _tell(console, kind, info)).keep(stop, look)
        finally:
            recorder.close()
    say_recorded(console, recorder.written)
    check_recorded(recorder.written)


def _start(config: RunConfig) -> SessionRecorder:
    start, t_lsl = utc_now(), now()
    root = Path(config.record.folder).expanduser() if config.record.folder else sessions_root()
    recorder = SessionRecorder(
        new_session_folder(root, start, NAMED, config.user),
        describe_alone(config, start, t_lsl),
        start,
        max_bytes=config.record.memory_mb * 2**20,
    )
    recorder.start()
    return recorder


def _tell(console: Console, kind: str, info: StreamInfo | None) -> None:
    what = ""
    if info is not None and kind == "stream_found":
        what = f"{info.name}, {counted(info.n_channels, 'channel')}, {info.rate_hz:g} Hz"
    console.print(said_of(kind, what, {}), markup=False, highlight=False)
