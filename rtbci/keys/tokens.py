"""Tokens for those who have no key pair, as a browser: random texts, of which only a hash is kept."""

import hashlib
import hmac
import secrets
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from rtbci.clock import utc_now
from rtbci.errors import ConfigError
from rtbci.keys.folder import alone_in, check_name, keys_root, read_private, without, write_private
from rtbci.keys.roles import Role

__all__ = ["Token", "check_token", "list_tokens", "new_token", "revoke_token"]

PREFIX = "rtbci_"
"""What every token begins with, so that one that has got somewhere it should not be can be searched for."""

MAX_LETTERS = 256
FILE_NAME = "tokens.json"


class Token(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is kept of a token.

    Parameters
    ----------
    name : str
        Whose it is.
    role : {'listener', 'controller'}
        What they may do.
    sha256 : str
        Of the token, hexadecimal. A token has 256 random bits, so that its hash needs neither salt nor work.
    created_utc : str
        When it was made.
    """

    name: str
    role: Role
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    created_utc: str


def new_token(name: str, role: Role = "listener", root: Path | None = None) -> str:
    """Make a token and return it; it cannot be shown again.

    Parameters
    ----------
    name : str
        Whose it is.
    role : {'listener', 'controller'}
        What they may do.
    root : Path, optional
        Folder of keys.

    Raises
    ------
    ConfigError
        When the name is taken or is none, or the folder is open to others.
    """
    check_name("token", name)
    folder = root or keys_root()
    text = PREFIX + secrets.token_urlsafe(32)
    with alone_in(folder):
        kept = list_tokens(folder)
        if any(one.name == name for one in kept):
            raise ConfigError(
                f"token '{name}': is there already, need another name; or revoke it first: `rtbci keys token revoke {name}`"
            )
        made = Token(
            name=name, role=role, sha256=_hash(text), created_utc=utc_now().isoformat(timespec="seconds")
        )
        write_private(folder / FILE_NAME, [*kept, made])
    return text


def list_tokens(root: Path | None = None) -> list[Token]:
    """Return what is kept of all tokens, oldest first.

    Raises
    ------
    ConfigError, FileFormatError
        When the file is open to others, or damaged.
    """
    return read_private((root or keys_root()) / FILE_NAME, list[Token]) or []


def revoke_token(name: str, root: Path | None = None) -> None:
    """Let a token count no longer, from the next `check_token` on.

    Raises
    ------
    ConfigError
        When there is none of that name.
    """
    folder = root or keys_root()
    with alone_in(folder):
        left = without(list_tokens(folder), name, "token", "there is none of that name")
        write_private(folder / FILE_NAME, left)


def check_token(text: str, root: Path | None = None) -> Role | None:
    """Return what somebody with this token may do, None when it is no token.

    The file is read anew each time, so that a revoked token counts no longer; it takes about 0.1 ms. The time that it takes
    does not depend on how much of a token is right.

    Parameters
    ----------
    text : str
        What was given as a token; may be anything.
    root : Path, optional
        Folder of keys.

    Raises
    ------
    ConfigError, FileFormatError
        When the file is open to others, or damaged: then nobody may be let in.
    """
    given = _hash(text[: MAX_LETTERS + 1])
    found: Role | None = None
    for one in list_tokens(root):  # all of them, whichever it is
        if hmac.compare_digest(given, one.sha256):
            found = one.role
    return found


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
