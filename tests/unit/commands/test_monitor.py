from pathlib import Path

import pytest

from rtbci.commands.monitor import control_beside, tls_of
from rtbci.config import MonitorSettings
from rtbci.errors import ConfigError
from rtbci.monitor.local import Local
from tests.tiny import write_paradigm, write_tiny_profile


def test_the_control_socket_is_the_port_behind() -> None:
    assert control_beside("tcp://127.0.0.1:5571") == "tcp://127.0.0.1:5572"
    assert control_beside("tcp://lab-pc:7000") == "tcp://lab-pc:7001"
    for address in ("ipc:///tmp/x", "tcp://lab-pc:*", "nonsense"):
        with pytest.raises(ConfigError, match="give it with --control"):
            control_beside(address)


def test_certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    here, there = "127.0.0.1", "192.0.2.7"
    assert tls_of(MonitorSettings(), here) is None
    assert tls_of(MonitorSettings(insecure=True), there) is None
    with pytest.raises(ConfigError, match="need both"):
        tls_of(MonitorSettings(tls_cert="a.pem"), here)
    with pytest.raises(ConfigError, match=r"a\.pem is no file"):
        tls_of(MonitorSettings(tls_cert="a.pem", tls_key="b.pem"), here)
    (tmp_path / "a.pem").write_text("")
    both = MonitorSettings(tls_cert=str(tmp_path / "a.pem"), tls_key=str(tmp_path / "a.pem"))
    assert tls_of(both, there) == (tmp_path / "a.pem", tmp_path / "a.pem")


def test_an_own_certificate_for_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("cryptography")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    made = tls_of(MonitorSettings(), "192.0.2.7")
    assert made is not None
    assert all(path.is_file() for path in made)


def test_profiles_of_this_computer_are_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    paradigm = write_paradigm(tmp_path / "tiny")
    write_tiny_profile(tmp_path / "rtbci" / "profiles" / "tiny" / "ada" / "0001", paradigm)
    always = ["population", "previous"]
    assert Local("tcp://127.0.0.1:5571").profiles("tiny") == [*always, "ada", "ada@1"]
    assert Local("tcp://127.0.0.1:5571").profiles("other") == always
    assert Local("tcp://127.0.0.1:5571").profiles("") == always
    assert Local("tcp://lab-pc:5571").profiles("tiny") == always


def test_the_disk_of_this_computer_is_known(tmp_path: Path) -> None:
    here = Local("tcp://127.0.0.1:5571", tmp_path / "not" / "yet").computer()
    assert here["folder"] == str(tmp_path / "not" / "yet")
    assert here["free_gb"] > 0
    assert Local("tcp://lab-pc:5571").computer() == {}
