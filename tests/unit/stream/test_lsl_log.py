from pathlib import Path

import pylsl
import pytest

from rtbci.stream.lsl_log import quiet_liblsl


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What liblsl was told; its own configuration is not touched."""
    told: list[str] = []
    monkeypatch.delenv("LSLAPICFG", raising=False)
    monkeypatch.setattr(pylsl, "set_config_content", told.append)
    return told


def test_warnings_only_where_nothing_is_configured(given: list[str], tmp_path: Path) -> None:
    assert quiet_liblsl([str(tmp_path / "lsl_api.cfg")])
    assert given == ["[log]\nlevel = -1\n"]


def test_a_users_own_configuration_is_left(
    given: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lsl_api.cfg").touch()
    assert not quiet_liblsl(["/nowhere/lsl_api.cfg", str(tmp_path / "lsl_api.cfg")])
    monkeypatch.setenv("HOME", str(tmp_path))
    assert not quiet_liblsl(["~/lsl_api.cfg"])
    monkeypatch.setenv("LSLAPICFG", "/somewhere.cfg")
    assert not quiet_liblsl([])
    assert given == []


def test_an_old_liblsl_only_talks_more(given: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_content: str) -> None:
        raise NotImplementedError

    monkeypatch.setattr(pylsl, "set_config_content", missing)
    assert not quiet_liblsl([])
