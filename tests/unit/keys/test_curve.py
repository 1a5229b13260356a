import json
import stat
from pathlib import Path

import pytest
import zmq

from rtbci.errors import ConfigError, FileFormatError
from rtbci.keys.curve import list_keys, new_key, public_key_of, read_key, z85_of


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "keys"


def test_a_key_pair_is_kept_for_its_owner_alone(root: Path) -> None:
    made = new_key("lab", root)
    assert read_key("lab", root) == made
    assert z85_of(made.public) == zmq.curve_public(z85_of(made.secret).encode()).decode()
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for path in (root, root / "own", root / "own" / "lab.json")
    }
    assert modes == {"keys": 0o700, "own": 0o700, "lab.json": 0o600}
    assert made.secret.hex() not in repr(made)


def test_a_taken_name_and_replacing(root: Path) -> None:
    first = new_key("lab", root)
    with pytest.raises(ConfigError, match=r"key 'lab': is there already .* or --replace"):
        new_key("lab", root)
    assert new_key("lab", root, replace=True).public != first.public
    assert [one.name for one in list_keys(root)] == ["lab"]


@pytest.mark.parametrize(("what", "mode"), [("own/lab.json", 0o644), ("own", 0o770)])
def test_a_key_that_others_can_read_is_refused(root: Path, what: str, mode: int) -> None:
    new_key("lab", root)
    (root / what).chmod(mode)
    with pytest.raises(ConfigError, match=rf"others may use it \(mode {mode:04o}\)"):
        read_key("lab", root)


def test_a_damaged_key_is_told_without_its_secret(root: Path) -> None:
    secret = new_key("lab", root).secret.hex()
    path = root / "own" / "lab.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "public": "0" * 64}))
    with pytest.raises(FileFormatError, match="its two halves are not of one pair") as caught:
        read_key("lab", root)
    assert secret not in str(caught.value)
    path.write_text(json.dumps({**content, "extra": 1}))
    with pytest.raises(FileFormatError, match="is not a file that `rtbci keys` has written") as caught:
        read_key("lab", root)
    assert secret not in str(caught.value)


def test_one_that_is_not_there_says_how_to_make_it(root: Path) -> None:
    new_key("lab", root)
    with pytest.raises(
        ConfigError, match="key 'home': there is none of that name, have lab; `rtbci keys new home` makes it"
    ):
        read_key("home", root)


def test_public_keys_are_read_in_both_forms(root: Path) -> None:
    public = new_key("lab", root).public
    assert public_key_of(f" {public.hex()}\n") == public_key_of(z85_of(public)) == public


@pytest.mark.parametrize("text", ["", "ab" * 31, "zz" * 32, "~" * 40, "é" * 40, "\x00" * 64])
def test_what_is_no_key_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(
        ConfigError, match=rf"public key: {len(text.strip())} letters that are no key"
    ) as caught:
        public_key_of(text)
    assert not text or text not in str(caught.value)


def test_a_zeromq_without_curve(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zmq, "has", lambda what: False)
    with pytest.raises(
        ConfigError, match=r"built without CURVE, need libsodium in it; .*pip install --force-reinstall pyzmq"
    ):
        new_key("lab", root)
