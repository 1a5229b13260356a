"""`rtbci speller`: letters that flash, and a run that tells which one is meant. What it does is imported when it is called."""

from typing import Annotated

import typer

from rtbci.commands.limits import OpensStreams
from rtbci.commands.options import Key, ServerKey, console_of

__all__ = ["app"]

app = typer.Typer(
    help="A grid of letters whose rows and columns flash: what a display can show, and the page that shows them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Paradigm = Annotated[str, typer.Option(help="Recipe by name or folder, with items that flash.")]


@app.command()
def check(
    paradigm: Paradigm,
    refresh: Annotated[
        float | None, typer.Option(help="Refresh rate of the display, Hz (default: several).")
    ] = None,
) -> None:
    """Say how flashes are shown on displays of 60, 75, 120 and 144 Hz; fails where one cannot."""
    from rtbci.commands import speller_verbs as verbs

    verbs.check(paradigm, refresh, console_of(stderr=False))


@app.command(cls=OpensStreams)
def page(
    paradigm: Paradigm,
    run: Annotated[
        str | None,
        typer.Option(help="Where the run publishes that decides (default: tcp://127.0.0.1:5571)."),
    ] = None,
    text: Annotated[
        str, typer.Option(help="Text to spell, letter by letter (default: the user is free).")
    ] = "",
    letters: Annotated[
        int,
        typer.Option(min=0, help="Ask for so many letters while nobody decides: what a calibration follows."),
    ] = 0,
    repetitions: Annotated[
        int | None, typer.Option(min=1, help="Of all groups, at most (default: the recipe's).")
    ] = None,
    pause: Annotated[float, typer.Option(min=0.5, help="Between letters, seconds.")] = 2.0,
    seed: Annotated[int, typer.Option(min=0, help="Order of flashes and of letters.")] = 0,
    port: Annotated[int, typer.Option(help="Port of the page; 0: any.")] = 0,
    browser: Annotated[bool, typer.Option(help="Open it in the browser.")] = True,
    markers: Annotated[str, typer.Option(help="Name of the LSL stream of markers.")] = "rtbci-speller",
    key: Key = None,
    server_key: ServerKey = None,
) -> None:
    """Show the letters on a web page, flashes counted in frames and marked in LSL time; write what a run decides."""
    from rtbci.commands import speller_verbs as verbs

    asked = verbs.Asked(text, letters, repetitions, pause, seed)
    heard = verbs.Heard(run, key, server_key)
    verbs.page(paradigm, asked, heard, port, browser, markers, console_of(stderr=False))
