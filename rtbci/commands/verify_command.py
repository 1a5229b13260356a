"""`rtbci verify`: its options. What it does is imported when it is called."""

from typing import Annotated

import typer

from rtbci.commands.options import Json, SessionsIn, output_of

__all__ = ["verify"]


def verify(
    session: Annotated[str, typer.Argument(help="A session's folder or name, or 'last'.")],
    engine: Annotated[
        str | None,
        typer.Option(
            help="Decode all of it on this back end and compare within the tolerance (default: as recorded)."
        ),
    ] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="Ask for every bit, also on another computer or other versions.")
    ] = False,
    paradigm: Annotated[
        str | None, typer.Option(help="Recipe by name or folder (default: where it was).")
    ] = None,
    root: SessionsIn = None,
    json: Json = False,
) -> None:
    """Decode a session again, chunk by chunk as it was received, and compare every prediction."""
    from rtbci.commands import verify as command

    request = command.Request(session, engine or "", exact, paradigm or "", root)
    if not command.verify_session(request, output_of(json)):
        raise typer.Exit(command.DIFFERS)
