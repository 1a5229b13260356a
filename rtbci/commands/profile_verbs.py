"""What `rtbci profile` does."""

import sys
from pathlib import Path

import typer
from msgspec.structs import replace
from rich.table import Table

from rtbci.commands.profile_output import Output, table_of
from rtbci.commands.profile_words import (
    GENERATION_TITLES,
    generation_row,
    plain_generation,
    plain_profile,
    plain_unfinished,
    profile_lines,
    record_table,
    unfinished_row,
)
from rtbci.errors import ConfigError, ProfileError
from rtbci.listing import counted
from rtbci.probe.profile import newest_profile, read_profile
from rtbci.recipes import ParadigmRecipe, read_paradigm
from rtbci.runtime.parts import POPULATION
from rtbci.runtime.profile_compare import compare_profiles
from rtbci.runtime.profile_file import export_profile, read_exported
from rtbci.runtime.profile_fit import reason_not_to_run
from rtbci.runtime.profile_list import (
    KeptGeneration,
    add_generation,
    delete_generation,
    delete_user,
    list_generations,
    paradigms_with_profiles,
    previous_generation,
    read_record_beside,
    unfinished_writes,
    users_of,
)
from rtbci.runtime.profiles import find_profile, generation_name, profiles_root, split_name

__all__ = ["compare", "delete", "export", "import_file", "list_profiles", "rollback", "show"]


def list_profiles(paradigm: str | None, out: Output) -> None:
    """List all generations of all users of one paradigm or of all."""
    names = paradigms_with_profiles() if paradigm is None else [_paradigm_name(paradigm)]
    data, rows = [], []
    for name in names:
        for user in users_of(name):
            kept = list_generations(name, user)
            data += [plain_generation(name, one, kept) for one in kept]
            rows += [generation_row(name, one, kept) for one in kept]
            left = unfinished_writes(profiles_root(name) / user)
            data += [plain_unfinished(name, folder) for folder in left]
            rows += [unfinished_row(name, folder) for folder in left]
    where = ", ".join(str(profiles_root(name)) for name in names) or "this computer"
    out.result(data, table_of(GENERATION_TITLES, rows) if rows else f"no profiles in {where}")


def show(name: str, paradigm: str, out: Output) -> None:
    """Show a profile and whether it runs now."""
    recipe = read_paradigm(paradigm)
    folder = _folder(recipe, name)
    profile, record = read_profile(folder), read_record_beside(folder)
    reason = reason_not_to_run(profile, recipe)
    lines = profile_lines(folder, profile, reason)
    shown = [f"{what:<14}{text}" for what, text in lines]
    tables: list[Table | str] = (
        [] if record is None else ["", "what the calibration compared:", record_table(record)]
    )
    out.result(plain_profile(folder, profile, record, reason), *shown, *tables)


def compare(first: str, second: str, paradigm: str, out: Output) -> None:
    """Say what two profiles differ in."""
    recipe = read_paradigm(paradigm)
    a, b = (read_profile(_folder(recipe, name)) for name in (first, second))
    found = compare_profiles(a, b)
    if not found:
        out.result([], f"{first} and {second} decode the same")
        return
    rows = [(row.what, row.first, row.second, row.note) for row in found]
    out.result(found, table_of(("", first, second, ""), rows))


def export(name: str, file: Path, paradigm: str, out: Output, *, force: bool) -> None:
    """Write a profile as one file."""
    folder = _folder(read_paradigm(paradigm), name)
    export_profile(folder, file, replace=force)
    n_bytes = file.stat().st_size
    out.result(
        {"file": str(file), "from": str(folder), "bytes": n_bytes},
        f"{folder} written to {file}, {n_bytes} bytes",
    )


def import_file(file: Path, user: str, paradigm: str | None, out: Output) -> None:
    """Check a file and make it its user's next generation.

    Raises
    ------
    FileFormatError, ProfileError, ConfigError
        When the file is not sound, or would not run: nothing is written then.
    """
    profile, record = read_exported(file)
    if paradigm is None and not profile.paradigm.replace("_", "").replace("-", "").isalnum():
        raise ProfileError(
            f"import {file}: its paradigm is {profile.paradigm!r}, need letters, digits, '_', '-'; name one with --paradigm"
        )
    recipe = read_paradigm(profile.paradigm if paradigm is None else paradigm)
    profile = replace(profile, user=user or profile.user)
    if profile.user == POPULATION:
        raise ProfileError(
            f"import {file}: is the profile of '{POPULATION}', need a user's name; give --user NAME"
        )
    if reason := reason_not_to_run(profile, recipe):
        raise ProfileError(f"import {file}: would not run here, nothing was written: {reason}")
    folder = add_generation(recipe.name, profile, record)
    name = generation_name(folder)
    out.result(
        {"name": name, "paradigm": recipe.name, "path": str(folder)},
        f"{file} is now {name}, the newest of '{profile.user}' for {recipe.name}: {folder}",
    )


def rollback(user: str, to: int | None, paradigm: str, out: Output) -> None:
    """Write an older generation again as the newest.

    Raises
    ------
    ProfileError
        When there is none, it is broken, or it would not run: nothing is written then.
    """
    recipe = read_paradigm(paradigm)
    if split_name(user)[1] is not None:
        raise ProfileError(f"rollback: got '{user}', need a user; say the generation with --to")
    target = _generation(recipe.name, user, to)
    profile = read_profile(target.folder)
    if reason := reason_not_to_run(profile, recipe):
        raise ProfileError(f"rollback to {generation_name(target.folder)}: nothing was written: {reason}")
    before = newest_profile(profiles_root(recipe.name), user)
    folder = add_generation(recipe.name, profile, read_record_beside(target.folder))
    old, new = generation_name(target.folder), generation_name(folder)
    was = f"before: {generation_name(before)}, which is kept" if before is not None else ""
    out.result(
        {"name": new, "copy_of": old, "path": str(folder)},
        f"{new} is now the newest, a copy of {old} ({was}): {folder}",
    )


def delete(name: str, paradigm: str, out: Output, *, sure: bool) -> None:
    """Delete a generation or a user, after asking.

    Raises
    ------
    ProfileError
        When there is none.
    ConfigError
        When nobody can be asked and `sure` is False.
    """
    chosen = _paradigm_name(paradigm)
    user, number = split_name(name)
    if number is None:
        folder = profiles_root(chosen) / user
        if not folder.is_dir():
            raise _no_user(chosen, user)
        n = len(list_generations(chosen, user))
        what = f"everything of '{user}' for {chosen}, {counted(n, 'generation')}"
    else:
        folder = _generation(chosen, user, number).folder
        what = f"{generation_name(folder)} for {chosen}"
    if not sure:
        _ask(what, folder)
    if number is None:
        delete_user(chosen, user)
    else:
        delete_generation(folder)
    newest = newest_profile(profiles_root(chosen), user)
    now = (
        f"the newest is {generation_name(newest)}"
        if newest
        else "no profile is left: the population decoder is used"
    )
    out.result(
        {"deleted": str(folder), "newest": None if newest is None else generation_name(newest)},
        f"deleted {what}; {now}",
    )


def _ask(what: str, folder: Path) -> None:
    if not sys.stdin.isatty():
        raise ConfigError(f"delete: {what} in {folder}, nobody to ask; give --yes")
    typer.confirm(f"Delete {what} ({folder}) for good?", abort=True)


def _folder(recipe: ParadigmRecipe, name: str) -> Path:
    found = find_profile(recipe.name, name) or recipe.population_folder
    if found is None:
        raise ProfileError(
            f"paradigm '{recipe.name}': names no population profile, need a user's; `rtbci profile list` shows them"
        )
    return found


def _generation(paradigm: str, user: str, number: int | None) -> KeptGeneration:
    kept = list_generations(paradigm, user)
    if not kept:
        raise _no_user(paradigm, user)
    if number is None:
        return previous_generation(paradigm, user)
    for one in kept:
        if one.number == number:
            return one
    have = ", ".join(str(one.number) for one in kept)
    raise ProfileError(f"profile '{user}@{number}': is not there, have generations {have}; name one of these")


def _no_user(paradigm: str, user: str) -> ProfileError:
    others = [one for one in paradigms_with_profiles() if user in users_of(one)]
    hint = (
        f"give --paradigm {others[0]}, where there are some" if others else "`rtbci profile list` shows all"
    )
    return ProfileError(f"user '{user}': has no profile for paradigm '{paradigm}'; {hint}")


def _paradigm_name(paradigm: str) -> str:
    """Name of a paradigm; profiles may be there without its recipe."""
    try:
        return read_paradigm(paradigm).name
    except ConfigError:
        if paradigm in paradigms_with_profiles():
            return paradigm
        raise
