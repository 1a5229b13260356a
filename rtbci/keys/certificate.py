"""A certificate that this computer signs itself, for pages and WebSockets over TLS.

A browser that sees it for the first time warns, because nobody else vouches for it: compare the fingerprint.
"""

import hashlib
import ipaddress
import socket
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rtbci.clock import utc_now
from rtbci.errors import ConfigError, FileFormatError, MissingPackageError
from rtbci.files import write_whole
from rtbci.installing import pip_extra
from rtbci.keys.folder import alone_in, check_private, keys_root

if TYPE_CHECKING:
    from cryptography import x509

__all__ = ["Certificate", "own_certificate"]

CERTIFICATE_NAME, KEY_NAME = "page-certificate.pem", "page-key.pem"
VALID_DAYS = 397
"""What browsers accept at most (CA/Browser Forum, ballot SC31)."""
RENEW_DAYS = 30
LOCAL = ("localhost", "127.0.0.1", "::1")


class Certificate(NamedTuple):
    """Where a certificate and its key are, and what a visitor is to compare.

    Parameters
    ----------
    path, key_path : Path
        PEM files, as `ssl.SSLContext.load_cert_chain` and uvicorn take them; only the owner may read the key.
    fingerprint : str
        sha256 of the certificate, as browsers show it: ``AB:CD:...``.
    hosts : tuple of str
        Names and addresses that it is for.
    not_after : datetime
        When it ends.
    """

    path: Path
    key_path: Path
    fingerprint: str
    hosts: tuple[str, ...]
    not_after: datetime


def own_certificate(hosts: Sequence[str] = (), root: Path | None = None) -> Certificate:
    """Return this computer's certificate; made anew when there is none, it ends soon, or lacks a host.

    Parameters
    ----------
    hosts : sequence of str
        Names and addresses by which others reach this computer, besides its host name and loopback.
    root : Path, optional
        Folder of keys.

    Raises
    ------
    MissingPackageError
        When the package cryptography is not installed.
    ConfigError
        When the folder or the key is open to others, or cannot be written; or a host is none.
    FileFormatError
        When a file is damaged.
    """
    folder = root or keys_root()
    wanted = tuple(dict.fromkeys([*LOCAL, socket.gethostname(), *hosts]))
    with alone_in(folder):
        kept = _read(folder)
        if (
            kept is not None
            and set(wanted) <= set(kept.hosts)
            and kept.not_after - utc_now() > timedelta(days=RENEW_DAYS)
        ):
            return kept
        # Hosts that it was for stay: two programs that name different ones must not renew it in turns.
        _write(folder, tuple(dict.fromkeys([*wanted, *(kept.hosts if kept else ())])))
        made = _read(folder)
    if made is None:
        raise ConfigError(f"{folder / CERTIFICATE_NAME}: has gone while it was made; try again")
    return made


def _read(folder: Path) -> Certificate | None:
    path, key_path = folder / CERTIFICATE_NAME, folder / KEY_NAME
    if not (path.is_file() and key_path.is_file()):
        return None
    check_private(key_path)
    x509 = _cryptography()
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    try:
        one = x509.load_pem_x509_certificate(path.read_bytes())
        key = load_pem_private_key(key_path.read_bytes(), None)
    except (ValueError, TypeError, OSError):
        raise FileFormatError(
            f"{path}: it or its key {key_path.name} cannot be read, need both as `rtbci keys certificate` makes them; "
            "remove both"
        ) from None
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    if one.public_key().public_bytes(*form) != key.public_key().public_bytes(*form):
        return None  # the power went between the two files
    digest = hashlib.sha256(one.public_bytes(Encoding.DER)).hexdigest().upper()
    fingerprint = ":".join(digest[i : i + 2] for i in range(0, len(digest), 2))
    return Certificate(path, key_path, fingerprint, _hosts_of(one), one.not_valid_after_utc)


def _hosts_of(one: "x509.Certificate") -> tuple[str, ...]:
    x509 = _cryptography()
    with suppress(x509.ExtensionNotFound):
        names = one.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return tuple(str(name.value) for name in names)
    return ()


def _write(folder: Path, hosts: Sequence[str]) -> None:
    x509 = _cryptography()
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "rtbci on this computer")])
    now = utc_now()
    alternatives = x509.SubjectAlternativeName([_host(host) for host in hosts])
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    one = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # clocks of other computers differ
        .not_valid_after(now + timedelta(days=VALID_DAYS))
        .add_extension(alternatives, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        write_whole(folder / KEY_NAME, private, private=True)
        write_whole(folder / CERTIFICATE_NAME, one.public_bytes(serialization.Encoding.PEM), private=True)
    except OSError as error:
        raise ConfigError(
            f"{folder}: cannot be written to ({error.strerror or error}); check the disk"
        ) from None


def _host(host: str) -> Any:
    x509 = _cryptography()
    with suppress(ValueError):
        return x509.IPAddress(ipaddress.ip_address(host))
    try:
        return x509.DNSName(host)
    except ValueError:
        raise ConfigError(f"certificate: host is {host!r}, need a name in ASCII or an address") from None


def _cryptography() -> Any:
    try:
        from cryptography import x509
    except ImportError:
        raise MissingPackageError(
            "certificate: the package cryptography is not installed, need it to make certificates; "
            f"{pip_extra('secure')}"
        ) from None
    return x509
