import sys
from typing import Any

import pytest
import typer
from rich.live import Live
from typer.testing import CliRunner

from rtbci.commands.options import Map, console_of, names_of, output_of, teller_of, typed


def test_names_between_commas() -> None:
    assert names_of(" C3, c4,,CZ ,") == ["C3", "c4", "CZ"]
    assert names_of("") == []


@pytest.mark.parametrize("stderr", [True, False])
def test_a_line_is_told_as_it_is(capsys: pytest.CaptureFixture[str], stderr: bool) -> None:
    line = f"a stream [bold]'x[/]' and {'much ' * 40}more"
    teller_of(console_of(stderr))(line)
    said = capsys.readouterr()
    assert ((said.err, said.out) if stderr else (said.out, said.err)) == (f"{line}\n", "")


class Broken:
    """Standard error of a terminal that has gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError

    def flush(self) -> None:
        raise OSError(5, "Input/output error")

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stream", [Broken(), None], ids=["gone", "none"])
def test_what_people_are_told_ends_nothing(stream: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    console = console_of()
    console.print("a line")
    with Live(
        "drawn", console=console, auto_refresh=False
    ) as live:  # rich puts its own in the place of sys.stderr
        live.refresh()
        console.print("another")


def test_a_result_in_either_form(capsys: pytest.CaptureFixture[str]) -> None:
    for json in (True, False):
        output_of(json).result({"n": 1}, "one thing")
    assert capsys.readouterr().out == '{"n":1}\none thing\n'


def test_a_command_as_it_was_typed() -> None:
    app = typer.Typer()

    @app.command()
    def calibrate(
        context: typer.Context,
        user: str = "anonymous",
        map: Map = None,
        cues: str = "page",
        browser: bool = True,
        record: bool = False,
    ) -> None:
        typer.echo(typed(context, without=("user",)))

    line = [
        "--record",
        "--user",
        "ada",
        "--map",
        "cue/left=left_hand",
        "--no-browser",
        "--map",
        "a b=right_hand",
    ]
    said = CliRunner().invoke(app, line)
    assert said.output == "--map cue/left=left_hand --map 'a b=right_hand' --no-browser --record\n"
