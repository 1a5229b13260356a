from pathlib import Path

import pytest

from rtbci.commands.profile_output import write_result
from rtbci.errors import FileFormatError


def test_a_result_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    write_result(file, b"{}")
    assert file.read_bytes() == b"{}"
    with pytest.raises(
        FileFormatError, match=r"result\.json/x: cannot be written \(Not a directory\); give another file"
    ):
        write_result(file / "x", b"{}")
