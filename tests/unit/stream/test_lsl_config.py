import subprocess
import sys
from pathlib import Path

import pytest

from rtbci.errors import ConfigError
from rtbci.stream.lsl_config import config_path, restore_config, write_loopback_config

CODE = """
import os, pylsl, time
outlet = pylsl.StreamOutlet(pylsl.StreamInfo("rtbci-loopback", "T", 1, 0.0, pylsl.cf_float32, f"rtbci-{os.getpid()}"))
inodes = {os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}")}
for table in ("udp", "udp6"):
    for row in open(f"/proc/net/{table}").read().splitlines()[1:]:
        fields = row.split()
        address, port = fields[1].split(":")
        if f"socket:[{fields[9]}]" in inodes and int(port, 16) == 16571:
            print("discovery", address)
print("found", len(pylsl.resolve_byprop("source_id", f"rtbci-{os.getpid()}", timeout=10.0)))
"""


@pytest.mark.net
@pytest.mark.skipif(not Path("/proc/net/udp").exists(), reason="looks for sockets in /proc")
def test_liblsl_obeys_it(tmp_path: Path) -> None:
    path = write_loopback_config(tmp_path / "lsl_api.cfg").path
    env = {"LSLAPICFG": str(path), "PATH": "/usr/bin:/bin"}
    said = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, env=env, timeout=60
    ).stdout
    assert set(said.splitlines()) == {"discovery 0100007F", "found 1"}


def test_what_was_there_stays_and_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "lsl_api.cfg"
    before = "; mine\n[lab]\nSessionID = blue\nKnownPeers = {10.0.0.9}\n[log]\nlevel = 2\n"
    path.write_text(before)
    for _ in range(2):  # also when it is done twice
        done = write_loopback_config(path)
        assert done.backup is not None
        assert done.backup.read_text() == before
    text = path.read_text()
    for line in (
        "SessionID = blue",
        "KnownPeers = {}",
        "level = 2",
        "ResolveScope = machine",
        "ListenAddress = 127.0.0.1",
    ):
        assert line in text
    restore_config(path)
    assert path.read_text() == before
    assert list(tmp_path.iterdir()) == [path]


def test_one_of_our_own_is_removed_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "lsl_api" / "lsl_api.cfg"
    assert write_loopback_config(path).backup is None
    restore_config(path)
    assert not path.exists()
    path.write_text("[lab]\nSessionID = blue\n")
    with pytest.raises(ConfigError, match="is not a configuration that rtbci has written"):
        restore_config(path)
    assert path.exists()


def test_one_that_cannot_be_read_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "lsl_api.cfg"
    path.write_text("no section\n")
    with pytest.raises(ConfigError, match="cannot be read or written"):
        write_loopback_config(path)
    assert path.read_text() == "no section\n"


def test_where_it_goes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LSLAPICFG", str(tmp_path / "own.cfg"))
    assert config_path() == tmp_path / "own.cfg"
    monkeypatch.delenv("LSLAPICFG")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert config_path() == tmp_path / "lsl_api" / "lsl_api.cfg"
    (tmp_path / "lsl_api.cfg").write_text("[lab]\n")
    assert write_loopback_config().read_instead == tmp_path / "lsl_api.cfg"
