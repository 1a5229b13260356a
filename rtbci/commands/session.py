"""`rtbci session`: what has been recorded on this computer. What it does is imported when it is called."""

from pathlib import Path
from typing import Annotated

import typer

from rtbci.commands.options import Json, SessionsIn, one_target, output_of

__all__ = ["app"]

app = typer.Typer(
    help="Recorded sessions: list, info, repair, export.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Session = Annotated[str, typer.Argument(help="A session's folder or name, an XDF file, or 'last'.")]


@app.command("list")
def list_(root: SessionsIn = None, json: Json = False) -> None:
    """List all sessions: start, paradigm, user, length, size, and whether each has ended properly."""
    from rtbci.commands import session_verbs as verbs

    verbs.list_all(root, output_of(json))


@app.command()
def info(session: Session, root: SessionsIn = None, json: Json = False) -> None:
    """Show what a session holds, and whether all of it can be read."""
    from rtbci.commands import session_verbs as verbs

    verbs.info(session, root, output_of(json))


@app.command()
def repair(session: Session, root: SessionsIn = None, json: Json = False) -> None:
    """Make a valid file of what can be read of a damaged one; the damaged one is kept."""
    from rtbci.commands import session_verbs as verbs

    verbs.repair(session, root, output_of(json))


@app.command()
def export(
    session: Session,
    file: Annotated[
        Path | None,
        typer.Argument(help="File (edf, bdf) or folder (bids, csv) to write.", show_default=False),
    ] = None,
    *,
    to: Annotated[str, typer.Option(help="bids, edf, bdf or csv.")],
    out: Annotated[Path | None, typer.Option(help="The same, in place of FILE.")] = None,
    unit: Annotated[
        str, typer.Option(help="V, mV, uV or nV, where the stream states it wrongly (default: as stated).")
    ] = "",
    root: SessionsIn = None,
    json: Json = False,
) -> None:
    """Write a session for other programs."""
    from rtbci.commands import session_verbs as verbs

    target = one_target("session export", file, out, "session.edf")
    verbs.export(session, root, to, target, unit, output_of(json))
