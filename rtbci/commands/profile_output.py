"""Where `rtbci profile` and `rtbci engine` say things: tables and sentences for people, or one JSON value."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rtbci.errors import FileFormatError
from rtbci.files import write_whole

__all__ = ["Output", "table_of", "write_result"]

UNBOUNDED = 10_000
LEAST_FOLDED = 16
"""Columns of characters: prose in fewer is not read."""


class Output:
    """Shows either of two forms of the same result.

    Parameters
    ----------
    json : bool
        One JSON value on standard output, and nothing else there.
    console : Console, optional
        Where to show it (default: standard output).

    Notes
    -----
    A table that a terminal is too narrow for is shown row by row; through a pipe each row is one line, however long.
    """

    def __init__(self, json: bool, console: Console | None = None) -> None:
        self._json = json
        self._console = console or Console(soft_wrap=True)

    @property
    def json(self) -> bool:
        """Whether machines read it."""
        return self._json

    def result(self, data: Any, *shown: Table | str) -> None:
        """Give the result: `data` to machines, `shown` to people; strings are taken as they are."""
        if self._json:
            self._console.file.write(msgspec.json.encode(data).decode() + "\n")
            return
        for one in shown:
            if isinstance(one, str):
                self._console.print(one, markup=False, highlight=False)
            else:
                self._show(one)

    def _show(self, table: Table) -> None:
        wanted = table.__rich_measure__(self._console, self._console.options.update(width=UNBOUNDED)).maximum
        if not self._console.is_terminal:
            Console(file=self._console.file, width=wanted).print(table)
        elif wanted <= self._console.width or _folds_well(table, wanted - self._console.width):
            self._console.print(table, soft_wrap=False)
        else:
            self._console.print(_row_by_row(table), soft_wrap=False)


def _folds_well(table: Table, n_too_wide: int) -> bool:
    """Whether what is too wide can come off the last column, at blanks."""
    cells = [str(cell) for cell in (*table.columns[-1].cells, table.columns[-1].header)]
    n_left = max(map(cell_len, cells)) - n_too_wide
    words = [word for cell in cells for word in cell.split()]
    return n_left >= max([LEAST_FOLDED, *map(cell_len, words)])


def _row_by_row(table: Table) -> Table:
    """What a table says, one cell below the other: names and numbers stay whole as far as the terminal allows."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column()
    grid.add_column(overflow="fold")
    titles = [str(column.header) for column in table.columns]
    for i, cells in enumerate(zip(*(column.cells for column in table.columns), strict=True)):
        if i:
            grid.add_row("", "")
        for title, cell in zip(titles, cells, strict=True):
            if str(cell):
                grid.add_row(Text(title, "bold"), cell)
    return grid


def write_result(path: Path, content: bytes) -> None:
    """Write a result to the file that the command line names.

    Raises
    ------
    FileFormatError
        When it cannot be written there.
    """
    try:
        write_whole(path, content)
    except OSError as error:
        raise FileFormatError(
            f"{path}: cannot be written ({error.strerror or error}); give another file"
        ) from None


def table_of(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """A plain table; cells are text, whatever brackets are in them."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for i, title in enumerate(titles, 1):
        table.add_column(title, overflow="fold", no_wrap=i < len(titles))
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table
