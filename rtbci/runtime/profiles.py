"""Which profile a name means: a path, a user, ``user@generation``, or ``population``."""

from pathlib import Path

from platformdirs import user_data_path

from rtbci.errors import ProfileError
from rtbci.probe.profile import generations, newest_profile, read_profile
from rtbci.probe.user_names import USER_NAME, check_user
from rtbci.runtime.parts import POPULATION

__all__ = ["all_profiles_root", "find_profile", "generation_name", "profiles_root", "split_name"]


def all_profiles_root() -> Path:
    """Folder with one folder of profiles for each paradigm: ``<user data>/rtbci/profiles``."""
    return user_data_path("rtbci", appauthor=False) / "profiles"


def profiles_root(paradigm: str) -> Path:
    """Folder of the users' profiles for a paradigm: ``<user data>/rtbci/profiles/<paradigm>``."""
    return all_profiles_root() / paradigm


def generation_name(folder: Path) -> str:
    """How a generation's folder is called on the command line: ``u01@3``."""
    return f"{folder.parent.name}@{int(folder.name)}"


def split_name(name: str) -> tuple[str, int | None]:
    """Take ``user@generation`` apart; without a generation it is None, which means the newest.

    Raises
    ------
    ProfileError
        When the user's name has letters that it must not have, or the generation is no number.
    """
    user, at, number = name.partition("@")
    if not USER_NAME.fullmatch(user) or (at and not (number.isascii() and number.isdecimal())):
        raise ProfileError(
            f"profile '{name}': need USER or USER@GENERATION, as u01 or u01@3, of letters, digits, '_', '.', '-'; "
            "`rtbci profile list` shows those that there are"
        )
    return user, int(number) if at else None


def find_profile(paradigm: str, name: str = "", user: str = "") -> Path | None:
    """Find the profile to decode with.

    Parameters
    ----------
    paradigm : str
        Name of the paradigm.
    name : str
        Path of a profile, name of a user, ``"user@generation"``, or ``"population"``; empty: the newest of
        `user`, and the population decoder when there is none.
    user : str
        Whose, when `name` is empty.

    Returns
    -------
    Path or None
        None: the population decoder that the paradigm names.

    Raises
    ------
    ProfileError
        When `name` is given and means nothing, nobody can be called `user`, or the newest profile is broken: an older one is
        named in the message, but never taken unasked.
    """
    root = profiles_root(paradigm)
    if not name:
        if user:
            check_user(user, ProfileError, root)
        return _newest(root, user) if user else None
    if name == POPULATION:
        return None
    if (Path(name) / "profile.json").is_file():
        return Path(name)
    if USER_NAME.fullmatch(name.partition("@")[0]):
        owner, number = split_name(name)
        found = _newest(root, owner) if number is None else _numbered(root, owner, number)
        if found is not None:
            return found
        check_user(owner, ProfileError, root)
    if Path(name).is_file():
        raise ProfileError(
            f"profile '{name}': is a file, need a folder with a profile.json or a user with a profile in {root}; "
            f"`rtbci profile import {name}` makes an exported one its user's newest"
        )
    raise ProfileError(
        f"profile '{name}': is neither a folder with a profile.json nor a user with a profile in {root}, need "
        "one of them; give a path, or 'population'"
    )


def _numbered(root: Path, user: str, number: int) -> Path | None:
    """One generation; None when the user has none at all."""
    kept = {int(folder.name): folder for folder in generations(root, user)}
    if kept and number not in kept:
        raise ProfileError(
            f"profile '{user}@{number}': is not there, have generations {', '.join(map(str, kept))} in {root}; "
            "name one of these"
        )
    return kept.get(number)


def _newest(root: Path, user: str) -> Path | None:
    """The newest generation, once it has been read; None when there is none."""
    newest = newest_profile(root, user)
    if newest is None:
        return None
    try:
        read_profile(newest)
    except ProfileError as error:
        raise ProfileError(f"{error}; {_way_out(root, user)}") from error
    return newest


def _way_out(root: Path, user: str) -> str:
    for folder in reversed(generations(root, user)[:-1]):
        try:
            read_profile(folder)
        except ProfileError:
            continue
        name = generation_name(folder)
        return (
            f"{name} is the newest that is sound: name it, or make it the newest with `rtbci profile rollback {user} "
            f"--to {int(folder.name)}`"
        )
    return f"no generation of '{user}' is sound; name 'population' or calibrate again"
