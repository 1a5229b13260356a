"""Whether a user has a new profile on disk: one look at a folder, at most once a second."""

from collections.abc import Callable
from pathlib import Path

from rtbci.clock import Clock, now
from rtbci.probe.profile import generations

__all__ = ["ProfileWatch"]

PERIOD_S = 1.0


class ProfileWatch:
    """Tells of each new generation of a user's profiles once.

    Parameters
    ----------
    root : Path
        Folder of all users' profiles; neither it nor the user's need be there yet.
    user : str
        Whose.
    clock : callable
        Time in seconds.

    Notes
    -----
    What is there when the watch is made counts as known, whichever of it is in use. Generations appear whole:
    `rtbci.probe.profile.write_profile` renames a finished folder. One owner.
    """

    def __init__(self, root: Path, user: str, clock: Clock = now) -> None:
        self.user = user
        self._list: Callable[[], list[Path]] = lambda: generations(root, user)
        self._clock = clock
        self._known = self._newest()
        self._t_looked = clock()

    def poll(self) -> Path | None:
        """Folder of a generation that is newer than all so far, or None; looks at the disk once a second."""
        t_now = self._clock()
        if t_now - self._t_looked < PERIOD_S:
            return None
        self._t_looked = t_now
        newest = self._newest()
        if newest <= self._known:
            return None
        self._known = newest
        return self._list()[-1]

    def _newest(self) -> int:
        kept = self._list()
        return int(kept[-1].name) if kept else 0
