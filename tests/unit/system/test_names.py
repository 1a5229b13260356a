import os
from collections.abc import Callable
from pathlib import Path

import pytest

from rtbci.system.names import WAITS_S, give_name


class Busy:
    """A file that somebody has open for a while, as Windows sees it."""

    def __init__(self, rename: Callable[[Path, Path], None], n_refusals: int) -> None:
        self._rename, self.left = rename, n_refusals
        self.waited: list[float] = []

    def __call__(self, old: Path, new: Path) -> None:
        if self.left:
            self.left -= 1
            raise PermissionError(13, "used by another process")
        self._rename(old, new)


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> Busy:
    busy = Busy(os.replace, 3)
    monkeypatch.setattr(os, "replace", busy)
    monkeypatch.setattr("rtbci.system.names.time.sleep", busy.waited.append)
    return busy


def two(folder: Path) -> tuple[Path, Path]:
    (folder / "new").write_bytes(b"new")
    (folder / "old").write_bytes(b"old")
    return folder / "new", folder / "old"


def test_windows_is_asked_again(busy: Busy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rtbci.system.names.is_windows", lambda: True)
    new, old = two(tmp_path)
    give_name(new, old, replace=True)
    assert (old.read_bytes(), new.exists(), tuple(busy.waited)) == (b"new", False, WAITS_S[:3])


def test_windows_is_not_asked_for_ever(busy: Busy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rtbci.system.names.is_windows", lambda: True)
    busy.left = 100
    new, old = two(tmp_path)
    with pytest.raises(PermissionError, match="another process"):
        give_name(new, old, replace=True)
    assert old.read_bytes() == b"old"
    assert tuple(busy.waited) == WAITS_S


def test_elsewhere_no_is_no(busy: Busy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rtbci.system.names.is_windows", lambda: False)
    with pytest.raises(PermissionError, match="another process"):
        give_name(*two(tmp_path), replace=True)
    assert not busy.waited


def test_a_folder_that_is_there_is_not_replaced(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name, encoding="ascii")
    with pytest.raises(OSError, match="b"):
        give_name(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b" / "file").read_text(encoding="ascii") == "b"
