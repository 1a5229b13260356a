"""Where sessions are, and what there is of each."""

import re
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from platformdirs import user_data_path

from rtbci.errors import FileFormatError
from rtbci.record.session_json import JSON_NAME, SessionRecord, read_session_json
from rtbci.record.xdf_format import SESSION_XDF

__all__ = [
    "KeptSession",
    "find_session",
    "list_sessions",
    "new_session_folder",
    "recording_of",
    "sessions_root",
    "xdf_of",
]


class KeptSession(NamedTuple):
    """A session's folder: its description (None where that cannot be read), and the size of its file."""

    folder: Path
    record: SessionRecord | None
    n_bytes: int


def sessions_root() -> Path:
    """Folder of all sessions where nothing else is said: ``<user data>/rtbci/sessions``."""
    return user_data_path("rtbci", appauthor=False) / "sessions"


def new_session_folder(root: Path, start: datetime, paradigm: str, user: str) -> Path:
    """Make a folder that no other run has, also one that starts at the same moment: ``<start>-<paradigm>-<user>``, the start in UTC.

    Where none can be made it is only named; whoever writes there is told.
    """
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", f"{start:%Y%m%dT%H%M%SZ}-{paradigm}-{user}")
    number, folder = 1, root / name
    while not _is_free(folder):
        number += 1
        folder = root / f"{name}-{number}"
    return folder


def _is_free(folder: Path) -> bool:
    """Whether the folder was not there; it is then, as far as it can be made."""
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        return False
    except OSError:
        return True
    return True


def list_sessions(root: Path) -> list[KeptSession]:
    """All sessions below a folder, oldest first."""
    if not root.is_dir():
        return []
    return [
        _kept(folder)
        for folder in sorted(root.iterdir())
        if (folder / JSON_NAME).is_file() or (folder / SESSION_XDF).is_file()
    ]


def find_session(name: str | Path, root: Path) -> Path:
    """Folder or XDF file that a name means: a path, a session's name below `root`, or ``last``.

    Raises
    ------
    FileFormatError
        When there is none.
    """
    given = Path(name).expanduser()
    if str(name) == "last":
        if sessions := list_sessions(root):
            return sessions[-1].folder
        raise FileFormatError(f"{root}: there are no sessions; `rtbci run` records one")
    for path in (given, root / given):
        if path.is_file() or (path / SESSION_XDF).is_file():
            return path
    raise FileFormatError(
        f"{name}: no such session, need a session's folder, an XDF file, its name in {root}, or 'last'; "
        "`rtbci session list` shows them"
    )


def recording_of(file: Path, root: Path) -> Path:
    """The file, or the session below `root` that is meant where no such file is here: by its name, or ``last``."""
    is_session = not file.exists() and (str(file) == "last" or (root / file).exists())
    return find_session(file, root) if is_session else file


def xdf_of(session: Path) -> Path:
    """The XDF file of a session's folder; a file stands for itself."""
    return session / SESSION_XDF if session.is_dir() else session


def _kept(folder: Path) -> KeptSession:
    try:
        record = read_session_json(folder)
    except FileFormatError:
        record = None
    xdf = folder / SESSION_XDF
    return KeptSession(folder, record, xdf.stat().st_size if xdf.is_file() else 0)
