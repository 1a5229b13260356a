"""A recipe that says only in what it differs from another one.

``extends = "NAME"`` takes over what that recipe says, itself resolved first: a table key by key, anything else (``classes``,
``[[stages]]``, ``[[branches]]``) as a whole, where it is not said here. ``without`` names keys that are not taken over; a table
that is named there and said here stands alone. What is a recipe's own, as its name, is never taken over.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rtbci.errors import ConfigError
from rtbci.settings import read_toml

__all__ = ["joined", "resolved"]

EXTENDS, WITHOUT = "extends", "without"

Find = Callable[[str, Path | None], Path]
Content = dict[str, Any]


def resolved(path: Path, find: Find, own: Sequence[str], file_name: str) -> tuple[Content, list[Path]]:
    """Read a file of a recipe's folder, with what it takes over from other folders' `file_name`.

    Parameters
    ----------
    path : Path
    find : callable
        Folder of a recipe by its name and the folder of the one that names it; raises `ConfigError` where there is none.
    own : sequence of str
        Keys that are never taken over.
    file_name : str

    Returns
    -------
    content : dict
        As one file that says everything itself.
    files : list of Path
        The file, and those that it extends, the nearest first.

    Raises
    ------
    ConfigError
        When a file cannot be read, what it extends is not there or leads back to itself, or `without` names what is not
        taken over.
    """
    return _resolved(path, _Rules(find, (EXTENDS, WITHOUT, *own), file_name), ())


def joined(files: Sequence[Path]) -> str:
    """Files that extend each other, for messages."""
    return " extends ".join(str(one) for one in files)


class _Rules(NamedTuple):
    find: Find
    own_keys: Sequence[str]
    file_name: str


def _resolved(path: Path, rules: _Rules, above: tuple[Path, ...]) -> tuple[Content, list[Path]]:
    here = path.resolve()
    if here in above:
        way = " -> ".join(one.parent.name for one in (*above, here))
        raise ConfigError(
            f"{path}: extends itself ({way}), need one that stands alone at the end; correct one of them"
        )
    own = read_toml(path)
    base, without = _said(own, path)
    if base is None:
        return own, [path]
    try:
        found = rules.find(base, path.parent)
    except ConfigError as error:
        raise ConfigError(f"{path}: extends: {error}") from None
    taken, files = _resolved(found / rules.file_name, rules, (*above, here))
    inherited = {
        key: _moved(value, found, path.parent) for key, value in taken.items() if key not in rules.own_keys
    }
    if unknown := sorted(set(without) - set(inherited)):
        raise ConfigError(
            f"{path}: without: names {', '.join(unknown)}, need keys of what it extends: {', '.join(sorted(inherited))}"
        )
    kept = {key: value for key, value in inherited.items() if key not in without}
    return _merged(kept, {key: x for key, x in own.items() if key not in (EXTENDS, WITHOUT)}), [path, *files]


def _said(own: Content, path: Path) -> tuple[str | None, list[str]]:
    """Which recipe it extends, and without what."""
    base, without = own.get(EXTENDS), own.get(WITHOUT, [])
    if base is not None and not (isinstance(base, str) and base.strip()):
        raise ConfigError(f"{path}: extends: got {base!r}, need the name or folder of a recipe")
    if not (isinstance(without, list) and all(isinstance(one, str) for one in without)):
        raise ConfigError(f"{path}: without: got {without!r}, need a list of keys")
    if WITHOUT in own and base is None:
        raise ConfigError(f"{path}: without: there is no extends, need one to leave keys out of; remove it")
    return base, without


def _moved(value: Any, old: Path, new: Path) -> Any:
    """The same in another folder: engines that are named by a path from the old one."""
    if not isinstance(value, list):
        return value
    return [_moved_branch(one, old, new) if isinstance(one, dict) else one for one in value]


def _moved_branch(table: Content, old: Path, new: Path) -> Content:
    engine = table.get("engine")
    if not (isinstance(engine, str) and "/" in engine) or Path(engine).is_absolute():
        return table
    return table | {"engine": os.path.relpath(old / engine, new)}


def _merged(base: Mapping[str, Any], own: Mapping[str, Any]) -> Content:
    found = dict(base)
    for key, value in own.items():
        before = found.get(key)
        found[key] = _merged(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return found
