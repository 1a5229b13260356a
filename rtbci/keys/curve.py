"""Key pairs for CURVE, ZeroMQ's encryption: made, kept and read. A secret key is never shown."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import zmq
from msgspec import Meta, Struct
from zmq.utils import z85

from rtbci.clock import utc_now
from rtbci.errors import ConfigError, FileFormatError
from rtbci.installing import pip_install
from rtbci.keys.folder import alone_in, check_name, keys_root, private_folder, read_private, write_private

__all__ = [
    "DEFAULT_KEY",
    "KeyPair",
    "list_keys",
    "new_key",
    "public_key_of",
    "read_key",
    "z85_of",
]

DEFAULT_KEY = "default"
"""Name of the key pair that is taken when none is named."""

OWN = "own"
Hex = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class _KeyFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    public: Hex
    secret: Hex
    created_utc: str


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A key pair of this user.

    Parameters
    ----------
    name : str
        What it is called on this computer.
    public : bytes, length 32
        What others are given.
    secret : bytes, length 32
        Never leaves this computer; not shown by `repr`.
    """

    name: str
    public: bytes
    secret: bytes = field(repr=False)


def new_key(name: str = DEFAULT_KEY, root: Path | None = None, *, replace: bool = False) -> KeyPair:
    """Make a key pair and keep it.

    Parameters
    ----------
    name : str
        What it is called on this computer.
    root : Path, optional
        Folder of keys.
    replace : bool
        Put it in the place of one of the same name.

    Raises
    ------
    ConfigError
        When the name is taken or is none, the folder is open to others, or ZeroMQ was built without CURVE.
    """
    check_name("key", name)
    if not zmq.has("curve"):
        raise ConfigError(
            "key: this ZeroMQ was built without CURVE, need libsodium in it; "
            f"{pip_install('--force-reinstall', 'pyzmq')} (its wheels have it)"
        )
    folder = root or keys_root()
    with alone_in(folder):
        path = private_folder(folder / OWN) / f"{name}.json"
        if path.exists() and not replace:
            raise ConfigError(
                f"key '{name}': is there already ({path}), need another name; or --replace, after which nobody who trusts "
                "the old one is reached"
            )
        public, secret = map(z85.decode, zmq.curve_keypair())
        made = _KeyFile(
            name=name,
            public=public.hex(),
            secret=secret.hex(),
            created_utc=utc_now().isoformat(timespec="seconds"),
        )
        write_private(path, made)
    return KeyPair(name, public, secret)


def read_key(name: str = DEFAULT_KEY, root: Path | None = None) -> KeyPair:
    """Read a key pair of this user.

    Raises
    ------
    ConfigError
        When there is none of that name, or others may read it.
    FileFormatError
        When the file is damaged.
    """
    path = (root or keys_root()) / OWN / f"{check_name('key', name)}.json"
    kept = read_private(path, _KeyFile)
    if kept is None:
        names = ", ".join(one.name for one in list_keys(root)) or "none"
        more = "" if name == DEFAULT_KEY else f" {name}"
        raise ConfigError(
            f"key '{name}': there is none of that name, have {names}; `rtbci keys new{more}` makes it"
        )
    pair = KeyPair(name, bytes.fromhex(kept.public), bytes.fromhex(kept.secret))
    if z85.decode(zmq.curve_public(z85.encode(pair.secret))) != pair.public:
        raise FileFormatError(
            f"{path}: its two halves are not of one pair, need the file as `rtbci keys` wrote it; make a new one"
        )
    return pair


def list_keys(root: Path | None = None) -> list[KeyPair]:
    """Return all key pairs of this user, by name; see `read_key` for what it raises."""
    folder = (root or keys_root()) / OWN
    return [read_key(path.stem, root) for path in sorted(folder.glob("[!.]*.json"))]


def public_key_of(text: str) -> bytes:
    """Return a public key from its text: 64 hexadecimal digits, or 40 letters of Z85 as ZeroMQ shows it.

    Raises
    ------
    ConfigError
        When it is neither; the text is not in the message, because it might be a secret.
    """
    bare = text.strip()
    try:
        if len(bare) == 64:
            return bytes.fromhex(bare)
        if len(bare) == 40:
            return bytes(z85.decode(bare.encode("ascii")))
    except (ValueError, KeyError):
        pass
    raise ConfigError(
        f"public key: {len(bare)} letters that are no key, need 64 hexadecimal digits, or the 40 letters of ZeroMQ (Z85), as "
        "`rtbci keys show` gives them"
    )


def z85_of(public: bytes) -> str:
    """Text of a key as other programs with ZeroMQ take it."""
    return str(z85.encode(public).decode("ascii"))
