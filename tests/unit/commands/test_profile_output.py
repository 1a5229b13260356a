import io
from pathlib import Path

import pytest
from rich.console import Console

from rtbci.commands.profile_output import Output, table_of, write_result
from rtbci.errors import FileFormatError


def test_a_result_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    write_result(file, b"{}")
    assert file.read_bytes() == b"{}"
    with pytest.raises(
        FileFormatError, match=r"result\.json/x: cannot be written \(Not a directory\); give another file"
    ):
        write_result(file / "x", b"{}")


NAMES = ("20260131T093000Z-motor_imagery-p07", "20260131T104500Z-motor_imagery_rest-anonymous")


def shown(width: int, *, terminal: bool, last: str = "ended") -> list[str]:
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=terminal, color_system=None, soft_wrap=True)
    Output(json=False, console=console).result(
        {}, table_of(("session", "samples", "state"), [(name, "76800", last) for name in NAMES])
    )
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_through_a_pipe_each_row_is_one_line() -> None:
    lines = shown(40, terminal=False, last="ended, 12 samples not recorded")
    assert lines[1] == f"{NAMES[0]:<47}76800    ended, 12 samples not recorded"
    assert len(lines) == 3


def test_a_terminal_that_is_wide_enough_has_the_table() -> None:
    lines = shown(80, terminal=True)
    assert lines[0] == f"{'session':<47}samples  state"
    assert [line.split() for line in lines[1:]] == [[name, "76800", "ended"] for name in NAMES]


def test_prose_in_the_last_column_is_folded_at_blanks() -> None:
    lines = shown(80, terminal=True, last="ended, 12 samples not recorded")
    assert lines[1:3] == [f"{NAMES[0]:<47}76800    ended, 12 samples not", f"{'':<56}recorded"]


def test_a_narrow_one_has_row_by_row_and_names_stay_whole() -> None:
    assert shown(60, terminal=True) == [
        f"session  {NAMES[0]}",
        "samples  76800",
        "state    ended",
        "",
        f"session  {NAMES[1]}",
        "samples  76800",
        "state    ended",
    ]
