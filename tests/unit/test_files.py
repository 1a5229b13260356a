import os
from pathlib import Path

import pytest

from rtbci.files import unfinished, write_whole


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
