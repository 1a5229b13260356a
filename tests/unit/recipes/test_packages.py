"""Recipes that installed packages bring."""

from pathlib import Path

import pytest

from rtbci.errors import ConfigError
from rtbci.recipes import all_recipes, list_recipes, read_engine, read_paradigm, recipes_root
from rtbci.recipes.packages import packaged_recipes
from tests.plugin_samples import install
from tests.tiny import write_paradigm

LOUD = "raise RuntimeError('nobody asked for this module')\n"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    points = {
        "rtbci.paradigms": {
            "packaged": "recipe_pkg.paradigm",
            "nowhere": "recipe_pkg.gone",
            "away": "no_such_pkg.x",
        },
        "rtbci.engines": {"packaged_engine": "recipe_pkg.engine", "odd": "recipe_pkg:Class"},
    }
    folder = install(tmp_path / "site", monkeypatch, "recipe_pkg", LOUD, points)
    write_paradigm(folder)
    return folder


def test_they_are_found_by_name_and_no_code_is_run(package: Path) -> None:
    assert read_paradigm("packaged").folder == package / "paradigm"
    assert read_paradigm("packaged").option == "packaged"
    assert read_engine("packaged_engine").folder == package / "engine"


def test_what_has_no_recipe_is_left_out(package: Path) -> None:
    assert packaged_recipes("paradigms").get("packaged") == package / "paradigm"
    assert not {"nowhere", "away"} & set(packaged_recipes("paradigms"))
    assert "odd" not in packaged_recipes("engines")
    with pytest.raises(ConfigError, match="no recipe 'nowhere'"):
        read_paradigm("nowhere")
    near = r"have alpha, motor_imagery, .*, and of other packages packaged; give one of these \(packaged\?\), or the path"
    with pytest.raises(ConfigError, match=near):
        read_paradigm("pakaged")


def test_those_of_rtbci_come_first(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = {"rtbci.paradigms": {"motor_imagery": "recipe_pkg.paradigm"}}
    install(tmp_path / "site", monkeypatch, "recipe_pkg", LOUD, points)
    assert read_paradigm("motor_imagery").name == "motor_imagery"
    assert all_recipes("paradigms")["motor_imagery"] == recipes_root() / "paradigms" / "motor_imagery"


def test_all_are_listed_in_one_place(package: Path) -> None:
    assert set(all_recipes("paradigms")) == {*list_recipes("paradigms"), "packaged"}
    assert all_recipes("engines")["packaged_engine"] == package / "engine"
