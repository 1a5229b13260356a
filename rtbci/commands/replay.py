"""`rtbci replay`: a recording as LSL streams."""

import math
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from rtbci.commands.checking import Checks
from rtbci.commands.stopping import stop_on_signals
from rtbci.errors import ConfigError
from rtbci.listing import counted
from rtbci.record.sessions import recording_of, sessions_root
from rtbci.replay.datasets import read_dataset
from rtbci.replay.play import Player
from rtbci.replay.read import check_recording, read_recordings

__all__ = ["replay", "speed_of"]


def speed_of(text: str) -> float:
    """Speed from the command line: a number above 0, or ``max``.

    Raises
    ------
    ConfigError
        When it is neither.
    """
    try:
        speed = math.inf if text == "max" else float(text)
    except ValueError:
        speed = math.nan
    if not speed > 0:
        raise ConfigError(f"--speed: got '{text}', need a number above 0 or 'max'; 1 is real time")
    return speed


def replay(
    file: Path | None,
    dataset: str | None,
    console: Console,
    *,
    speed_text: str,
    loop: bool,
    start_s: float,
    chunk: int,
    name: str | None,
    wait: bool,
) -> None:
    """Play a file or a data set until its end or Ctrl-C; `speed_text` as `speed_of` reads it.

    Raises
    ------
    ConfigError
        All arguments that are wrong, before a file is read.
    """
    checks = Checks()
    checks.need(
        (file is None) != (dataset is None),
        "replay: need either a FILE or --dataset NAME:SUBJECT, one of them; see --help",
    )
    checks.need(chunk >= 1, f"--chunk: got {chunk}, need 1 or more; 8 is usual")
    checks.need(0.0 <= start_s < math.inf, f"--start: got {start_s:g}, need seconds of the file, 0 or more")
    speed = checks.take(lambda: speed_of(speed_text)) or 1.0
    path = None if file is None else checks.take(lambda: recording_of(file, sessions_root()))
    if path is not None:
        checks.take(lambda: check_recording(path))
    checks.end()
    recordings = read_recordings(path) if path is not None else read_dataset(dataset or "")
    player = Player(
        recordings, speed=speed, loop=loop, start_s=start_s, chunk=chunk, name=name, wait_for_consumers=wait
    )
    for recording in recordings:
        for note in recording.notes:
            console.print(f"note: {note}", markup=False, highlight=False)
    for info, recording in zip(player.streams, recordings, strict=False):
        console.print(
            f"stream '{info.name}' ({info.type}): {counted(info.n_channels, 'channel')}, {info.rate_hz:g} Hz, "
            f"{recording.duration_s:.1f} s, {counted(len(recording.markers), 'marker')}",
            markup=False,
            highlight=False,
        )
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[at]}"))
    with (
        stop_on_signals() as stop,
        Progress(*columns, console=console, disable=not console.is_terminal) as bar,
    ):
        task = bar.add_task("waiting for a receiver" if wait else "playing", total=player.duration_s, at="")

        def show(t_s: float, total_s: float) -> None:
            bar.update(task, description="playing", completed=t_s, at=f"{t_s:.0f} of {total_s:.0f} s")

        ended = player.run(stop, show)
    console.print("end of the recording" if ended else "stopped", highlight=False)
