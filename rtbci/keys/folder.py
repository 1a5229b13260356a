"""The folder of keys: only its owner may read it, and what others could read is refused."""

import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec
from filelock import FileLock, Timeout
from platformdirs import user_config_path

from rtbci.errors import ConfigError, FileFormatError
from rtbci.files import write_whole
from rtbci.system.windows import is_windows

__all__ = [
    "alone_in",
    "check_name",
    "check_private",
    "keys_root",
    "private_folder",
    "read_private",
    "without",
    "write_private",
]

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
OTHERS = stat.S_IRWXG | stat.S_IRWXO
LOCK_S = 10.0
T = TypeVar("T")


class _Named(Protocol):
    @property
    def name(self) -> str: ...


N = TypeVar("N", bound=_Named)


def keys_root() -> Path:
    """Folder of keys, tokens and certificate: ``rtbci/keys`` in the user's configuration folder."""
    return user_config_path("rtbci", appauthor=False) / "keys"


def check_name(where: str, name: str) -> str:
    """Return a name that is fit for a file.

    Raises
    ------
    ConfigError
        When it is not.
    """
    if not NAME.fullmatch(name):
        raise ConfigError(
            f"{where}: name is {name[:70]!r}, need 1 to 64 letters, digits, '_', '.' or '-', not beginning with "
            "'.' or '-'"
        )
    return name


def check_private(path: Path) -> None:
    """Refuse a file or folder that others than its owner could read or change.

    Raises
    ------
    ConfigError
        Says the mode and the command that mends it. Not on Windows, where there are no such modes.
    """
    if is_windows():
        return
    state = path.stat()
    mode = stat.S_IMODE(state.st_mode)
    wanted = 0o700 if stat.S_ISDIR(state.st_mode) else 0o600
    if mode & OTHERS:
        raise ConfigError(
            f"{path}: others may use it (mode {mode:04o}), need {wanted:04o}; `chmod {wanted:o} {path}`, and make new "
            "keys if somebody may have read these"
        )
    if state.st_uid != os.geteuid() and os.geteuid() != 0:
        raise ConfigError(
            f"{path}: belongs to user {state.st_uid}, need one of your own (user {os.geteuid()}); move it away"
        )


def private_folder(folder: Path) -> Path:
    """Make a folder that only its owner may enter, or check the one that is there.

    Raises
    ------
    ConfigError
        When it cannot be made, or others may enter it.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        check_private(folder)
    except OSError as error:
        raise ConfigError(
            f"{folder}: cannot be made ({error.strerror or error}), need a folder for keys; check the folder above it"
        ) from None
    return folder


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Make a private folder where there is none, and let one process at a time change what is in it.

    Raises
    ------
    ConfigError
        When it cannot be made or locked, or others may enter it.
    """
    lock = FileLock(private_folder(folder) / ".lock", timeout=LOCK_S, mode=0o600)
    try:
        lock.acquire()
    except Timeout:
        raise ConfigError(
            f"{folder}: another program has changed keys for {LOCK_S:g} s, need it to end; look for an `rtbci keys` that hangs"
        ) from None
    except OSError as error:
        raise ConfigError(
            f"{folder}: cannot be locked ({error.strerror or error}), need a folder that can be written to; check its permissions"
        ) from None
    try:
        yield
    finally:
        lock.release()


def without(kept: Sequence[N], name: str, where: str, missing: str) -> list[N]:
    """Return what is kept but the one of a name.

    Parameters
    ----------
    kept : sequence
        What has names.
    name : str
        Of the one to leave out.
    where, missing : str
        For the message: who asks, and what there is none of.

    Raises
    ------
    ConfigError
        When there is none of that name.
    """
    left = [one for one in kept if one.name != name]
    if len(left) == len(kept):
        names = ", ".join(one.name for one in kept) or "none"
        raise ConfigError(f"{where} '{name[:70]}': {missing}, have {names}; name one of them")
    return left


def read_private(path: Path, kind: type[T]) -> T | None:
    """Read a JSON file that only its owner may read.

    Parameters
    ----------
    path : Path
        File.
    kind : type
        What it must hold.

    Returns
    -------
    object or None
        None when there is no such file.

    Raises
    ------
    ConfigError
        When others may read the file or its folder, or it cannot be read.
    FileFormatError
        When it is not what it should be; what it holds is never in the message.
    """
    try:
        check_private(path.parent)
        check_private(path)
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read ({error.strerror or error}); check its permissions"
        ) from None
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        # Neither the content nor an error that quotes it is shown: it may be a secret.
        raise FileFormatError(
            f"{path}: is not a file that `rtbci keys` has written, need such a one; remove it and make it again"
        ) from None


def write_private(path: Path, value: object) -> None:
    """Write a JSON file that only its owner may read, whole or not at all.

    Raises
    ------
    ConfigError
        When it cannot be written.
    """
    try:
        write_whole(path, msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n", private=True)
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be written ({error.strerror or error}); check the folder and the disk"
        ) from None
