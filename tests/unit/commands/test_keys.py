"""`rtbci keys` and `rtbci control` as they are called."""

import json
import sys
import traceback
from pathlib import Path

import pytest

from rtbci import cli
from rtbci.errors import ConfigError, FileFormatError
from rtbci.keys.tokens import check_token


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path / "rtbci" / "keys"


def call(monkeypatch: pytest.MonkeyPatch, *args: str) -> object:
    monkeypatch.setattr(sys, "argv", ["rtbci", *args])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return end.value.code


def test_a_key_is_made_shown_trusted_and_revoked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], home: Path
) -> None:
    assert call(monkeypatch, "keys", "new", "--json") == 0
    made = json.loads(capsys.readouterr().out)
    assert call(monkeypatch, "keys", "trust", "ada", "ab" * 32, "--role", "controller") == 0
    assert "ada is trusted as controller (may listen and control)" in capsys.readouterr().out
    assert call(monkeypatch, "keys", "show") == 0
    shown = capsys.readouterr().out
    assert made["public"] in shown
    assert made["public_z85"] in shown
    assert "trusted ada as controller" in shown
    assert json.loads((home / "own" / "default.json").read_text())["secret"] not in shown
    assert call(monkeypatch, "keys", "revoke", "ada") == 0
    assert "ada is trusted no longer" in capsys.readouterr().out
    assert call(monkeypatch, "keys", "revoke", "ada") == 2
    assert "no trusted key has that name, have none" in capsys.readouterr().err


def test_tokens(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], home: Path) -> None:
    assert call(monkeypatch, "keys", "token", "new", "page") == 0
    text = capsys.readouterr().out.splitlines()[0]
    assert check_token(text, home) == "listener"
    assert call(monkeypatch, "keys", "token", "list", "--json") == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert (listed["name"], listed["role"], "sha256" in listed) == ("page", "listener", False)
    assert call(monkeypatch, "keys", "token", "revoke", "page") == 0
    assert check_token(text, home) is None
    assert call(monkeypatch, "keys", "token", "new", "page", "--role", "king") == 2
    assert "role is 'king', need one of listener, controller" in capsys.readouterr().err


def test_the_certificate(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "keys", "certificate", "--host", "lab.example", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert "lab.example" in shown["hosts"]
    assert "PRIVATE KEY" in Path(shown["key"]).read_text()


def test_lsl_on_loopback_and_back(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("LSLAPICFG", str(tmp_path / "lsl_api.cfg"))
    assert call(monkeypatch, "keys", "lsl-loopback") == 0
    said = capsys.readouterr().out
    assert "are found on this computer only" in said
    assert "data ports stay open on all interfaces" in said
    assert call(monkeypatch, "keys", "lsl-loopback", "--undo") == 0
    assert not (tmp_path / "lsl_api.cfg").exists()


@pytest.mark.parametrize("flags", [("--publish", "tcp://0.0.0.0:0"), ("--control", "tcp://0.0.0.0:0")])
def test_off_loopback_without_keys_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], flags: tuple[str, str]
) -> None:
    assert call(monkeypatch, "run", "--no-record", "--pub", "tcp://127.0.0.1:0", *flags) == 2
    assert "can be reached from the network and there is no key to encrypt with" in capsys.readouterr().err


def test_a_key_and_insecure_contradict_each_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "run", "--key", "default", "--insecure") == 2
    assert "publish: insecure is true and key is 'default', need one of them" in capsys.readouterr().err


def test_no_traceback_has_a_secret(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    assert call(monkeypatch, "keys", "new") == 0
    path = home / "own" / "default.json"
    content = json.loads(path.read_text())
    for changed, kind in (({**content, "unknown": 1}, FileFormatError), (None, ConfigError)):
        if changed is None:
            path.chmod(0o644)
        else:
            path.write_text(json.dumps(changed))
        monkeypatch.setattr(sys, "argv", ["rtbci", "--debug", "run", "--key", "default"])
        with pytest.raises(kind) as caught:
            cli.main()
        assert content["secret"] not in "".join(traceback.format_exception(caught.value))


def test_control_without_a_run_says_what_to_look_at(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from rtbci.publish.control_client import ControlClient

    monkeypatch.setattr(
        ControlClient.__init__,
        "__kwdefaults__",
        {**(ControlClient.__init__.__kwdefaults__ or {}), "timeout_s": 0.05},
    )
    assert call(monkeypatch, "control", "mark", "hit", "--address", "tcp://127.0.0.1:9") == 3
    assert "is `rtbci run` running, with this control address?" in capsys.readouterr().err
