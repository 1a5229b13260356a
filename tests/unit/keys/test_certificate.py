import hashlib
import ssl
import stat
import sys
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from rtbci.clock import utc_now
from rtbci.errors import ConfigError, FileFormatError, MissingPackageError
from rtbci.keys.certificate import own_certificate


def test_a_client_that_knows_it_accepts_it_for_its_hosts_only(tmp_path: Path) -> None:
    root = tmp_path / "keys"
    one = own_certificate(["192.0.2.7", "lab.example"], root)
    der = ssl.PEM_cert_to_DER_cert(one.path.read_text())
    assert one.fingerprint.replace(":", "").lower() == hashlib.sha256(der).hexdigest()
    assert {"localhost", "127.0.0.1", "::1", "192.0.2.7", "lab.example"} <= set(one.hosts)
    assert _handshake(one.path, one.key_path, "lab.example") == "TLSv1.3"
    assert _handshake(one.path, one.key_path, "192.0.2.7") == "TLSv1.3"
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        _handshake(one.path, one.key_path, "other.example")


def test_only_the_owner_may_read_the_key(tmp_path: Path) -> None:
    one = own_certificate(root=tmp_path / "keys")
    assert stat.S_IMODE(one.key_path.stat().st_mode) == 0o600
    one.key_path.chmod(0o644)
    with pytest.raises(ConfigError, match=r"page-key.pem: others may use it \(mode 0644\), need 0600"):
        own_certificate(root=tmp_path / "keys")


def test_it_stays_until_a_host_is_missing_or_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = own_certificate(["a.example"], tmp_path / "keys")
    assert own_certificate(root=tmp_path / "keys") == first
    second = own_certificate(["b.example"], tmp_path / "keys")
    assert second.fingerprint != first.fingerprint
    assert {"a.example", "b.example"} <= set(second.hosts)
    late = utc_now() + timedelta(days=390)
    monkeypatch.setattr("rtbci.keys.certificate.utc_now", lambda: late)
    third = own_certificate(root=tmp_path / "keys")
    assert third.not_after > second.not_after


def test_a_key_of_another_certificate_and_damage(tmp_path: Path) -> None:
    one, other = own_certificate(root=tmp_path / "keys"), own_certificate(root=tmp_path / "other")
    one.key_path.write_bytes(other.key_path.read_bytes())
    assert own_certificate(root=tmp_path / "keys").fingerprint != one.fingerprint
    one.key_path.write_bytes(b"-----BEGIN PRIVATE KEY-----\nsecret\n")
    with pytest.raises(FileFormatError, match="cannot be read, need both") as caught:
        own_certificate(root=tmp_path / "keys")
    assert caught.value.__cause__ is None


def test_what_cannot_be_a_host_and_a_package_that_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="host is 'bücher', need a name in ASCII"):
        own_certificate(["bücher"], tmp_path / "keys")
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(MissingPackageError, match=r"install .*\[secure\]"):
        own_certificate(root=tmp_path / "new")


def _handshake(certificate: Path, key: Path, host: str) -> str | None:
    """Shake hands in memory; return the version of TLS."""
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(certificate, key)
    client_side = ssl.create_default_context(cafile=str(certificate))
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_side.wrap_bio(to_client, to_server, server_hostname=host)
    server = server_side.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for one in (client, server):
            with suppress(ssl.SSLWantReadError):
                one.do_handshake()
    return client.version()
