from pathlib import Path

import pytest

from rtbci.errors import ProfileError
from rtbci.probe.user_names import check_user, why_not_called


@pytest.mark.parametrize(
    "name", ["u01", "anna", "Anna-Maria", "7", "con-1", "console", "com", "com10", "lpt.1", "a.con"]
)
def test_good_names(name: str, tmp_path: Path) -> None:
    assert why_not_called(name, tmp_path, tmp_path / "not-there") == ""


@pytest.mark.parametrize(
    "name", ["con", "CON", "nul", "Aux", "prn", "com1", "COM0", "lpt9", "con.x", "nul.tar.gz"]
)
def test_devices_of_windows_are_refused_everywhere(name: str) -> None:
    assert why_not_called(name).startswith("Windows keeps this name for a device, need one that profiles")


@pytest.mark.parametrize(
    "name", ["", ".", "..", "-x", "_x", "../eve", "a b", "a" * 65, "anna\n", "\u00e4nne"]
)
def test_names_that_are_none_are_refused(name: str) -> None:
    assert "letters, digits" in why_not_called(name)


def test_a_dot_at_the_end_is_left_out_by_windows() -> None:
    assert why_not_called("anna.").endswith("choose another, as 'anna'")


def test_capital_letters_alone_do_not_tell_two_users_apart(tmp_path: Path) -> None:
    (tmp_path / "one" / "Anna" / "0001").mkdir(parents=True)
    (tmp_path / "two" / "AnnA").mkdir(parents=True)  # nothing came of it
    (tmp_path / "two" / "AnnA" / "store.lock").touch()
    (tmp_path / "two" / "ANNA").touch()
    assert why_not_called("Anna", tmp_path / "one", tmp_path / "two") == ""
    assert why_not_called("anna", tmp_path / "two") == ""
    assert why_not_called("anna", tmp_path / "two", tmp_path / "one").startswith(
        f"there is 'Anna' in {tmp_path / 'one'}, need a name that differs in more"
    )


def test_the_error_names_the_user() -> None:
    with pytest.raises(ProfileError, match=r"^user 'nul': Windows keeps"):
        check_user("nul", ProfileError)
