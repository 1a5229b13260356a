"""Profiles on disk: written at once or not at all, read with every check."""

import errno
import hashlib
import shutil
import tempfile
from pathlib import Path

import msgspec
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from rtbci.errors import ProfileError
from rtbci.files import made, sync_folder, write_synced, write_whole
from rtbci.probe.profile_record import (
    SCHEMA,
    SPREAD_NAME,
    Accuracy,
    BaselineEntry,
    BranchEntry,
    Probe,
    Profile,
    Weights,
    chain_hash,
    check_profile,
    join_tensors,
)
from rtbci.probe.user_names import check_user
from rtbci.system.names import give_name

__all__ = [
    "JSON_NAME",
    "WEIGHTS_NAME",
    "Accuracy",
    "BaselineEntry",
    "BranchEntry",
    "Probe",
    "Profile",
    "Weights",
    "chain_hash",
    "decoder_id",
    "generations",
    "join_tensors",
    "keep_number",
    "newest_profile",
    "read_profile",
    "write_generation",
    "write_profile",
]

JSON_NAME = "profile.json"
WEIGHTS_NAME = "weights.safetensors"
HIGHEST_NAME = "highest"
"""File in a user's folder: the highest number that was deleted, so that no number is given twice."""
TAKEN = (errno.EEXIST, errno.ENOTEMPTY)


def read_profile(path: str | Path) -> Profile:
    """Read a profile's folder.

    Raises
    ------
    ProfileError
        When a file is missing or unreadable, the weights are not those that were written, or the
        profile contradicts itself.
    """
    folder = Path(path)
    where = f"profile {folder}"
    try:
        text, blob = (folder / JSON_NAME).read_bytes(), (folder / WEIGHTS_NAME).read_bytes()
    except OSError as error:
        raise ProfileError(
            f"{where}: cannot read {error.filename} ({error.strerror}), need {JSON_NAME} and {WEIGHTS_NAME}; "
            "check the path, or calibrate again"
        ) from error
    try:
        profile = msgspec.json.decode(text, type=Profile)
    except msgspec.DecodeError as error:
        newer = _newer_schema(text)
        hint = f"its schema is {newer}, need {SCHEMA}: use the rtbci that wrote it, " if newer else ""
        raise ProfileError(
            f"{where}: {JSON_NAME} is not a profile ({error}); {hint}take the previous generation, or calibrate again"
        ) from error
    found = hashlib.sha256(blob).hexdigest()
    if found != profile.weights_sha256:
        raise ProfileError(
            f"{where}: {WEIGHTS_NAME} has sha256 {found[:12]}..., need {profile.weights_sha256[:12]}...: the file was "
            "changed or cut short; take the previous generation, or calibrate again"
        )
    try:
        weights = load(blob)
    except (SafetensorError, KeyError) as error:  # a key: of a type of numbers that numpy has not
        raise ProfileError(
            f"{where}: {WEIGHTS_NAME} is no safetensors file of numbers that numpy has ({error}); calibrate again"
        ) from error
    profile = msgspec.structs.replace(profile, weights=weights)
    check_profile(profile, where)
    return profile


def write_profile(path: str | Path, profile: Profile, *, replace: bool = False) -> Profile:
    """Write a profile's folder, atomically: a reader sees all of it or nothing.

    Parameters
    ----------
    path : str or Path
        Folder to make; its parents are made too.
    profile : Profile
        With its weights; `weights_sha256` is filled in.
    replace : bool
        Whether a folder that is already there may be replaced.

    Returns
    -------
    Profile
        As it was written.

    Raises
    ------
    ProfileError
        When the profile contradicts itself, or the folder is there and `replace` is False.
    OSError
        When the disk does not take it; nothing of it stays, nor a folder that was made for it.
    """
    folder = Path(path)
    check_profile(profile, f"profile {folder}")
    if folder.exists() and not replace:
        raise _taken(folder)
    blob = _blob(profile.weights)
    written = msgspec.structs.replace(profile, weights_sha256=hashlib.sha256(blob).hexdigest())
    with made(folder.parent):
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            write_synced(temporary / WEIGHTS_NAME, blob)
            write_synced(temporary / JSON_NAME, _json(written))
            temporary.chmod(0o755)
            _swap_in(temporary, folder, replace=replace)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
    return written


def decoder_id(profile: Profile) -> str:
    """sha256 of what a profile decodes with: of its weights, without what only the next calibration reads (`SPREAD_NAME`).

    Two profiles of one id say the same of a signal; that of a profile without such tensors is its `weights_sha256`.
    """
    used = {name: x for name, x in profile.weights.items() if not name.endswith(f".{SPREAD_NAME}")}
    if len(used) == len(profile.weights):
        return profile.weights_sha256
    return hashlib.sha256(_blob(used)).hexdigest()


def generations(root: str | Path, user: str) -> list[Path]:
    """Folders of a user's profiles, oldest first."""
    folder = Path(root) / user
    if not folder.is_dir():
        return []
    return sorted(
        (one for one in folder.iterdir() if one.name.isdecimal() and one.is_dir()),
        key=lambda one: int(one.name),
    )


def write_generation(root: str | Path, profile: Profile) -> Path:
    """Write a user's next profile to ``<root>/<user>/<generation>/``; earlier ones are kept.

    Several processes may do so at once: each gets a number of its own. A number that was given is never given again,
    also when its profile was deleted (see `keep_number`), so that one who looks for a newer profile finds it.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ProfileError
        See `write_profile`; also when a new user cannot be called so, see `rtbci.probe.user_names`.
    """
    check_profile(profile, f"profile of '{profile.user}'")  # before the user's name becomes a path
    check_user(profile.user, ProfileError, Path(root))
    while True:
        generation = _highest(Path(root) / profile.user) + 1
        folder = Path(root) / profile.user / f"{generation:04d}"
        try:
            write_profile(folder, msgspec.structs.replace(profile, generation=generation))
        except ProfileError:
            if not folder.exists():
                raise
            continue  # somebody else took the number since it was looked up: the next one
        return folder


def keep_number(folder: Path) -> None:
    """Remember the number of a generation that is about to be deleted, so that it is not given again.

    Parameters
    ----------
    folder : Path
        ``<root>/<user>/<generation>``.
    """
    user = folder.parent
    number = max(int(folder.name), _deleted(user))
    write_whole(user / HIGHEST_NAME, f"{number}\n".encode())


def newest_profile(root: str | Path, user: str) -> Path | None:
    """Folder of a user's newest profile, sound or broken, or None when there is none."""
    kept = generations(root, user)
    return kept[-1] if kept else None


def _blob(weights: Weights) -> bytes:
    return save({name: np.ascontiguousarray(x) for name, x in sorted(weights.items())})


def _newer_schema(text: bytes) -> int | None:
    """The schema that a file says it has, where that is a newer one: its other keys may be unknown here."""
    try:
        found = msgspec.json.decode(text, type=_Schema).schema_version
    except (msgspec.DecodeError, RecursionError):  # what it does not know it goes through all the same
        return None
    return found if found > SCHEMA else None


class _Schema(msgspec.Struct):
    schema_version: int = msgspec.field(default=SCHEMA, name="schema")


def _json(profile: Profile) -> bytes:
    content = msgspec.to_builtins(msgspec.structs.replace(profile, weights={}))
    del content["weights"]
    return msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n"


def _highest(user: Path) -> int:
    """The highest number that a user's folder has seen; anything with a number for a name counts."""
    names = [one.name for one in user.iterdir()] if user.is_dir() else []
    return max(_deleted(user), *(int(name) for name in names if name.isdecimal()), 0)


def _deleted(user: Path) -> int:
    try:
        return int((user / HIGHEST_NAME).read_text(encoding="ascii"))
    except FileNotFoundError:
        return 0
    except ValueError as error:
        raise ProfileError(
            f"profiles {user}: {HIGHEST_NAME} is no number ({error}), need the highest that was deleted; remove that file"
        ) from error


def _taken(folder: Path) -> ProfileError:
    return ProfileError(f"profile {folder}: is already there, need a new folder; choose another generation")


def _swap_in(temporary: Path, folder: Path, *, replace: bool) -> None:
    """Put `temporary` where `folder` is; an old folder is gone only when the new one stands."""
    retired = None
    if replace and folder.exists():
        retired = Path(tempfile.mkdtemp(prefix=f".{folder.name}-old-", dir=folder.parent))
        give_name(folder, retired / folder.name)
    try:
        give_name(temporary, folder)  # refused where a folder with files stands by now
    except OSError as error:
        if retired is not None:
            give_name(retired / folder.name, folder)
        elif error.errno in TAKEN:
            raise _taken(folder) from error
        raise
    sync_folder(folder.parent)
    if retired is not None:
        shutil.rmtree(retired)
