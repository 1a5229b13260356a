"""What a user may be called: the name is a folder's, on every system that a profile may go to."""

import re
from pathlib import Path

__all__ = ["USER_NAME", "check_user", "why_not_called"]

USER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
"""Names that Windows keeps for devices, in every folder and with anything behind a dot (Microsoft, Naming Files, Paths, and
Namespaces, 2024)."""


def why_not_called(user: str, *roots: Path) -> str:
    """Why a user cannot be called so, and what to do; empty: a good name.

    Parameters
    ----------
    user : str
        The name.
    *roots : Path
        Folders with one folder for each user. Where it has none of this name, there must be none of a name that differs only in
        capital letters: folders of Windows and macOS do not tell the two apart.
    """
    if not USER_NAME.fullmatch(user):
        return "need 1 to 64 letters, digits, '_', '.', '-', first a letter or digit; choose another name"
    if DEVICES.fullmatch(user):
        return f"Windows keeps this name for a device, need one that profiles can have everywhere; choose another, as 'user-{user}'"
    if user.endswith("."):
        return f"Windows leaves out a '.' at the end, need a name that profiles can have everywhere; choose another, as '{user.rstrip('.')}'"
    for root in roots:
        there = _users(root)
        twins = sorted(name for name in there if name.lower() == user.lower())
        if twins and user not in there:
            return (
                f"there is '{twins[0]}' in {root}, need a name that differs in more than capital letters, which folders of "
                "Windows and macOS do not tell apart; write it as it is there, or choose another name"
            )
    return ""


def check_user(user: str, error: type[Exception], *roots: Path) -> None:
    """Refuse a name that a user cannot have; see `why_not_called`.

    Parameters
    ----------
    user, *roots
        See `why_not_called`.
    error : type
        Of what is raised.

    Raises
    ------
    error
        Says why, and what to do.
    """
    if reason := why_not_called(user, *roots):
        raise error(f"user '{user[:70]}': {reason}")


def _users(root: Path) -> set[str]:
    """Those who have a profile or a calibration there: a mistyped name that came to nothing stands in nobody's way."""
    try:
        return {
            user.name
            for user in root.iterdir()
            if user.is_dir() and any(one.is_dir() for one in user.iterdir())
        }
    except OSError:  # not there, or not for us: whoever reads or writes there says so
        return set()
