from pathlib import Path

import pytest
from msgspec.structs import replace

from rtbci.errors import ProfileError
from rtbci.probe.profile import read_profile, write_generation
from rtbci.runtime.profile_file import export_profile
from rtbci.runtime.profiles import (
    all_profiles_root,
    find_profile,
    generation_name,
    profiles_root,
    split_name,
)
from tests.tiny import write_paradigm, write_tiny_profile


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's data folder with two generations of ada's profile."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    profile = read_profile(write_tiny_profile(tmp_path / "ada", write_paradigm(tmp_path / "tiny")))
    for _ in range(2):
        write_generation(profiles_root("tiny"), profile)
    return tmp_path


def test_where_profiles_are(home: Path) -> None:
    assert profiles_root("tiny") == home / "data" / "rtbci" / "profiles" / "tiny"
    assert profiles_root("tiny").parent == all_profiles_root()


def test_the_newest_of_the_user(home: Path) -> None:
    newest = profiles_root("tiny") / "ada" / "0002"
    assert find_profile("tiny", user="ada") == newest
    assert find_profile("tiny", "ada") == newest
    assert find_profile("tiny", "ada", user="bob") == newest  # the name is more special


def test_no_profile_is_the_population_decoder(home: Path) -> None:
    assert find_profile("tiny", user="bob") is None
    assert find_profile("tiny") is None
    assert find_profile("tiny", "population", user="ada") is None


def test_by_path(home: Path) -> None:
    assert find_profile("tiny", str(home / "ada")) == home / "ada"


def test_a_name_that_means_nothing(home: Path) -> None:
    with pytest.raises(
        ProfileError, match=r"profile 'bob': is neither a folder .* give a path, or 'population'"
    ):
        find_profile("tiny", "bob")


def test_an_exported_one_has_to_be_imported_first(home: Path) -> None:
    exported = export_profile(profiles_root("tiny") / "ada" / "0002", home / "ada.rtbci")
    with pytest.raises(ProfileError, match=r"is a file, .* `rtbci profile import .*ada\.rtbci` makes"):
        find_profile("tiny", str(exported))


def test_a_generation_by_its_number(home: Path) -> None:
    first = profiles_root("tiny") / "ada" / "0001"
    assert find_profile("tiny", "ada@1") == first
    assert generation_name(first) == "ada@1"
    with pytest.raises(ProfileError, match=r"'ada@7': is not there, have generations 1, 2 in"):
        find_profile("tiny", "ada@7")
    with pytest.raises(ProfileError, match="profile 'bob@1': is neither"):
        find_profile("tiny", "bob@1")


@pytest.mark.parametrize("name", ["ada@", "ada@x", "ada@-1", "ada@\u0663", "@1", "../ada", "a/b@1", ""])
def test_a_name_is_a_user_and_perhaps_a_number(name: str) -> None:
    with pytest.raises(ProfileError, match="need USER or USER@GENERATION"):
        split_name(name)


def test_a_name_taken_apart() -> None:
    assert split_name("u01") == ("u01", None)
    assert split_name("u.0-1_@0012") == ("u.0-1_", 12)


def test_a_broken_newest_is_not_skipped_but_the_way_out_is_named(home: Path) -> None:
    (profiles_root("tiny") / "ada" / "0002" / "weights.safetensors").unlink()
    for name, user in (("ada", ""), ("", "ada")):
        with pytest.raises(
            ProfileError, match=r"0002.*ada@1 is the newest that is sound.*rollback ada --to 1"
        ):
            find_profile("tiny", name, user)
    assert find_profile("tiny", "ada@1") is not None
    (profiles_root("tiny") / "ada" / "0001" / "profile.json").write_text("{}")
    with pytest.raises(ProfileError, match="no generation of 'ada' is sound; name 'population'"):
        find_profile("tiny", "ada")


def test_a_new_user_must_differ_in_more_than_capital_letters(home: Path) -> None:
    for asked in ({"user": "Ada"}, {"name": "Ada"}):
        with pytest.raises(ProfileError, match=r"user 'Ada': there is 'ada' in .*tiny, need a name"):
            find_profile("tiny", **asked)
    ada = read_profile(profiles_root("tiny") / "ada" / "0001")
    with pytest.raises(ProfileError, match="user 'ADA': there is 'ada'"):
        write_generation(profiles_root("tiny"), replace(ada, user="ADA"))
    assert [folder.name for folder in profiles_root("tiny").iterdir()] == ["ada"]


def test_a_user_is_no_device_of_windows(home: Path) -> None:
    with pytest.raises(ProfileError, match="user 'nul': Windows keeps this name"):
        find_profile("tiny", user="nul")
    ada = read_profile(profiles_root("tiny") / "ada" / "0001")
    with pytest.raises(ProfileError, match=r"user 'com1\.x': Windows keeps"):
        write_generation(profiles_root("tiny"), replace(ada, user="com1.x"))
