from pathlib import Path

import pytest

from rtbci.calibrate.protocol import read_protocol
from rtbci.errors import ConfigError
from rtbci.recipes import read_engine, read_paradigm
from rtbci.record.session_json import recipe_sha256
from tests.tiny import CLASSES, write_paradigm


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return write_paradigm(tmp_path / "tiny")


@pytest.fixture
def beside(base: Path) -> Path:
    return base.parent


def write(folder: Path, text: str, file_name: str = "recipe.toml") -> str:
    folder.mkdir(exist_ok=True)
    (folder / file_name).write_text(f"schema = 1\n{text}")
    return str(folder)


def test_what_is_not_said_is_taken_over(base: Path, beside: Path) -> None:
    other = read_paradigm(
        write(beside / "other", 'extends = "../paradigm"\nname = "other"\n[decision]\nthreshold = 0.9\n')
    )
    first = read_paradigm(str(base))
    assert (other.name, other.classes) == ("other", CLASSES)
    assert (other.stages, other.branches, other.window) == (first.stages, first.branches, first.window)
    assert other.decision == first.decision.model_copy(update={"threshold": 0.9})
    assert other.title == ""
    assert other.population is None
    assert other.folder == (beside / "other").resolve()
    assert [path.parent.name for path in other.files] == ["other", "paradigm"]


def test_it_is_the_recipe_that_says_everything_itself(base: Path, beside: Path) -> None:
    text = (base / "recipe.toml").read_text()
    whole = write(beside / "whole", text.replace("schema = 1\n", "").replace('"tiny"', '"same"'))
    short = write(beside / "short", 'extends = "../paradigm"\nname = "same"\ntitle = "Tiny"\n')
    names = (
        read_paradigm(one).model_copy(update={"title": "", "population": None}) for one in (whole, short)
    )
    first, second = names
    assert recipe_sha256(first) == recipe_sha256(second)


def test_lists_are_taken_over_as_a_whole_and_keys_can_be_left_out(base: Path, beside: Path) -> None:
    other = read_paradigm(
        write(
            beside / "other",
            'extends = "../paradigm"\nwithout = ["markers", "stages"]\nname = "other"\nclasses = ["act", "rest"]\n'
            '[markers]\nact = ["T1", "T2"]\n',
        )
    )
    assert other.stages == ()
    assert other.markers == {"act": ("T1", "T2")}
    assert other.idle == 1


def test_one_may_extend_another_that_extends_a_third(base: Path, beside: Path) -> None:
    write(
        beside / "second",
        'extends = "../paradigm"\nname = "second"\n[window]\nhop_s = 0.125\nlength_s = 1.0\n',
    )
    third = read_paradigm(
        write(beside / "third", 'extends = "../second"\nname = "third"\n[window]\nlength_s = 0.5\n')
    )
    assert (third.window.length_s, third.window.hop_s) == (0.5, 0.125)
    assert len(third.files) == 3


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ('extends = "../nobody"\n', r"other/recipe.toml: extends: paradigms: no recipe '../nobody'"),
        ("extends = 3\n", r"extends: got 3, need the name or folder of a recipe"),
        ('extends = " "\n', r"extends: got ' ', need the name"),
        ('extends = "../other"\n', r"extends itself \(other -> other\)"),
        ('without = ["window"]\n', r"there is no extends"),
        ('extends = "../paradigm"\nwithout = "window"\n', r"without: got 'window', need a list of keys"),
        (
            'extends = "../paradigm"\nwithout = ["windows", "name"]\n',
            r"without: names name, windows, need keys of what",
        ),
    ],
)
def test_what_cannot_be_taken_over_is_told(base: Path, beside: Path, text: str, match: str) -> None:
    assert base.is_dir()
    with pytest.raises(ConfigError, match=match):
        read_paradigm(write(beside / "other", f'{text}name = "other"\n'))


def test_two_that_extend_each_other_are_told(base: Path, beside: Path) -> None:
    assert base.is_dir()
    write(beside / "a", 'extends = "../b"\nname = "a"\n')
    with pytest.raises(ConfigError, match=r"extends itself \(b -> a -> b\)"):
        read_paradigm(write(beside / "b", 'extends = "../a"\nname = "b"\n'))


def test_an_engine_named_by_a_path_is_found_from_another_folder(base: Path, tmp_path: Path) -> None:
    assert base.is_dir()
    other = read_paradigm(write(tmp_path / "far", 'extends = "../tiny/paradigm"\nname = "far"\n'))
    engine = other.branches[0].engine
    assert engine is not None
    assert read_engine(engine, other.folder).folder == (tmp_path / "tiny" / "engine").resolve()


def test_what_is_wrong_in_either_file_names_both(base: Path, beside: Path) -> None:
    path = base / "recipe.toml"
    path.write_text(path.read_text().replace("low_hz = ", "lo_hz = "))
    with pytest.raises(
        ConfigError, match=r"other/recipe.toml extends .*paradigm/recipe.toml: stages.0.lo_hz: unknown key"
    ):
        read_paradigm(write(beside / "other", 'extends = "../paradigm"\nname = "other"\n'))


def test_a_protocol_extends_that_of_another_recipe(tmp_path: Path) -> None:
    folder = write_paradigm(tmp_path / "mine")
    write(folder, 'extends = "motor_imagery"\ninstruction = "Other words."\n', "protocol.toml")
    mine, shipped = read_protocol(read_paradigm(str(folder))), read_protocol(read_paradigm("motor_imagery"))
    assert mine.instruction == "Other words."
    assert mine.cues == shipped.cues
    assert mine.timing == shipped.timing
