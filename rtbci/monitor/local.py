"""What the page's server knows of the run's computer, where that is its own."""

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from rtbci.publish.addresses import is_local
from rtbci.record.sessions import sessions_root
from rtbci.runtime.profile_list import list_generations, users_of

__all__ = ["Local"]

ALWAYS = ("population", "previous")
MAX_CHOICES = 200


class Local:
    """Looks at this computer for a run that is on it; knows nothing of another one.

    Parameters
    ----------
    publish : str
        Where the run publishes.
    sessions : Path, optional
        Where it records; the user's data folder unless given.
    """

    def __init__(self, publish: str, sessions: Path | None = None) -> None:
        self._is_here, self._sessions = is_local(publish), sessions

    def profiles(self, paradigm: str) -> list[str]:
        """Names that `swap_profile` takes for a paradigm, most likely first."""
        choices: list[str] = [*ALWAYS]
        if not paradigm or not self._is_here:
            return choices
        for user in users_of(paradigm):
            sound = [one for one in list_generations(paradigm, user) if one.profile is not None]
            choices += [user, *(f"{user}@{one.number}" for one in reversed(sound))]
        return choices[:MAX_CHOICES]

    def computer(self) -> dict[str, Any]:
        """Room on the disk that sessions go to, in GB; empty where it is not known."""
        folder = self._sessions or sessions_root()
        if self._is_here:
            with suppress(OSError, StopIteration):
                there = next(path for path in (folder, *folder.parents) if path.exists())
                return {"free_gb": shutil.disk_usage(there).free / 1e9, "folder": str(folder)}
        return {}
