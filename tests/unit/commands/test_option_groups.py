"""Options in groups: typer sees each of them, the command gets the groups."""

from typing import Annotated, Any, NamedTuple

import pytest
import typer
from typer.testing import CliRunner

from rtbci.cli import app
from rtbci.commands.option_groups import grouped

Count = Annotated[int, typer.Option("--count", "-c", help="How many.")]


class Fruit(NamedTuple):
    """Fruit.

    What is not in the panel's title.
    """

    name: Annotated[str, typer.Option(help="Which.")] = "apple"
    number: Count = 1


class Basket(NamedTuple):
    """Basket."""

    ripe: Annotated[bool, typer.Option(help="To be eaten now.")] = False


class Other(NamedTuple):
    """Other."""

    ripe: Annotated[bool, typer.Option(help="The same name.")] = True


def called(command: Any, *args: str) -> Any:
    one = typer.Typer(pretty_exceptions_enable=False)
    one.command()(command)
    return CliRunner().invoke(one, args)


def test_the_command_gets_its_groups() -> None:
    got: list[tuple[Fruit, Basket, int]] = []

    @grouped
    def eat(fruit: Fruit, basket: Basket, seed: Annotated[int, typer.Option(help="Of chance.")] = 7) -> None:
        """Eat."""
        got.append((fruit, basket, seed))

    assert called(eat).exit_code == 0
    assert called(eat, "-c", "3", "--ripe", "--seed", "8", "--name", "pear").exit_code == 0
    assert got == [(Fruit(), Basket(), 7), (Fruit("pear", 3), Basket(True), 8)]
    said = called(eat, "--help").output
    assert "Eat." in said
    panels = [line.strip("╭╮─ ") for line in said.splitlines() if line.startswith("╭")]
    assert panels == ["Options", "Fruit", "Basket"]


def test_an_option_of_two_groups_is_refused() -> None:
    def eat(one: Basket, other: Other) -> None:
        """Eat."""

    with pytest.raises(TypeError, match="eat: ripe in two groups, need every option once"):
        grouped(eat)


def test_what_is_shared_with_other_commands_stays_as_it_is() -> None:
    """An option that a run has in a panel has none in a command without groups."""
    group: Any = typer.main.get_command(app)
    panels = {
        name: {one.name: one.rich_help_panel for one in group.commands[name].params}
        for name in ("run", "calibrate")
    }
    assert panels["run"]["unit"] == "Stream"
    assert panels["run"]["config"] is None
    assert panels["calibrate"]["unit"] is None
