from pathlib import Path

import pytest

from rtbci.errors import ProfileError
from rtbci.probe.profile import read_profile, write_generation
from rtbci.runtime.profiles import find_profile, profiles_root
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
