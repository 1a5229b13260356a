"""Where rtbci publishes and listens for control by default, and which addresses it agrees to bind."""

import re
from pathlib import Path

from rtbci.errors import ConfigError

__all__ = ["CONTROL_ADDRESS", "PUBLISH_ADDRESS", "check_bind_address", "is_local", "port_owner"]

PUBLISH_ADDRESS = "tcp://127.0.0.1:5571"
"""Where messages are published unless said otherwise."""

CONTROL_ADDRESS = "tcp://127.0.0.1:5572"
"""Where control requests are taken unless said otherwise."""

_TCP = re.compile(r"tcp://(?P<host>\[[0-9a-fA-F:.%\w]+\]|[\w.*-]+):(?P<port>\d{1,5}|\*)")
_LISTENING = "0A"  # state of a listening socket in /proc/net/tcp


def is_local(address: str) -> bool:
    """Whether only programs of this machine can reach an address."""
    if address.startswith("ipc://"):
        return True
    match = _TCP.fullmatch(address)
    return match is not None and bool(
        re.fullmatch(r"127(\.\d{1,3}){3}|localhost|lo|\[::1\]", match.group("host"))
    )


def check_bind_address(where: str, address: str, insecure: bool, encrypted: bool = False) -> None:
    """Refuse an address that is malformed, or that others on the network could reach unencrypted.

    Raises
    ------
    ConfigError
        Says what is needed.
    """
    match = _TCP.fullmatch(address)
    # ZeroMQ takes a port above 65535 modulo 65536, without a word.
    port_is_wrong = match is None or (match.group("port") != "*" and int(match.group("port")) > 65_535)
    if port_is_wrong and not (address.startswith("ipc://") and len(address) > len("ipc://")):
        raise ConfigError(
            f"{where}: address is {address!r}, need tcp://HOST:PORT (0 to 65535, 0 picks a free one) or ipc://PATH"
        )
    if not (insecure or encrypted or is_local(address)):
        raise ConfigError(
            f"{where}: {address} can be reached from the network and there is no key to encrypt with, need one; "
            f"`rtbci keys new` makes it (docs/security.md), or use {PUBLISH_ADDRESS.rsplit(':', 1)[0]}:PORT, or "
            f"say insecure = true when everybody on this network may read and send"
        )


def port_owner(port: int) -> str:
    """Say which process listens on a TCP port of this machine.

    Returns
    -------
    str
        ``"process 4711 (python)"``; ``"another program"`` when that cannot be seen (another user's process,
        a system without /proc).
    """
    inodes = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    for fd in Path("/proc").glob("[0-9]*/fd/*") if inodes else ():
        try:
            if str(fd.readlink()) in inodes:
                process = fd.parents[1]
                return f"process {process.name} ({(process / 'comm').read_text().strip()})"
        except OSError:  # the process has ended, or is not ours to look at
            continue
    return "another program"


def _listening_inodes(port: int) -> list[str]:
    found = []
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        try:
            rows = table.read_text().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            fields = row.split()
            if fields[3] == _LISTENING and int(fields[1].rsplit(":", 1)[1], 16) == port:
                found.append(fields[9])
    return found
