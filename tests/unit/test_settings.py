from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field, Tag, model_validator

from rtbci.errors import ConfigError
from rtbci.settings import Settings, check_settings, read_toml


class Cat(Settings):
    kind: Literal["cat"]
    lives: int = Field(default=9, ge=1)


class Dog(Settings):
    kind: Literal["dog"]
    weight_kg: float


Pet = Annotated[Annotated[Cat, Tag("cat")] | Annotated[Dog, Tag("dog")], Field(discriminator="kind")]


class House(Settings):
    street: str
    number: int = Field(ge=1)
    names: tuple[str, ...] = ()
    pets: tuple[Pet, ...] = ()
    share: float = 0.5

    @model_validator(mode="after")
    def _some_street(self) -> "House":
        if self.street == "nowhere":
            raise ValueError("street is nowhere, need a street")
        return self


def lines(values: dict[str, object]) -> list[str]:
    with pytest.raises(ConfigError) as error:
        check_settings(House, values, "house.toml")
    return str(error.value).splitlines()


def test_good_values() -> None:
    house = check_settings(
        House, {"street": " Elm ", "number": 3, "pets": [{"kind": "dog", "weight_kg": 4}]}, "house.toml"
    )
    assert house.street == "Elm"
    assert house.pets == (Dog(kind="dog", weight_kg=4.0),)


def test_values_cannot_be_changed() -> None:
    house = House(street="Elm", number=1)
    with pytest.raises(ValueError, match="frozen"):
        house.number = 2


def test_every_bad_key_at_once() -> None:
    assert lines({"nummber": 3, "share": "half", "names": [1]}) == [
        "house.toml: street: missing, need a value",
        "house.toml: number: missing, need a value",
        "house.toml: names.0: got 1, input should be a valid string",
        "house.toml: share: got 'half', input should be a valid number, unable to parse string as a number",
        "house.toml: nummber: unknown key; did you mean 'number'?",
    ]


def test_a_key_like_no_other() -> None:
    assert lines({"street": "Elm", "number": 1, "qqqq": 1}) == ["house.toml: qqqq: unknown key; remove it"]


def test_a_key_of_another_table_is_not_offered_where_it_stands() -> None:
    assert lines({"street": "Elm", "number": 1, "lives": 3}) == ["house.toml: lives: unknown key; remove it"]


def test_a_list_is_called_one() -> None:
    assert lines({"street": "Elm", "number": 1, "names": "Ada"}) == [
        "house.toml: names: got 'Ada', input should be a list"
    ]


def test_paths_in_tables_of_a_kind_are_those_of_the_file() -> None:
    pets = [{"kind": "cat", "lives": 0}, {"kind": "dog", "wieght_kg": 1}]
    assert lines({"street": "Elm", "number": 1, "pets": pets}) == [
        "house.toml: pets.0.lives: got 0, input should be greater than or equal to 1",
        "house.toml: pets.1.weight_kg: missing, need a value",
        "house.toml: pets.1.wieght_kg: unknown key; did you mean 'weight_kg'?",
    ]


def test_an_unknown_kind_names_the_known() -> None:
    (line,) = lines({"street": "Elm", "number": 1, "pets": [{"kind": "fish"}]})
    assert line.startswith("house.toml: pets.0: ")
    assert "'cat', 'dog'" in line


def test_a_rule_of_the_whole() -> None:
    assert lines({"street": "nowhere", "number": 1}) == ["house.toml: file: street is nowhere, need a street"]


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_are_finite(number: float) -> None:
    (line,) = lines({"street": "Elm", "number": 1, "share": number})
    assert line == f"house.toml: share: got {number}, input should be a finite number"


def test_toml_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: no such file, need a TOML file; check the path"):
        read_toml(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_toml(tmp_path)


@pytest.mark.parametrize(("text", "match"), [(b"a = ", "is not valid TOML"), (b"\xff\xfe", "cannot be read")])
def test_toml_that_is_none(tmp_path: Path, text: bytes, match: str) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(text)
    with pytest.raises(ConfigError, match=match):
        read_toml(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = " + "[" * 20_000 + "]" * 20_000, "is nested too deeply, need a few levels"),
        ("x." * 20_000 + "x = 1", "is nested too deeply"),  # its parser wants 1.5 GB for this
        ("[" + "x." * 20_000 + "x]", "is nested too deeply"),
        ("a = {" + " x . " * 20_000 + "x = 1}", "is nested too deeply"),
        ("x" * 2_000_000, "has 2000000 bytes, need at most 1048576"),
    ],
)
def test_toml_that_would_take_all_memory_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_toml(path)


def test_points_in_values_are_no_depth(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    numbers = ", ".join(f"{i}.5" for i in range(500))
    path.write_text(f'a.b.c.d = "1"\nx = [{numbers}]\n# {"." * 500}\n')
    assert read_toml(path)["x"][-1] == 499.5
