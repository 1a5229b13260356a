"""Public keys of others: who may listen, who may control, and which runtimes are the ones they say they are."""

import os
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from rtbci.clock import utc_now
from rtbci.errors import ConfigError
from rtbci.keys.curve import public_key_of
from rtbci.keys.folder import alone_in, check_name, keys_root, read_private, without, write_private
from rtbci.keys.roles import Role

__all__ = ["Trusted", "TrustedKeys", "TrustedRole", "list_trusted", "revoke", "server_key_of", "trust"]

TrustedRole = Literal["listener", "controller", "server"]
"""What a key is trusted for; a server is a runtime that this user connects to, and may not connect itself."""

FILE_NAME = "trusted.json"


class Trusted(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A public key of somebody else.

    Parameters
    ----------
    name : str
        Whose it is.
    role : {'listener', 'controller', 'server'}
        What it is trusted for.
    public : str
        64 hexadecimal digits.
    added_utc : str
        Since when.
    """

    name: str
    role: TrustedRole
    public: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    added_utc: str


def trust(name: str, key: str, role: TrustedRole = "listener", root: Path | None = None) -> Trusted:
    """Trust a public key from now on; a run that is going on sees it at once.

    Raises
    ------
    ConfigError
        When the name or the key is there already, or is none; or the folder is open to others.
    """
    check_name("trust", name)
    public = public_key_of(key).hex()
    folder = root or keys_root()
    with alone_in(folder):
        kept = list_trusted(folder)
        for one in kept:
            if one.name == name or one.public == public:
                raise ConfigError(
                    f"trust '{name}': {'that name' if one.name == name else 'that key'} is trusted already ({one.name}, "
                    f"{one.role}), need another one; `rtbci keys revoke {one.name}` first"
                )
        made = Trusted(name=name, role=role, public=public, added_utc=utc_now().isoformat(timespec="seconds"))
        write_private(folder / FILE_NAME, [*kept, made])
    return made


def revoke(name: str, root: Path | None = None) -> None:
    """Trust a key no longer, from now on.

    Raises
    ------
    ConfigError
        When there is none of that name.
    """
    folder = root or keys_root()
    with alone_in(folder):
        left = without(list_trusted(folder), name, "revoke", "no trusted key has that name")
        write_private(folder / FILE_NAME, left)


def list_trusted(root: Path | None = None) -> list[Trusted]:
    """Return all trusted keys, oldest first.

    Raises
    ------
    ConfigError, FileFormatError
        When the file is open to others, or damaged.
    """
    return read_private((root or keys_root()) / FILE_NAME, list[Trusted]) or []


def server_key_of(text: str, root: Path | None = None) -> bytes:
    """Return the public key of a runtime, by its text or by the name that it is trusted by as a server.

    Raises
    ------
    ConfigError
        When it is neither.
    """
    for one in list_trusted(root):
        if one.name == text and one.role == "server":
            return bytes.fromhex(one.public)
    try:
        return public_key_of(text)
    except ConfigError as error:
        raise ConfigError(
            f"{error}; or the name of one trusted with `rtbci keys trust NAME KEY --role server`"
        ) from None


class TrustedKeys:
    """Who is trusted now: the file is read again whenever it has changed.

    Parameters
    ----------
    root : Path, optional
        Folder of keys.

    Notes
    -----
    Threads: any. A look costs 3 us while the file stays as it is.
    """

    def __init__(self, root: Path | None = None) -> None:
        self._root = root or keys_root()
        self._read: tuple[tuple[int, ...] | None, dict[bytes, Trusted]] = None, {}

    def who(self, public: bytes) -> Trusted | None:
        """Return whose key this is, None when nobody's who is trusted.

        Raises
        ------
        ConfigError, FileFormatError
            When the file is open to others, or damaged: then nobody may be let in.
        """
        return self._keys().get(public)

    @property
    def n_users(self) -> int:
        """How many may connect."""
        return sum(one.role != "server" for one in self._keys().values())

    def role_of(self, public: bytes) -> Role | None:
        """Return what somebody with this key may do; None: nothing."""
        found = self.who(public)
        return None if found is None or found.role == "server" else found.role

    def _keys(self) -> dict[bytes, Trusted]:
        try:
            state = os.stat(self._root / FILE_NAME)
        except FileNotFoundError:
            return {}
        except OSError as error:  # a folder that was closed or replaced must not end the run
            raise ConfigError(
                f"{self._root / FILE_NAME}: cannot be read ({error.strerror or error}); check its permissions"
            ) from None
        stamp = (state.st_ino, state.st_mtime_ns, state.st_ctime_ns, state.st_size)
        known, keys = self._read
        if stamp != known:
            keys = {bytes.fromhex(one.public): one for one in list_trusted(self._root)}
            self._read = stamp, keys  # at once: other threads see both or neither
        return keys
