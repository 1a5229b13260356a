import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from rtbci.errors import ConfigError, FileFormatError
from rtbci.keys.roles import may
from rtbci.keys.tokens import check_token, list_tokens, new_token, revoke_token


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "rtbci" / "keys"


def test_a_token_gives_its_role_until_it_is_revoked(root: Path) -> None:
    page, game = new_token("page", root=root), new_token("game", "controller", root)
    assert (check_token(page, root), check_token(game, root)) == ("listener", "controller")
    revoke_token("page", root)
    assert (check_token(page, root), check_token(game, root)) == (None, "controller")
    assert [one.name for one in list_tokens(root)] == ["game"]


@pytest.mark.parametrize(
    "change", [lambda t: t[:-1], lambda t: t + "x", str.upper, lambda t: "", lambda t: "\ud800\0" * 5000]
)
def test_what_is_no_token_gives_nothing(root: Path, change: Callable[[str], str]) -> None:
    text = new_token("page", root=root)
    assert check_token(change(text), root) is None


def test_without_a_file_nobody_may(tmp_path: Path) -> None:
    assert check_token("", tmp_path / "none") is None
    assert list_tokens(tmp_path / "none") == []


def test_only_a_hash_is_kept_and_only_the_owner_may_read_it(root: Path) -> None:
    text = new_token("page", root=root)
    for path in root.iterdir():
        assert text.encode() not in path.read_bytes()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(root.stat().st_mode) == 0o700


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX")
@pytest.mark.parametrize(("what", "mode", "need"), [("tokens.json", 0o640, "0600"), (".", 0o755, "0700")])
def test_what_others_can_read_is_refused(root: Path, what: str, mode: int, need: str) -> None:
    text = new_token("page", root=root)
    (root / what).chmod(mode)
    with pytest.raises(
        ConfigError, match=rf"others may use it \(mode {mode:04o}\), need {need}; `chmod"
    ) as caught:
        check_token(text, root)
    assert text not in str(caught.value)


def test_a_damaged_file_is_told_without_what_is_in_it(root: Path) -> None:
    new_token("page", root=root)
    secret = "not-for-messages"
    (root / "tokens.json").write_text(f'[{{"name": "{secret}", "role": "king"}}]')
    with pytest.raises(FileFormatError, match="is not a file that `rtbci keys` has written") as caught:
        check_token("x", root)
    assert secret not in str(caught.value)
    assert caught.value.__cause__ is None


def test_names(root: Path) -> None:
    new_token("page", root=root)
    with pytest.raises(ConfigError, match="token 'page': is there already"):
        new_token("page", root=root)
    with pytest.raises(ConfigError, match=r"name is '\.\./x', need 1 to 64 letters"):
        new_token("../x", root=root)
    with pytest.raises(ConfigError, match="token 'gone': there is none of that name, have page"):
        revoke_token("gone", root)


def test_roles() -> None:
    assert [may(role, "listener") for role in (None, "listener", "controller")] == [False, True, True]
    assert [may(role, "controller") for role in (None, "listener", "controller")] == [False, False, True]
