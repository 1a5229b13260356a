"""`rtbci calibrate`: its options. What it does is imported when it is called."""

from pathlib import Path
from typing import Annotated

import typer

from rtbci.commands.options import (
    Config,
    Ignore,
    Labels,
    Map,
    ParadigmName,
    SourceId,
    StreamName,
    Unit,
    console_of,
    stream_settings,
    typed,
)

__all__ = ["calibrate"]


def calibrate(
    context: typer.Context,
    paradigm: ParadigmName = None,
    user: Annotated[str | None, typer.Option(help="Whose profile it becomes (default: anonymous).")] = None,
    from_: Annotated[
        list[Path] | None,
        typer.Option(
            "--from",
            help="Recording with cues, or a session ('last': the newest), instead of a live stream; repeat it.",
        ),
    ] = None,
    cues: Annotated[
        str, typer.Option(help="page, terminal, or markers: those of an experiment of your own.")
    ] = "page",
    markers: Annotated[str | None, typer.Option(help="Name of its marker stream (default: auto).")] = None,
    map: Map = None,
    trials: Annotated[
        int | None, typer.Option(help="Accepted trials of each class (default: the protocol's).")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Order of the cues (default: the protocol's).")
    ] = None,
    resume: Annotated[bool, typer.Option(help="Go on with the user's newest calibration.")] = False,
    anyway: Annotated[bool, typer.Option(help="Write the profile even when it is at chance.")] = False,
    false_per_minute: Annotated[
        float, typer.Option(min=0.0, help="Decisions in a minute of rest that you put up with.")
    ] = 10.0,
    profile: Annotated[str | None, typer.Option(help="Profile to start from (default: population).")] = None,
    stream: StreamName = None,
    source_id: SourceId = None,
    unit: Unit = None,
    ignore: Ignore = None,
    labels: Labels = None,
    browser: Annotated[bool, typer.Option(help="Open the cue page in the browser.")] = True,
    cue_stream: Annotated[
        str, typer.Option(help="Name of the LSL stream that the cues are sent as.")
    ] = "rtbci-cues",
    record: Annotated[
        bool, typer.Option(help="Keep the stream and the cues as a session, too, to fit it anew with --from.")
    ] = False,
    protocol: Annotated[
        Path | None, typer.Option(help="Another protocol.toml (default: the paradigm's).")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Where the report goes (default: the profile's folder).")
    ] = None,
    config: Config = None,
) -> None:
    """Make a decoder your own with a few trials, live or from recordings."""
    from rtbci.config import read_config

    settings = read_config(
        config,
        {
            "paradigm": paradigm,
            "user": user,
            "profile": profile,
            **stream_settings(
                name=stream,
                source_id=source_id,
                unit=unit,
                ignore=ignore,
                labels=labels,
                markers=markers,
                map=map,
            ),
        },
    )
    from rtbci.commands import calibrate as command
    from rtbci.commands.calibrate_base import Request
    from rtbci.record.sessions import recording_of, sessions_root

    request = Request(
        files=[recording_of(file, sessions_root()) for file in from_ or []],
        cues=cues,
        n_trials=trials,
        seed=seed,
        resume=resume,
        anyway=anyway,
        browser=browser,
        false_per_min=false_per_minute,
        report=report,
        protocol=protocol,
        cue_stream=cue_stream,
        record=record,
        also=typed(context, without=("paradigm", "user", "resume")),
    )
    command.calibrate(settings, request, console_of(stderr=False))
