"""`rtbci night`: hypnograms, and YASA's classifier as a profile. What it does is imported when it is called."""

from pathlib import Path
from typing import Annotated

import typer

from rtbci.commands.options import Json, SessionsIn, console_of

__all__ = ["app"]

app = typer.Typer(
    help="Nights: the hypnogram of a session or a recording, and YASA's classifier for the live decoder.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.command()
def hypnogram(
    night: Annotated[str, typer.Argument(help="A session's folder or name, 'last', or a recording.")],
    paradigm: Annotated[
        str,
        typer.Option(
            help="Recipe by name or folder that decodes a recording; a session was decoded already."
        ),
    ] = "",
    profile: Annotated[str, typer.Option(help="Profile by path or user, or 'population'.")] = "population",
    yasa: Annotated[
        bool, typer.Option("--yasa", help="Let YASA score the whole recording instead (not causal).")
    ] = False,
    csv: Annotated[Path | None, typer.Option(help="Write a row for each 30 s.")] = None,
    png: Annotated[Path | None, typer.Option(help="Draw it.")] = None,
    root: SessionsIn = None,
    json: Json = False,
) -> None:
    """Show the stages of a night and its sleep statistics."""
    from rtbci.commands import night_verbs as verbs

    asked = verbs.Asked(paradigm, profile, yasa, csv, png, json)
    verbs.hypnogram(night, asked, root, console_of(stderr=False))


@app.command("yasa")
def yasa_profile(
    paradigm: Annotated[str, typer.Option(help="Recipe with one EEG channel, or one EEG and one EOG.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder of the profile (default: the newest of a user called yasa).")
    ] = None,
) -> None:
    """Make a profile of the classifier that YASA brings: real nights taught it, here it reads only the past."""
    from rtbci.commands import night_verbs as verbs

    verbs.yasa_profile(paradigm, out, console_of(stderr=False))
