from pathlib import Path

import msgspec
import pytest

from rtbci.errors import FileFormatError, ProfileError
from rtbci.probe.calibration_record import read_record
from rtbci.probe.profile import Profile, generations, read_profile
from rtbci.runtime.profile_list import (
    add_generation,
    delete_generation,
    delete_user,
    list_generations,
    paradigms_with_profiles,
    previous_generation,
    read_record_beside,
    same_as,
    unfinished_writes,
    users_of,
)
from rtbci.runtime.profiles import profiles_root
from tests.calibration_samples import make_record
from tests.probe_samples import make_profile


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    return tmp_path


def profile_with(temperature: float, user: str = "ada") -> Profile:
    return msgspec.structs.replace(make_profile(user), temperature=temperature)


def test_nothing_there() -> None:
    assert paradigms_with_profiles() == []
    assert users_of("p") == []
    assert list_generations("p", "ada") == []


def test_what_there_is() -> None:
    for temperature in (1.0, 2.0):
        add_generation("p", profile_with(temperature), None)
    add_generation("q", profile_with(1.0, "bob"), None)
    assert paradigms_with_profiles() == ["p", "q"]
    assert (users_of("p"), users_of("q")) == (["ada"], ["bob"])
    kept = list_generations("p", "ada")
    assert [(one.number, one.is_newest, one.fault) for one in kept] == [(1, False, ""), (2, True, "")]


def test_a_record_gets_the_user_and_the_number_of_its_profile() -> None:
    add_generation("p", profile_with(1.0), None)
    folder = add_generation("p", profile_with(1.0), make_record("bob", generation=9))
    record = read_record(folder)
    assert (record.user, record.generation) == ("ada", 2)
    assert read_record_beside(folder) == record
    assert read_record_beside(folder.parent / "0001") is None
    (folder / "calibration.json").write_text("{")
    with pytest.raises(FileFormatError, match=r"calibration.json: cannot be read"):
        read_record_beside(folder)


def test_broken_ones_are_listed_with_the_reason() -> None:
    first = add_generation("p", profile_with(1.0), None)
    second = add_generation("p", profile_with(1.0), None)
    (first / "weights.safetensors").write_bytes(b"")
    (second / "profile.json").unlink()
    kept = list_generations("p", "ada")
    assert [one.profile for one in kept] == [None, None]
    assert "the file was changed or cut short" in kept[0].fault
    assert "cannot read" in kept[1].fault
    assert same_as(kept[1], kept) == ""


def test_a_half_written_one_is_told() -> None:
    half = profiles_root("p") / "ada" / ".0001-abc"
    half.mkdir(parents=True)
    assert users_of("p") == ["ada"]
    assert unfinished_writes(half.parent) == [half]
    add_generation("p", profile_with(1.0), None)
    assert unfinished_writes(half.parent) == [half]


def test_where_a_rollback_goes() -> None:
    with pytest.raises(ProfileError, match=r"0 generations .* need an older"):
        previous_generation("p", "ada")
    for temperature in (1.0, 2.0, 3.0, 3.0):
        add_generation("p", profile_with(temperature), None)
    assert previous_generation("p", "ada").number == 2  # the third is the same as the newest
    kept = list_generations("p", "ada")
    assert [same_as(one, kept) for one in kept] == ["", "", "", "ada@3"]
    (profiles_root("p") / "ada" / "0002" / "weights.safetensors").unlink()
    assert previous_generation("p", "ada").number == 1
    (profiles_root("p") / "ada" / "0004" / "weights.safetensors").unlink()
    assert previous_generation("p", "ada").number == 3


def test_deleting() -> None:
    for temperature in (1.0, 2.0):
        add_generation("p", profile_with(temperature), None)
    root = profiles_root("p")
    delete_generation(root / "ada" / "0002")
    assert sorted(one.name for one in (root / "ada").iterdir()) == ["0001", "highest"]
    assert read_profile(add_generation("p", profile_with(3.0), None)).generation == 3
    delete_user("p", "ada")
    assert list(root.iterdir()) == []
    assert generations(root, "ada") == []
