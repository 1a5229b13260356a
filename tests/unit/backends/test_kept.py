from pathlib import Path
from typing import NoReturn

import filelock
import pytest

from rtbci.backends import kept
from rtbci.backends.kept import keep


def test_it_is_written_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c.json"
    assert (keep(path, b"one"), keep(path, b"two")) == ("", "")
    assert path.read_bytes() == b"two"


def test_a_folder_that_cannot_be_made_is_a_reason(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    assert keep(tmp_path / "a" / "b.json", b"one") in ("Not a directory", "File exists")


def test_a_file_system_without_locks_is_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Without(filelock.FileLock):
        def acquire(self, *_args: object, **_settings: object) -> NoReturn:
            raise NotImplementedError("FileSystem does not appear to support flock")

    monkeypatch.setattr(kept, "FileLock", Without)
    assert keep(tmp_path / "a.json", b"one") == "FileSystem does not appear to support flock"
    assert not (tmp_path / "a.json").exists()
