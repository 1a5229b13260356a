"""`rtbci report`: a session as one HTML page. What it does is imported when it is called."""

from pathlib import Path
from typing import Annotated

import typer

from rtbci.commands.options import SessionsIn, output_of

__all__ = ["report"]


def report(
    session: Annotated[str, typer.Argument(help="A session's folder or name, an XDF file, or 'last'.")],
    out: Annotated[
        Path | None, typer.Option(help="Where it goes (default: report.html in the session's folder).")
    ] = None,
    root: SessionsIn = None,
    open_: Annotated[bool, typer.Option("--open", help="Show it in the browser.")] = False,
) -> None:
    """Write what happened in a session as one HTML page: states, decisions, latency, gaps, channels, versions."""
    from rtbci.record.sessions import find_session, sessions_root
    from rtbci.report.session import write_session_report

    found = find_session(session, root or sessions_root())
    default = found / "report.html" if found.is_dir() else found.with_suffix(".html")
    written = write_session_report(found, out or default)
    output_of(False).result(None, f"written: {written}")
    if open_:
        import webbrowser

        webbrowser.open(written.resolve().as_uri())
