import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rtbci.record.disk import SyncedFile, is_being_written

LIMITED = """
import resource, signal, sys
from pathlib import Path
from rtbci.record.disk import SyncedFile
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
disk = SyncedFile(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
try:
    disk.write(0, bytes(range(256)) * 8)
except OSError as error:
    print(error.errno)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
disk.write(0, bytes(range(256)) * 8)
disk.sync()
"""


def test_pieces_go_where_they_belong_and_are_there_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a"
    disk = SyncedFile(path)
    disk.write(0, b"abcdef")
    disk.write(3, b"XYZW")
    assert path.read_bytes() == b"abcXYZW"
    disk.sync()
    disk.close()
    with pytest.raises(FileExistsError):
        SyncedFile(path)


def test_a_write_that_the_system_cuts_short_is_told_and_can_be_done_again(tmp_path: Path) -> None:
    end = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path / "a")], capture_output=True, text=True, check=True
    )
    assert int(end.stdout) == errno.EFBIG
    assert (tmp_path / "a").read_bytes() == bytes(range(256)) * 8


def test_a_full_device_says_so() -> None:
    full = SyncedFile.__new__(SyncedFile)
    with (
        Path("/dev/full").open("wb", buffering=0) as full._file,
        pytest.raises(OSError, match="No space left"),
    ):
        full.write(0, b"x")


def test_whether_a_file_is_being_written(tmp_path: Path) -> None:
    path = tmp_path / "a"
    disk = SyncedFile(path)
    assert is_being_written(path)
    disk.close()
    assert not is_being_written(path)


@pytest.mark.skipif(os.name != "posix", reason="Windows neither removes nor moves what is open")
@pytest.mark.parametrize("moved", [True, False], ids=["moved", "removed"])
def test_a_file_that_is_gone_is_put_back_whole(moved: bool, tmp_path: Path) -> None:
    path = tmp_path / "d" / "a"
    path.parent.mkdir()
    disk = SyncedFile(path)
    disk.write(0, b"abc")
    assert not disk.is_gone()
    path.parent.rename(tmp_path / "elsewhere") if moved else shutil.rmtree(path.parent)
    disk.write(3, b"def")
    assert disk.is_gone()
    disk.put_back()
    assert not disk.is_gone()
    disk.write(6, b"ghi")
    assert path.read_bytes() == b"abcdefghi"
    assert is_being_written(path)
    disk.close()
    assert not moved or (tmp_path / "elsewhere" / "a").read_bytes() == b"abcdef"


@pytest.mark.skipif(os.name != "posix", reason="Windows neither removes nor moves what is open")
def test_what_cannot_be_put_back_stays_as_it_was_and_can_be_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    path = tmp_path / "a"
    disk = SyncedFile(path)
    disk.write(0, b"abc")
    path.unlink()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="full"):
            disk.put_back()
    assert disk.is_gone()
    disk.put_back()
    assert path.read_bytes() == b"abc"
    disk.close()
