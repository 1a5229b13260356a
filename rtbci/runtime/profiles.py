"""Which profile a name means."""

from pathlib import Path

from platformdirs import user_data_path

from rtbci.errors import ProfileError
from rtbci.probe.profile import newest_profile
from rtbci.runtime.parts import POPULATION

__all__ = ["find_profile", "profiles_root"]


def profiles_root(paradigm: str) -> Path:
    """Folder of the users' profiles for a paradigm: ``<user data>/rtbci/profiles/<paradigm>``."""
    return user_data_path("rtbci") / "profiles" / paradigm


def find_profile(paradigm: str, name: str = "", user: str = "") -> Path | None:
    """Find the profile to decode with.

    Parameters
    ----------
    paradigm : str
        Name of the paradigm.
    name : str
        Path of a profile, name of a user, or ``"population"``; empty: the newest of `user`, and the
        population decoder when there is none.
    user : str
        Whose, when `name` is empty.

    Returns
    -------
    Path or None
        None: the population decoder that the paradigm names.

    Raises
    ------
    ProfileError
        When `name` is given and means nothing.
    """
    root = profiles_root(paradigm)
    if not name:
        return newest_profile(root, user) if user else None
    if name == POPULATION:
        return None
    if (Path(name) / "profile.json").is_file():
        return Path(name)
    if (found := newest_profile(root, name)) is not None:
        return found
    raise ProfileError(
        f"profile '{name}': is neither a folder with a profile.json nor a user with a profile in {root}, need "
        "one of them; give a path, or 'population'"
    )
