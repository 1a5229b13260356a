"""Which weights judge which subject: never those that were trained on the subject, unless asked for."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rtbci.errors import ConfigError, ProfileError
from rtbci.probe.profile import Profile, read_profile
from rtbci.recipes import ParadigmRecipe

__all__ = ["Assignment", "Seen", "assign_folds", "assign_profile", "profile_sha256", "read_assigned"]

Seen = Literal["no", "yes", "unknown"]
"""Whether the weights were trained on the subject; unknown when their profile does not say on whom."""

SUBJECTS_NAME = "subjects.json"


@dataclass(frozen=True, slots=True)
class Assignment:
    """The weights that judge a subject.

    Parameters
    ----------
    fold : str
        Name of the fold; empty for a single profile.
    profile : str
        Folder of the profile; empty when the paradigm's engine needs none.
    engine : str
        Folder of an engine of the fold's own; empty for the paradigm's.
    seen : {'no', 'yes', 'unknown'}
        Whether they were trained on the subject.
    """

    fold: str
    profile: str
    engine: str
    seen: Seen


def assign_profile(
    recipe: ParadigmRecipe,
    profile: Path | None,
    data_set: str,
    subjects: Sequence[str],
    *,
    allow_seen: bool = False,
    is_named: bool = False,
) -> dict[str, Assignment]:
    """Give every subject the same profile.

    Parameters
    ----------
    recipe : ParadigmRecipe
    profile : Path or None
        None: the population profile that the recipe names.
    data_set : str
        Name of the data set.
    subjects : sequence of str
    allow_seen : bool
        Judge subjects that the profile was trained on; every number is then labelled so.
    is_named : bool
        Whether the data set's name was given by a person. A folder's name proves nothing, so without it a subject
        counts as seen when one of the same name was trained on in any data set.

    Raises
    ------
    ProfileError
        When the profile was trained on a subject, and that is not allowed.
    """
    folder = profile if profile is not None else recipe.population_folder
    if folder is None:
        return {subject: Assignment("", "", "", "unknown") for subject in subjects}
    found = read_profile(folder)
    seen: dict[str, Seen] = {subject: _seen(found, data_set, subject, is_named) for subject in subjects}
    refused = [subject for subject, was_seen in seen.items() if was_seen == "yes"]
    if refused and not allow_seen:
        raise ProfileError(
            f"profile {folder}: was trained on {len(refused)} of the {len(subjects)} subjects to judge "
            f"({', '.join(refused[:6])}{', ...' if len(refused) > 6 else ''}), need people it has not seen; judge "
            "with --folds, give --seen to judge all the same (every number is then labelled), or --dataset NAME "
            "when these are other people of the same names"
        )
    return {subject: Assignment("", str(folder), "", seen[subject]) for subject in subjects}


def assign_folds(
    folder: Path, data_set: str, subjects: Sequence[str], *, is_named: bool = False
) -> dict[str, Assignment]:
    """Give every subject the profile of the fold that did not see it.

    Parameters
    ----------
    folder : Path
        Holds ``fold*/``, each with a folder that holds a profile, a `subjects.json`
        (``{"test": ["S001", ...]}``), and, where the encoder was trained too, a folder that holds an engine.

    Raises
    ------
    ConfigError
        When a fold is incomplete, or a subject is tested in no fold or in more than one.
    ProfileError
        When a fold's profile was trained on one of its test subjects.
    """
    folds = sorted(path for path in folder.glob("fold*") if path.is_dir())
    if not folds:
        raise ConfigError(f"--folds: {folder} has no folder fold*, need one for each fold; check the path")
    tests = {fold: _test_subjects(fold) for fold in folds}
    parts = {fold: (_part(fold, "profile.json", True), _part(fold, "recipe.toml", False)) for fold in folds}
    assigned: dict[str, Assignment] = {}
    for subject in subjects:
        mine = [fold for fold in folds if subject in tests[fold]]
        if len(mine) != 1:
            among = ", ".join(fold.name for fold in mine) or "none"
            raise ConfigError(
                f"--folds: subject {subject} is tested in {among}, need exactly one fold; correct {SUBJECTS_NAME}, or "
                "leave its recordings out"
            )
        profile, engine = parts[mine[0]]
        assigned[subject] = Assignment(mine[0].name, profile, engine, "no")
    for fold in {assigned[subject].fold for subject in subjects}:
        mine_of_fold = [subject for subject in subjects if assigned[subject].fold == fold]
        found = read_profile(assigned[mine_of_fold[0]].profile)
        if bad := [one for one in mine_of_fold if _seen(found, data_set, one, is_named) == "yes"]:
            raise ProfileError(
                f"--folds: the profile of {fold} was trained on {', '.join(bad[:6])}, which {SUBJECTS_NAME} says it "
                "tests; need folds that do not overlap; train again"
            )
    return assigned


def profile_sha256(folder: str) -> str:
    """sha256 of a profile's `profile.json`, which holds that of its weights; empty for no profile."""
    return hashlib.sha256((Path(folder) / "profile.json").read_bytes()).hexdigest() if folder else ""


def read_assigned(assignment: Assignment) -> Profile | None:
    """Read the profile of an assignment; None when there is none."""
    return read_profile(assignment.profile) if assignment.profile else None


def _seen(profile: Profile, data_set: str, subject: str, is_named: bool) -> Seen:
    if not profile.trained_on:
        return "unknown"
    if is_named:
        return "yes" if f"{data_set}/{subject}" in profile.trained_on else "no"
    return "yes" if subject in {one.rpartition("/")[2] for one in profile.trained_on} else "no"


def _test_subjects(fold: Path) -> set[str]:
    path = fold / SUBJECTS_NAME
    needed = 'need {"test": ["S001", ...]}'
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"--folds: {path} cannot be read ({error}), {needed}; write it") from error
    test = content.get("test") if isinstance(content, dict) else None
    if not isinstance(test, list) or not all(isinstance(one, str) for one in test):
        raise ConfigError(f"--folds: {path} has no list of names under 'test', {needed}; correct it")
    return {one.rpartition("/")[2] for one in test}


def _part(fold: Path, file: str, is_needed: bool) -> str:
    """Folder in a fold that holds a file: a profile's, or an engine's."""
    found = sorted(path.parent for path in (*fold.glob(file), *fold.glob(f"*/{file}")))
    if len(found) > 1 or (is_needed and not found):
        raise ConfigError(
            f"--folds: {fold} holds {len(found)} folders with a {file}, need {'one' if is_needed else 'at most one'}; "
            "keep one profile in each fold"
        )
    return str(found[0]) if found else ""
