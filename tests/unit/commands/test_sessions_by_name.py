"""A session where a recording is asked for: by its name, or ``last``."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from rtbci.cli import app
from tests.unit.record.samples import write_session


@pytest.mark.parametrize("before", [["calibrate", "--user", "u", "--from"], ["eval", "--data"]])
def test_the_newest_session_is_a_recording(
    before: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    none = CliRunner().invoke(app, [*before, "last"])
    assert "there are no sessions; `rtbci run` records one" in str(none.exception)
    name = "20260101T000000Z-a-b"
    write_session(tmp_path / "rtbci" / "sessions" / name)
    for given in ("last", name):
        said = CliRunner().invoke(app, [*before, given])
        assert "need some" in str(said.exception)  # its markers name no class of ours: it was read
