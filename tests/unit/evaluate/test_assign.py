import json
import shutil
from pathlib import Path

import pytest

from rtbci.errors import ConfigError, ProfileError
from rtbci.evaluate.assign import assign_folds, assign_profile, profile_sha256
from rtbci.recipes import ParadigmRecipe, read_paradigm
from tests.tiny import write_paradigm
from tests.unit.evaluate.samples import write_tiny

SUBJECTS = ["S001", "S002", "S003"]


def recipe(folder: Path, *trained_on: str) -> ParadigmRecipe:
    return read_paradigm(str(write_tiny(folder, trained_on=trained_on)))


def test_people_in_training_are_refused(tmp_path: Path) -> None:
    trained = recipe(tmp_path, "lab/S001", "lab/S009")
    with pytest.raises(
        ProfileError, match=r"was trained on 1 of the 3 subjects to judge \(S001\), need people"
    ):
        assign_profile(trained, None, "other", SUBJECTS)
    found = assign_profile(trained, None, "lab", SUBJECTS, allow_seen=True)
    assert [found[name].seen for name in SUBJECTS] == ["yes", "no", "no"]


def test_a_named_data_set_is_believed(tmp_path: Path) -> None:
    trained = recipe(tmp_path, "lab/S001")
    assert assign_profile(trained, None, "other", SUBJECTS, is_named=True)["S001"].seen == "no"
    with pytest.raises(ProfileError, match="was trained on 1"):
        assign_profile(trained, None, "lab", SUBJECTS, is_named=True)


def test_a_profile_that_does_not_say(tmp_path: Path) -> None:
    assert assign_profile(recipe(tmp_path / "a"), None, "lab", SUBJECTS)["S001"].seen == "unknown"
    bare = read_paradigm(str(write_paradigm(tmp_path / "b")))
    assert assign_profile(bare, None, "lab", ["S001"])["S001"].profile == ""
    assert profile_sha256("") == ""


def folds(folder: Path, tests: list[object], trained_on: list[list[str]] | None = None) -> Path:
    for i, test in enumerate(tests):
        paradigm = write_tiny(
            folder / f"tiny{i}", trained_on=(trained_on or [[] for _ in tests])[i], weight=1.0 + i
        )
        shutil.copytree(paradigm / "population", folder / "folds" / f"fold{i}" / "profile")
        (folder / "folds" / f"fold{i}" / "subjects.json").write_text(json.dumps(test))
    return folder / "folds"


def test_each_subject_has_the_fold_that_did_not_see_it(tmp_path: Path) -> None:
    folder = folds(
        tmp_path, [{"test": ["S001", "lab/S003"]}, {"test": ["S002"]}], [["lab/S002"], ["lab/S001"]]
    )
    found = assign_folds(folder, "lab", SUBJECTS)
    assert [found[name].fold for name in SUBJECTS] == ["fold0", "fold1", "fold0"]
    assert found["S002"].profile == str(folder / "fold1" / "profile")
    assert {one.seen for one in found.values()} == {"no"}
    assert profile_sha256(found["S001"].profile) != profile_sha256(found["S002"].profile)


def test_a_fold_may_bring_its_engine(tmp_path: Path) -> None:
    folder = folds(tmp_path, [{"test": ["S001"]}])
    shutil.copytree(tmp_path / "tiny0" / "engine", folder / "fold0" / "engine")
    assert assign_folds(folder, "lab", ["S001"])["S001"].engine == str(folder / "fold0" / "engine")


@pytest.mark.parametrize(
    ("tests", "message"),
    [
        ([], "has no folder fold"),
        ([{"test": ["S002"]}], "S001 is tested in none, need exactly one"),
        ([{"test": ["S001"]}, {"test": ["S001"]}], "S001 is tested in fold0, fold1"),
        ([["S001"]], "has no list of names under 'test'"),
        ([{"test": "S001"}], "has no list of names under 'test'"),
    ],
)
def test_folds_that_contradict(tmp_path: Path, tests: list[object], message: str) -> None:
    (tmp_path / "folds").mkdir()
    with pytest.raises(ConfigError, match=message):
        assign_folds(folds(tmp_path, tests), "lab", ["S001"])


def test_folds_that_are_incomplete(tmp_path: Path) -> None:
    folder = folds(tmp_path, [{"test": ["S001"]}])
    (folder / "fold0" / "subjects.json").write_text("{")
    with pytest.raises(ConfigError, match=r"subjects\.json cannot be read"):
        assign_folds(folder, "lab", ["S001"])
    (folder / "fold0" / "subjects.json").write_text('{"test": ["S001"]}')
    (folder / "fold0" / "profile" / "profile.json").unlink()
    with pytest.raises(ConfigError, match=r"holds 0 folders with a profile\.json, need one"):
        assign_folds(folder, "lab", ["S001"])


def test_folds_that_overlap(tmp_path: Path) -> None:
    folder = folds(tmp_path, [{"test": ["S001"]}], [["lab/S001"]])
    with pytest.raises(ProfileError, match="the profile of fold0 was trained on S001"):
        assign_folds(folder, "lab", ["S001"])
