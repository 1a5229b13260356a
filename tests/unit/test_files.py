import errno
import os
import stat
from pathlib import Path

import pytest

from rtbci.files import sync_folder, unfinished, write_synced, write_whole


def test_a_file_is_there_whole_or_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    write_whole(path, b"first")
    write_whole(path, b"second")
    assert (path.read_bytes(), unfinished(path).exists()) == (b"second", False)

    def full(_descriptor: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        write_whole(path, b"third")
    assert path.read_bytes() == b"second"
    assert unfinished(path).name == ".a.json.new"


def test_a_file_is_written_part_by_part(tmp_path: Path) -> None:
    write_synced(tmp_path / "a", (bytes([65 + i]) * i for i in range(4)))
    assert (tmp_path / "a").read_bytes() == b"BCCDDD"


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX")
def test_a_private_file_is_never_readable_by_others(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    unfinished(path).write_bytes(b"left by somebody")  # with the mode that others may read
    write_whole(path, b"secret", private=True)
    assert path.read_bytes() == b"secret"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.skipif(os.name != "posix", reason="folders are synced on POSIX only")
@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.EACCES])
def test_a_disk_that_cannot_sync_folders_is_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Some network and shared disks: files are kept there all the same."""
    sync = os.fsync

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    write_whole(tmp_path / "a", b"kept")
    assert (tmp_path / "a").read_bytes() == b"kept"


@pytest.mark.skipif(os.name != "posix", reason="folders are synced on POSIX only")
def test_a_disk_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_descriptor: int) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="broken"):
        sync_folder(tmp_path)
