"""What `rtbci eval` shows and writes, whatever was judged."""

from collections.abc import Callable, Iterable
from pathlib import Path

from rich.console import Console

from rtbci.errors import FileFormatError
from rtbci.evaluate.tables import Grid, markdown, rich_table
from rtbci.files import write_whole

__all__ = ["show_grid", "write_results"]


def show_grid(grid: Grid, console: Console) -> None:
    """Print a table: drawn in a terminal, as Markdown elsewhere."""
    if console.is_terminal:
        console.print(rich_table(grid), soft_wrap=False)
    else:
        console.print(markdown(grid), markup=False, highlight=False, soft_wrap=True)


def write_results(
    console: Console,
    json: Path | None,
    markdown_file: Path | None,
    plots: Path | None,
    *,
    write_json: Callable[[Path], object],
    report: Callable[[], str],
    draw: Callable[[Path], Iterable[Path]],
) -> None:
    """Write what was asked for, and say so.

    Parameters
    ----------
    console : Console
    json, markdown_file, plots : Path or None
        Files and a folder; the Markdown goes beside the JSON where it has no place of its own.
    write_json, draw : callable
        Write to their path; `draw` returns what it wrote.
    report : callable
        Gives the Markdown.

    Raises
    ------
    FileFormatError
        When a place cannot be written to.
    """
    place = markdown_file or (json.with_suffix(".md") if json is not None else None)
    try:
        for path in filter(None, (json, place)):
            path.parent.mkdir(parents=True, exist_ok=True)
        if json is not None:
            write_json(json)
            _say(console, json)
        if place is not None:
            write_whole(place, report().encode())
            _say(console, place)
        if plots is not None:
            _say(console, *draw(plots))
    except OSError as error:
        raise FileFormatError(
            f"{error.filename}: cannot be written ({error.strerror}), need a place for the results; choose another one"
        ) from error


def _say(console: Console, *paths: Path) -> None:
    console.print(f"written: {', '.join(map(str, paths))}", markup=False, highlight=False)
