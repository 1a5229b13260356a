"""`rtbci run --resume`: which session goes on, with what, and what is said of it."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.console import Console

from rtbci.clock import now
from rtbci.commands.long_work import LongWork
from rtbci.config import RunConfig
from rtbci.errors import ConfigError
from rtbci.probe.profile import Profile
from rtbci.recipes import ParadigmRecipe
from rtbci.record.kept_profiles import read_kept_profile
from rtbci.record.resume import Unfinished, find_unfinished, open_unfinished
from rtbci.record.session_json import JSON_NAME, read_session_json, recipe_sha256
from rtbci.record.sessions import find_session, sessions_root
from rtbci.settings import check_settings

__all__ = ["NEWEST", "config_to_go_on", "profile_to_go_on", "say_resumed", "take_up"]

NEWEST = "newest"
"""Means the newest session that was cut short."""
OWN = ("duration_s", "stream.wait", "stream.timeout_s", "record.folder")
"""What a run that goes on may be told; all else is the session's."""


def config_to_go_on(name: str, flags: Mapping[str, Any]) -> tuple[Path, RunConfig]:
    """Find a session, and the settings that it was recorded with.

    Parameters
    ----------
    name : str
        As `find_session` takes it, or `NEWEST`.
    flags : mapping
        What the command line says, by key; None: nothing.

    Raises
    ------
    ConfigError
        When it says what is the session's to say.
    FileFormatError
        When there is no such session.
    """
    given = {key: value for key, value in flags.items() if value is not None}
    if wrong := [key for key in given if key not in OWN]:
        raise ConfigError(
            f"--resume: got {', '.join(wrong)} as well, need the session's own settings; leave that out, or begin a new "
            "session"
        )
    root = Path(given.get("record.folder", "")).expanduser() if "record.folder" in given else sessions_root()
    folder = find_unfinished(root) if name == NEWEST else find_session(name, root)
    folder = folder.parent if folder.is_file() else folder
    values = dict(read_session_json(folder).config)
    stream = {key.removeprefix("stream."): value for key, value in given.items() if key.startswith("stream.")}
    values |= {"duration_s": given.get("duration_s"), "stream": values.get("stream", {}) | stream}
    return folder, check_settings(RunConfig, values, str(folder / JSON_NAME))


def take_up(folder: Path, stack: ExitStack, console: Console) -> Unfinished:
    """Lock a session until `stack` is closed, and show how far it has been read; see `open_unfinished`."""
    with LongWork(console) as work:
        unfinished = open_unfinished(folder, now(), lambda share: work("reading what was recorded", share))
    stack.callback(unfinished.disk.close)
    return unfinished


def profile_to_go_on(unfinished: Unfinished, recipe: ParadigmRecipe) -> Profile | None:
    """The profile that decoded last, from the session's own copy: its owner may have a newer one.

    Raises
    ------
    ConfigError
        When the paradigm says something else now.
    ProfileError
        When the copy is missing or was changed.
    """
    record = unfinished.record
    if recipe_sha256(recipe) != record.recipe_sha256:
        raise ConfigError(
            f"{unfinished.folder}: paradigm '{recipe.name}' is not what the session was recorded with, need the same; "
            "put it back, or begin a new session"
        )
    if not unfinished.profile.id:
        return None
    return read_kept_profile(unfinished.folder, record.profiles, unfinished.profile)


def say_resumed(console: Console, unfinished: Unfinished) -> None:
    """Say what goes on, and after how long."""
    numbers = unfinished.numbers
    console.print(
        f"resumed: session {numbers.session}, {unfinished.gap_s:.1f} s after its newest sample, from prediction "
        f"{numbers.n_sent['prediction']} on",
        markup=False,
        highlight=False,
    )
