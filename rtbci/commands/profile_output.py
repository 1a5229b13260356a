"""Where `rtbci profile` and `rtbci engine` say things: tables and sentences for people, or one JSON value."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rtbci.errors import FileFormatError
from rtbci.files import write_whole

__all__ = ["Output", "table_of", "write_result"]


class Output:
    """Shows either of two forms of the same result.

    Parameters
    ----------
    json : bool
        One JSON value on standard output, and nothing else there.
    fit : bool
        Fold tables to the terminal's width, instead of leaving that to the terminal.
    """

    def __init__(self, json: bool, fit: bool = False) -> None:
        self._json, self._fit = json, fit
        self._console = Console(soft_wrap=True)

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
                self._console.print(one, soft_wrap=not self._fit)


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
