"""What profiles there are, sound and broken, and how one is made the newest or deleted."""

import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import msgspec

from rtbci.errors import ProfileError
from rtbci.probe.calibration_record import CalibrationRecord, has_record, read_record, write_record
from rtbci.probe.profile import (
    Profile,
    generations,
    keep_number,
    read_profile,
    write_generation,
)
from rtbci.runtime.profiles import all_profiles_root, generation_name, profiles_root
from rtbci.system.names import give_name

__all__ = [
    "KeptGeneration",
    "add_generation",
    "delete_generation",
    "delete_user",
    "list_generations",
    "paradigms_with_profiles",
    "previous_generation",
    "read_record_beside",
    "same_as",
    "unfinished_writes",
    "users_of",
]

UNFINISHED = re.compile(r"\.(\d+)-.+")
"""Names that `write_profile` gives to folders until they are complete."""


@dataclass(frozen=True)
class KeptGeneration:
    """One generation of a user.

    Parameters
    ----------
    folder : Path
    profile : Profile or None
        None: it is broken.
    fault : str
        Why it is broken; empty when it is sound.
    is_newest : bool
        Whether it is what `rtbci run --user` takes.
    """

    folder: Path
    profile: Profile | None
    fault: str
    is_newest: bool

    @property
    def number(self) -> int:
        """The generation's number."""
        return int(self.folder.name)


def paradigms_with_profiles() -> list[str]:
    """Names of all paradigms that somebody has a profile for."""
    root = all_profiles_root()
    return sorted(one.name for one in root.iterdir() if one.is_dir()) if root.is_dir() else []


def users_of(paradigm: str) -> list[str]:
    """Users with a profile, or a half-written one, for a paradigm."""
    root = profiles_root(paradigm)
    folders = sorted(root.iterdir()) if root.is_dir() else []
    return [
        one.name
        for one in folders
        if one.is_dir() and (generations(root, one.name) or unfinished_writes(one))
    ]


def list_generations(paradigm: str, user: str) -> list[KeptGeneration]:
    """All generations of a user, oldest first; broken ones with the reason."""
    kept = generations(profiles_root(paradigm), user)
    return [_read_one(folder, is_newest=folder == kept[-1]) for folder in kept]


def unfinished_writes(user_folder: Path) -> list[Path]:
    """What a process left that was killed while it wrote, or is writing now."""
    return sorted(
        one for one in user_folder.iterdir() if one.is_dir() and UNFINISHED.fullmatch(one.name) is not None
    )


def previous_generation(paradigm: str, user: str) -> KeptGeneration:
    """What a rollback goes to when it is not told: the newest sound one that differs from the newest of all.

    Raises
    ------
    ProfileError
        When there is none.
    """
    kept = list_generations(paradigm, user)
    for one in reversed(kept[:-1]):
        if one.profile is not None and not _same(one.profile, kept[-1].profile):
            return one
    raise ProfileError(
        f"profiles of '{user}': {len(kept)} generations for paradigm '{paradigm}', need an older, sound one that "
        "differs from the newest; `rtbci profile list` shows them"
    )


def add_generation(paradigm: str, profile: Profile, record: CalibrationRecord | None) -> Path:
    """Write a profile, and what its calibration found, as its user's next generation; returns the folder."""
    folder = write_generation(profiles_root(paradigm), profile)
    if record is not None:
        number = int(folder.name)
        write_record(folder, msgspec.structs.replace(record, user=profile.user, generation=number))
    return folder


def read_record_beside(folder: Path) -> CalibrationRecord | None:
    """What the calibration of a profile found, or None where that was not kept.

    Raises
    ------
    FileFormatError
        When it is there and cannot be read.
    """
    return read_record(folder) if has_record(folder) else None


def delete_generation(folder: Path) -> None:
    """Delete one generation; its number is not given again."""
    keep_number(folder)
    _delete(folder)


def delete_user(paradigm: str, user: str) -> None:
    """Delete a user's folder with everything in it; a later calibration begins at generation 1 again."""
    _delete(profiles_root(paradigm) / user)


def same_as(one: KeptGeneration, kept: list[KeptGeneration]) -> str:
    """Name of the oldest other generation that decodes the same, or empty."""
    if one.profile is None:
        return ""
    for other in kept:
        if other.number < one.number and _same(one.profile, other.profile):
            return generation_name(other.folder)
    return ""


def _read_one(folder: Path, *, is_newest: bool) -> KeptGeneration:
    try:
        return KeptGeneration(folder, read_profile(folder), "", is_newest)
    except (ProfileError, OSError) as error:
        return KeptGeneration(folder, None, str(error), is_newest)


def _same(a: Profile | None, b: Profile | None) -> bool:
    """Whether two profiles are the same but for their number."""
    if a is None or b is None:
        return False
    plain_a, plain_b = (msgspec.structs.replace(one, generation=0, weights={}) for one in (a, b))
    return plain_a == plain_b  # the tensors too: their sha256 is one of the fields


def _delete(folder: Path) -> None:
    """Take a folder away in one step, then delete its files: no reader sees half of it."""
    away = Path(tempfile.mkdtemp(prefix=".deleted-", dir=folder.parent))
    give_name(folder, away / folder.name)
    shutil.rmtree(away)
