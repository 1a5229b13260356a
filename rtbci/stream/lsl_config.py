"""An lsl_api.cfg that keeps LSL's discovery on this computer, for whoever asks for it."""

import configparser
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from rtbci.errors import ConfigError
from rtbci.files import write_whole

__all__ = ["LOOPBACK", "Written", "config_path", "restore_config", "write_loopback_config"]

BACKUP_SUFFIX = ".before-rtbci"
HERE = "lsl_api.cfg"

LOOPBACK: Mapping[str, Mapping[str, str]] = {
    "multicast": {
        "ResolveScope": "machine",
        "ListenAddress": "127.0.0.1",
        "AddressesOverride": "{127.0.0.1}",
    },
    "ports": {"IPv6": "disable"},
    "lab": {"KnownPeers": "{}"},
}
"""Streams are looked for on this computer alone, and answer nobody else who looks for them."""


class Written(NamedTuple):
    """What was done.

    Parameters
    ----------
    path : Path
        The configuration.
    backup : Path or None
        What it was before; None when there was none.
    read_instead : Path or None
        A file that liblsl reads in its place, where rtbci was started.
    """

    path: Path
    backup: Path | None
    read_instead: Path | None


def config_path() -> Path:
    """The user's own configuration of liblsl: what ``LSLAPICFG`` names, or ``~/lsl_api/lsl_api.cfg``."""
    named = os.environ.get("LSLAPICFG")
    return Path(named) if named else Path("~/lsl_api/lsl_api.cfg").expanduser()


def write_loopback_config(path: Path | None = None) -> Written:
    """Write a configuration with which LSL streams are found on this computer only.

    All else that an existing configuration says stays; as it was, it is kept beside.

    Raises
    ------
    ConfigError
        When the existing one cannot be read, or nothing can be written there.

    Notes
    -----
    liblsl has no setting for the address that data goes out by: a stream's TCP port stays open on all interfaces to whoever
    tries the ports 16572 to 16604. Only a firewall closes it.
    """
    target = path or config_path()
    parser = _parser()
    try:
        before = target.read_text(encoding="utf-8") if target.is_file() else None
        parser.read_string(before or "")
        backup = None
        if before is not None:
            backup = target.with_name(target.name + BACKUP_SUFFIX)
            if not backup.exists():  # else it is from before the first time, which is what is wished for back
                write_whole(backup, before.encode("utf-8"))
        for section, values in LOOPBACK.items():
            if not parser.has_section(section):
                parser.add_section(section)
            for key, value in values.items():
                parser.set(section, key, value)
        if not parser.has_section("log"):
            parser.read_dict({"log": {"level": "-1"}})  # warnings and errors, as rtbci has it without a file
        text = io.StringIO()
        parser.write(text)
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, text.getvalue().encode("utf-8"))
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        raise ConfigError(
            f"{target}: cannot be read or written ({error}), need a configuration of liblsl; mend or move it"
        ) from None
    here = Path(HERE)
    is_covered = here.is_file() and "LSLAPICFG" not in os.environ and here.resolve() != target.resolve()
    return Written(target, backup, here.resolve() if is_covered else None)


def restore_config(path: Path | None = None) -> Written:
    """Take a configuration back: what was there before is there again, or nothing.

    Raises
    ------
    ConfigError
        When rtbci has not written it, or nothing can be written there.
    """
    target = path or config_path()
    backup = target.with_name(target.name + BACKUP_SUFFIX)
    try:
        if backup.is_file():
            backup.replace(target)
            return Written(target, backup, None)
        if target.is_file() and _is_ours(target.read_text(encoding="utf-8")):
            target.unlink()
            return Written(target, None, None)
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        raise ConfigError(f"{target}: cannot be restored ({error}); check its permissions") from None
    raise ConfigError(
        f"{target}: is not a configuration that rtbci has written, there is nothing to take back"
    )


def _is_ours(text: str) -> bool:
    parser = _parser()
    parser.read_string(text)
    extra = set(parser.sections()) - {*LOOPBACK, "log"}
    return not extra and all(
        parser.has_section(name) and dict(parser.items(name)) == dict(values)
        for name, values in LOOPBACK.items()
    )


def _parser() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # liblsl tells upper case from lower
    return parser
