import ctypes
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rtbci.system.locks import LOCK_VIOLATION, PLACE, take_lock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "file").write_bytes(b"0123456789")
    return tmp_path / "file"


def test_one_has_the_lock_until_the_file_is_closed(path: Path) -> None:
    with path.open("rb") as other:
        with path.open("r+b") as first:
            assert take_lock(first.fileno())
            assert not take_lock(other.fileno())
        assert take_lock(other.fileno())


def test_others_read_and_write_what_is_locked(path: Path) -> None:
    with path.open("r+b", buffering=0) as first, path.open("r+b", buffering=0) as other:
        assert take_lock(first.fileno())
        assert other.read() == b"0123456789"
        other.seek(0)
        other.write(b"x")
        first.truncate(0)
        first.seek(0)
        first.write(b"4711\n")
        other.seek(0)
        assert other.read() == b"4711\n"


class Kernel:
    """`LockFileEx`, answering with the error that it is given; 0: it is locked."""

    def __init__(self) -> None:
        self.error = 0
        self.places: list[int] = []
        self.LockFileEx = self  # as Windows spells it
        self.argtypes: tuple[Any, ...] = ()

    def __call__(self, handle: int, flags: int, _reserved: int, low: int, high: int, place: Any) -> bool:
        assert (handle, flags, low, high) == (1000, 3, 1, 0)
        self.places.append(place._obj.offset + (place._obj.offset_high << 32))
        return not self.error


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    kernel = Kernel()
    monkeypatch.setattr("rtbci.system.locks.is_windows", lambda: True)
    monkeypatch.setattr(ctypes, "WinDLL", lambda *_, **__: kernel, raising=False)
    monkeypatch.setattr(ctypes, "get_last_error", lambda: kernel.error, raising=False)
    monkeypatch.setattr(ctypes, "WinError", lambda error: OSError(error, "windows"), raising=False)
    monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(get_osfhandle=lambda fd: fd + 993))
    return kernel


def test_on_windows_a_byte_is_locked_that_no_file_has(kernel: Kernel) -> None:
    assert take_lock(7)
    assert kernel.places == [PLACE]
    assert PLACE > 1 << 60


def test_on_windows_another_handle_has_it(kernel: Kernel) -> None:
    kernel.error = LOCK_VIOLATION
    assert not take_lock(7)


def test_on_windows_a_disk_without_locks_says_so(kernel: Kernel) -> None:
    kernel.error = 1
    with pytest.raises(OSError, match="windows"):
        take_lock(7)
