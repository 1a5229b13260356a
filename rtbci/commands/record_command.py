"""`rtbci record`: its options. What it does is imported when it is called."""

from typing import Annotated

import typer

from rtbci.commands.options import Config, Labels, SourceId, StreamName, Unit, console_of, stream_settings

__all__ = ["record"]


def record(
    stream: StreamName = None,
    source_id: SourceId = None,
    markers: Annotated[
        str | None,
        typer.Option(
            help="Name or source id of a marker stream; 'auto', those of the stream, its computer and this one; "
            "or 'none' (default: auto)."
        ),
    ] = None,
    unit: Unit = None,
    labels: Labels = None,
    wait: Annotated[bool | None, typer.Option(help="Wait for the stream instead of giving up.")] = None,
    timeout: Annotated[
        float | None, typer.Option(help="Look for the stream this long, in seconds (default: 10).")
    ] = None,
    user: Annotated[str | None, typer.Option(help="Whose session it is (default: anonymous).")] = None,
    folder: Annotated[
        str | None, typer.Option(help="Folder of sessions (default: sessions in the user's data folder).")
    ] = None,
    duration: Annotated[
        float | None, typer.Option(help="Stop after this many seconds (default: never).")
    ] = None,
    config: Config = None,
) -> None:
    """Record an EEG stream and its markers as a session, and decode nothing."""
    from rtbci.commands import record as command
    from rtbci.config import read_config

    named = stream_settings(
        name=stream, source_id=source_id, unit=unit, ignore=None, labels=labels, markers=markers
    )
    flags = {
        **named,
        "stream.wait": wait,
        "stream.timeout_s": timeout,
        "user": user,
        "record.folder": folder,
        "duration_s": duration,
    }
    command.record(read_config(config, flags), console_of())
