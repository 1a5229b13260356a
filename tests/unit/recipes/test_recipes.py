import os
from pathlib import Path

import pytest

from rtbci.errors import ConfigError
from rtbci.recipes import (
    RecentreSettings,
    find,
    find_recipe,
    idle_class,
    list_recipes,
    read_engine,
    read_paradigm,
    recipes_root,
)
from tests.tiny import CLASSES, write_engine, write_paradigm


def edited(folder: Path, old: str, new: str) -> Path:
    path = folder / "recipe.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return folder


@pytest.fixture
def paradigm(tmp_path: Path) -> Path:
    return write_paradigm(tmp_path / "tiny")


def test_a_paradigm_by_its_folder(paradigm: Path) -> None:
    recipe = read_paradigm(str(paradigm))
    assert (recipe.name, recipe.classes, recipe.folder) == ("tiny", CLASSES, paradigm.resolve())
    assert [stage.kind for stage in recipe.stages] == ["bandpass", "resample"]


def test_a_paradigm_is_asked_for_by_its_name_or_folder(tmp_path: Path) -> None:
    assert read_paradigm("motor_imagery").option == "motor_imagery"
    own = write_paradigm(tmp_path / "my own")
    assert read_paradigm(str(own)).option == f"'{own.resolve()}'"
    assert read_paradigm(str(own)).model_copy(update={"folder": Path()}).option == "tiny"


def test_an_engine_beside_the_recipe_that_names_it(paradigm: Path) -> None:
    engine = read_engine("../engine", paradigm)
    assert engine.onnx_path == (paradigm.parent / "engine").resolve() / "engine.onnx"
    assert engine.onnx_path.is_file()


def test_the_class_of_a_marker(paradigm: Path) -> None:
    recipe = read_paradigm(str(paradigm))
    assert [recipe.class_of(text) for text in ("T1", " right ", "t1", "", "T3")] == [
        "left_hand",
        "right_hand",
        None,
        None,
        None,
    ]


def test_shipped_recipes_come_before_folders_of_the_same_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = list_recipes("paradigms")[0]
    (tmp_path / name).mkdir()
    (tmp_path / name / "recipe.toml").write_text("")
    monkeypatch.chdir(tmp_path)
    assert find_recipe("paradigms", name) == recipes_root() / "paradigms" / name
    assert find_recipe("paradigms", f".{os.sep}{name}") == Path(name)


def test_a_folder_without_a_slash_is_found_too(paradigm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(paradigm.parent)
    assert find_recipe("paradigms", "paradigm") == Path("paradigm")


@pytest.mark.parametrize("name", ["nothing", "../nothing", "", "/", "."])
def test_unknown_names_the_known(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as error:
        find_recipe("paradigms", name)
    known = ", ".join(list_recipes("paradigms"))
    assert str(error.value) == (
        f"paradigms: no recipe '{name}', have {known}; give one of these, or the path of a folder with a recipe.toml"
    )


def test_no_recipes_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rtbci").mkdir()
    monkeypatch.setattr(find, "files", lambda _name: tmp_path / "rtbci")
    with pytest.raises(
        ConfigError, match=r"recipes: found neither .*_recipes nor a checkout at .*; install rtbci"
    ):
        recipes_root()
    # A folder of paradigms alone is not a checkout.
    (tmp_path / "paradigms").mkdir()
    with pytest.raises(ConfigError, match="found neither"):
        recipes_root()
    (tmp_path / "pyproject.toml").touch()
    assert recipes_root() == tmp_path
    (tmp_path / "rtbci" / "_recipes").mkdir()
    assert recipes_root() == tmp_path / "rtbci" / "_recipes"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("schema = 1", "schema = 2", "schema: got 2, input should be 1"),
        ('kind = "bandpass"', 'kind = "bandpas"', "stages.0: got "),
        ("low_hz = 8.0", "low_hz = 0.0", "stages.0.low_hz: got 0.0, input should be greater than 0"),
        ("low_hz = 8.0", "lo_hz = 8.0", "stages.0.lo_hz: unknown key; did you mean 'low_hz'?"),
        ("hop_s = 0.0625", "hop_s = 0.75", "window: hop_s is 0.75, must not exceed length_s = 0.5"),
        ('"sliding"', '"slidig"', "window.policy: got 'slidig', input should be 'sliding' or 'marker'"),
        (
            "right_hand = [",
            "foot = [",
            "file: markers name ['foot'], classes are ['left_hand', 'right_hand']",
        ),
        ('engine = "../engine"', "", "branches.0: branch 'window' of kind window has no engine; name one"),
        (
            'name = "window"',
            'name = "My Window"',
            "branches.0.name: got 'My Window', need small letters, digits and _, a letter first",
        ),
        ('classes = ["left_hand", "right_hand"]', 'classes = ["left_hand"]', "classes: got "),
    ],
)
def test_bad_paradigms(paradigm: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        read_paradigm(str(edited(paradigm, old, new)))
    assert f"{paradigm / 'recipe.toml'}: {said}" in str(error.value)


def test_idle_class(paradigm: Path) -> None:
    assert idle_class(("left_hand", "Rest")) == 1
    assert idle_class(("idle", "a", "b")) == 0
    assert idle_class(("left_hand", "right_hand")) is None
    assert read_paradigm(str(paradigm)).idle is None


def test_recentring_is_off_unless_asked_for(paradigm: Path) -> None:
    assert read_paradigm(str(paradigm)).recentre is None
    edited(paradigm, "[decision]", "[recentre]\nprior_s = 60.0\n[decision]")
    assert read_paradigm(str(paradigm)).recentre == RecentreSettings(prior_s=60.0)
    edited(paradigm, "prior_s = 60.0", "prior_s = 60\ntime_constant_s = 300")
    assert read_paradigm(str(paradigm)).recentre == RecentreSettings(prior_s=60.0, time_constant_s=300.0)


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("", "recentre.prior_s: missing, need a value"),
        ("prior_s = -1.0", "recentre.prior_s: got -1.0, input should be greater than 0"),
        ("prior_s = inf", "recentre.prior_s: got inf"),
        (
            "prior_s = 60\ntime_constant_s = 0",
            "recentre.time_constant_s: got 0, input should be greater than 0",
        ),
        ("priors_s = 60", "recentre.priors_s: unknown key; did you mean 'prior_s'?"),
    ],
)
def test_bad_recentring(paradigm: Path, section: str, said: str) -> None:
    edited(paradigm, "[decision]", f"[recentre]\n{section}\n[decision]")
    with pytest.raises(ConfigError) as error:
        read_paradigm(str(paradigm))
    assert f"{paradigm / 'recipe.toml'}: {said}" in str(error.value)


def test_one_class_and_idle_cannot_be_centred(paradigm: Path) -> None:
    edited(paradigm, '"right_hand"]', '"rest"]')
    edited(paradigm, 'right_hand = ["right", "T2"]', "")
    assert read_paradigm(str(paradigm)).idle == 1
    edited(paradigm, "[decision]", "[recentre]\nprior_s = 60.0\n[decision]")
    with pytest.raises(
        ConfigError, match=r"classes are \['left_hand', 'rest'\], recentre needs two that are not idle; leave"
    ):
        read_paradigm(str(paradigm))


def test_two_branches_of_one_name(paradigm: Path) -> None:
    path = paradigm / "recipe.toml"
    path.write_text(path.read_text() + '[[branches]]\nname = "window"\nkind = "power"\n')
    with pytest.raises(
        ConfigError, match=r"branches are named \['window', 'window'\], need a name of its own"
    ):
        read_paradigm(str(paradigm))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('kind = "window"', 'kind = "patches"', "kind: got 'patches', input should be 'patch' or 'window'"),
        ("n_samples = 64", "n_samples = 0", "input.n_samples: got 0"),
        ('meaning = "probs"', 'meaning = "prob"', "output.meaning: got 'prob'"),
        ('onnx = "engine.onnx"', 'onnx = "engine.onnx"\nonnx_sha256 = "12"', "onnx_sha256: got '12'"),
        ('onnx = "engine.onnx"', "", "file: neither onnx nor plugin, need one of the two"),
    ],
)
def test_bad_engines(tmp_path: Path, old: str, new: str, said: str) -> None:
    engine = edited(write_engine(tmp_path / "engine"), old, new)
    with pytest.raises(ConfigError) as error:
        read_engine(str(engine))
    assert f"{engine / 'recipe.toml'}: {said}" in str(error.value)


# -- electrodes that are missing --------------------------------------------------------------------------


def test_what_becomes_of_missing_electrodes(paradigm: Path) -> None:
    plain = read_paradigm(str(paradigm)).input
    assert (plain.missing, plain.required, plain.min_found) == ("interpolate", (), 1)
    edited(paradigm, "unit_check", 'missing = "infer"\nrequired = ["C3"]\nmin_found = 3\nunit_check')
    recipe = read_paradigm(str(paradigm))
    assert (recipe.input.missing, recipe.required_channels, recipe.input.min_found) == ("infer", ("C3",), 3)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('missing = "guess"', r"input\.missing: got 'guess', input should be 'interpolate' or 'infer'"),
        ('required = ["C3", "C9"]', r"required names \['C9'\], need labels that are in channels"),
        ("min_found = 4", "min_found is 4, must not exceed the 3 of channels"),
        ("min_found = 0", r"input\.min_found: got 0, input should be greater than or equal to 1"),
    ],
)
def test_what_can_never_be_met_is_refused(paradigm: Path, line: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read_paradigm(str(edited(paradigm, "unit_check", f"{line}\nunit_check")))


def test_a_reference_cannot_be_inferred(paradigm: Path) -> None:
    edited(paradigm, "[window]", '[[stages]]\nkind = "reference"\nchannels = ["CZ"]\n[window]')
    assert read_paradigm(str(paradigm)).required_channels == ()
    edited(paradigm, "unit_check", 'missing = "infer"\nrequired = ["C3"]\nunit_check')
    assert read_paradigm(str(paradigm)).required_channels == ("C3", "CZ")
