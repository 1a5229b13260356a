"""What lies beside a session's file while it is written: `session.json`, and copies of the profiles that decoded."""

from collections import deque
from collections.abc import Iterable
from pathlib import Path

import msgspec

from rtbci.probe.profile import Profile
from rtbci.record.kept_profiles import keep_profile, remove_profiles
from rtbci.record.session_json import JSON_NAME, Ended, SessionRecord, write_session_json

__all__ = ["Description"]


class Description:
    """Keeps a session's description and profiles on the disk; what could not be written is written at the next call.

    Parameters
    ----------
    folder : Path
        The session's.
    record : SessionRecord
        What `session.json` says at first.

    Notes
    -----
    One thread, the recorder's. Everything that writes raises `OSError` where it cannot.
    """

    def __init__(self, folder: Path, record: SessionRecord) -> None:
        self._folder, self._record = folder, record
        self._profiles: deque[Profile] = deque()  # to be kept
        self._used: list[Profile] = []  # all that were
        self._kept = list(record.profiles)

    def add(self, profiles: Iterable[Profile]) -> None:
        """Have profiles kept by the next `keep`."""
        self._profiles.extend(profiles)

    def keep(self, session: str, streams: Iterable[str]) -> None:
        """Keep profiles, and write `session.json` again where there is more to say."""
        while self._profiles:
            if (one := keep_profile(self._folder, self._profiles[0])) not in self._kept:
                self._kept.append(one)
            self._used.append(self._profiles.popleft())
        known = msgspec.structs.replace(
            self._record, session=session, streams=tuple(streams), profiles=tuple(self._kept)
        )
        if known != self._record:
            write_session_json(self._folder, known)
            self._record = known  # only now: one that could not be written is still to be

    def save(self) -> None:
        """Write `session.json` as it is known."""
        write_session_json(self._folder, self._record)

    def save_anew(self) -> None:
        """Write it into a folder that was made anew; profiles follow with the next `keep`."""
        self.save()
        self._profiles.extendleft(reversed(self._used))
        self._used.clear()

    def save_end(self, ended: Ended) -> None:
        """Write how the session ended."""
        self._record = msgspec.structs.replace(self._record, ended=ended)
        self.save()

    def remove(self) -> None:
        """Remove it and the profiles."""
        remove_profiles(self._folder)
        (self._folder / JSON_NAME).unlink(missing_ok=True)
