from pathlib import Path

import pytest

from rtbci.errors import ConfigError
from rtbci.keys import folder
from rtbci.keys.trusted import TrustedKeys, list_trusted, revoke, server_key_of, trust

ADA, BOB = "aa" * 32, "bb" * 32


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "keys"


def test_who_is_trusted_is_seen_at_once(root: Path) -> None:
    keys = TrustedKeys(root)
    assert keys.role_of(bytes.fromhex(ADA)) is None
    trust("ada", ADA, "listener", root)
    trust("bob", BOB, "controller", root)
    assert [keys.role_of(bytes.fromhex(one)) for one in (ADA, BOB)] == ["listener", "controller"]
    assert keys.n_users == 2
    revoke("ada", root)
    assert [keys.role_of(bytes.fromhex(one)) for one in (ADA, BOB)] == [None, "controller"]
    (root / "trusted.json").unlink()
    assert keys.role_of(bytes.fromhex(BOB)) is None


def test_a_server_may_not_connect_and_is_found_by_name(root: Path) -> None:
    trust("lab", ADA, "server", root)
    keys = TrustedKeys(root)
    assert (keys.role_of(bytes.fromhex(ADA)), keys.n_users) == (None, 0)
    assert server_key_of("lab", root) == server_key_of(ADA, root) == bytes.fromhex(ADA)
    trust("bob", BOB, "listener", root)
    with pytest.raises(
        ConfigError, match="or the name of one trusted with `rtbci keys trust NAME KEY --role server`"
    ):
        server_key_of("bob", root)


def test_names_and_keys_are_trusted_once(root: Path) -> None:
    trust("ada", ADA, "listener", root)
    with pytest.raises(ConfigError, match="trust 'ada': that name is trusted already"):
        trust("ada", BOB, "listener", root)
    with pytest.raises(ConfigError, match=r"trust 'bob': that key is trusted already \(ada, listener\)"):
        trust("bob", ADA.upper(), "controller", root)
    with pytest.raises(ConfigError, match="revoke 'bob': no trusted key has that name, have ada"):
        revoke("bob", root)
    assert [one.name for one in list_trusted(root)] == ["ada"]


def test_a_folder_that_is_none_any_more_lets_nobody_in(root: Path) -> None:
    trust("ada", ADA, "controller", root)
    keys = TrustedKeys(root)
    assert keys.role_of(bytes.fromhex(ADA)) == "controller"
    for one in root.iterdir():
        one.unlink()
    root.rmdir()
    root.write_bytes(b"")
    with pytest.raises(ConfigError, match=r"trusted.json: cannot be read \(Not a directory\)"):
        keys.role_of(bytes.fromhex(ADA))


def test_whoever_waits_too_long_for_the_folder_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "LOCK_S", 0.01)
    with (
        folder.alone_in(root),
        pytest.raises(ConfigError, match=r"another program has changed keys for 0\.01 s"),
    ):
        trust("ada", ADA, "listener", root)


def test_a_file_that_others_may_write_lets_nobody_in(root: Path) -> None:
    trust("ada", ADA, "controller", root)
    keys = TrustedKeys(root)
    assert keys.role_of(bytes.fromhex(ADA)) == "controller"
    (root / "trusted.json").chmod(0o666)
    with pytest.raises(ConfigError, match=r"trusted.json: others may use it \(mode 0666\), need 0600"):
        keys.role_of(bytes.fromhex(ADA))
