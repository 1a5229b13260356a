import errno
import os
import stat
from pathlib import Path

import pytest

from rtbci import files
from rtbci.files import move_in, staged, sync_folder, unfinished, write_synced, write_together, write_whole
from rtbci.system.names import give_name


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
    assert list(tmp_path.iterdir()) == [path]
    assert unfinished(path).name == ".a.json.new"


@pytest.mark.parametrize("error", [OSError("no space left"), KeyboardInterrupt()])
def test_of_files_written_together_none_is_there_before_all_are(
    error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_bytes(b"old")
    n_synced: list[int] = []

    def fails_at_the_second(descriptor: int) -> None:
        n_synced.append(descriptor)
        if len(n_synced) == 2:
            raise error

    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", fails_at_the_second)
    with pytest.raises(type(error)):
        write_together({first: b"new", second: b"new"})
    monkeypatch.setattr(os, "fsync", fsync)
    assert (first.read_bytes(), list(tmp_path.iterdir())) == (b"old", [first])
    write_together({first: b"new", second: b"new"})
    assert (first.read_bytes(), second.read_bytes()) == (b"new", b"new")


def test_a_staged_folder_is_gone_afterwards_with_what_was_made_for_it(tmp_path: Path) -> None:
    target = tmp_path / "new" / "deep" / "out"

    def interrupted() -> None:
        with staged(target) as folder:
            (folder / "half").write_bytes(b"1")
            assert folder.parent == target.parent
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []
    unfinished(target).mkdir(parents=True)
    (unfinished(target) / "left by a process that was killed").touch()
    with staged(target) as folder:
        assert list(folder.iterdir()) == []
        (folder / "a").write_bytes(b"1")
        assert move_in(folder, target) == [target / "a"]
    assert [path.name for path in target.parent.iterdir()] == ["out"]


def test_files_move_in_all_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "set"
    (target / "z").mkdir(parents=True)
    (target / "a.tsv").write_bytes(b"old")

    def fill(folder: Path) -> None:
        (folder / "new").mkdir()
        for name in ("a.tsv", "new/b", "z/c"):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(b"1")

    def refused(old: Path, new: Path, *, replace: bool = False) -> None:
        if new.name == "c":
            raise OSError("refused")
        give_name(old, new, replace=replace)

    def write() -> list[Path]:
        with staged(target) as folder:
            fill(folder)
            return move_in(folder, target)

    monkeypatch.setattr(files, "give_name", refused)
    with pytest.raises(OSError, match="refused"):
        write()
    monkeypatch.setattr(files, "give_name", give_name)
    there = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*"))
    assert there == ["set", "set/a.tsv", "set/z"]
    assert (target / "a.tsv").read_bytes() == b"old"
    assert write() == [target / "a.tsv", target / "new" / "b", target / "z" / "c"]
    assert {path.read_bytes() for path in target.rglob("*") if path.is_file()} == {b"1"}


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
