"""`rtbci flicker`: targets on a display, and decoders for them. What it does is imported when it is called."""

from pathlib import Path
from typing import Annotated

import typer

from rtbci.commands.limits import OpensStreams
from rtbci.commands.options import console_of

__all__ = ["app"]

app = typer.Typer(
    help="Flickering targets: what a display can show, the page that shows them, a decoder for your own.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Paradigm = Annotated[str, typer.Option(help="Recipe by name or folder, with a branch of kind cca.")]


@app.command()
def check(
    paradigm: Paradigm,
    refresh: Annotated[
        float | None, typer.Option(help="Refresh rate of the display, Hz (default: the recipe's).")
    ] = None,
) -> None:
    """Say which frequencies are exact on displays of 60, 75, 120 and 144 Hz; fails when the recipe's display cannot."""
    from rtbci.commands import flicker_verbs as verbs

    verbs.check(paradigm, refresh, console_of(stderr=False))


@app.command(cls=OpensStreams)
def page(
    paradigm: Paradigm,
    trials: Annotated[
        int, typer.Option(min=0, help="Ask for each target so often, with markers (default: ask for none).")
    ] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Order of what is asked for.")] = 0,
    port: Annotated[int, typer.Option(help="Port of the page; 0: any.")] = 0,
    browser: Annotated[bool, typer.Option(help="Open it in the browser.")] = True,
    markers: Annotated[str, typer.Option(help="Name of the LSL stream of markers.")] = "rtbci-flicker",
) -> None:
    """Show the targets on a web page, counted in frames; markers in LSL time, dropped frames measured."""
    from rtbci.commands import flicker_verbs as verbs

    verbs.page(paradigm, verbs.Asked(trials, seed), port, browser, markers, console_of(stderr=False))


@app.command()
def profile(
    folder: Annotated[Path, typer.Argument(help="Folder of your recipe.")],
    fitted: Annotated[
        str, typer.Option("--from", help="Paradigm whose population profile was fitted on people.")
    ],
    force: Annotated[bool, typer.Option(help="Replace the population profile that is there.")] = False,
) -> None:
    """Write the population profile of a recipe with other targets: what was fitted holds for any frequency."""
    from rtbci.commands import flicker_verbs as verbs

    verbs.write(folder, fitted, force, console_of(stderr=False))
