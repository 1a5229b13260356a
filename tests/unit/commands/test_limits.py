"""Too few open files or threads are told before anything else is begun."""

import os
import subprocess
import sys
from typing import Any

import pytest
from typer.main import get_command

from rtbci.cli import app
from rtbci.commands import limits
from rtbci.commands.limits import N_FILES, N_THREADS, OpensStreams, check_limits, how_to_raise
from rtbci.errors import LimitError
from rtbci.system.limits import OpenFiles

LIMITED = f"""
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, ({N_FILES - 1}, {N_FILES - 1}))
from rtbci.cli import main
main()
"""
OPEN_NOTHING = {
    "verify", "report", "latency", "eval", "flicker check", "flicker profile", "speller check", "session list", "session info",
    "session repair", "session export", "night hypnogram", "night yasa", "profile list", "profile show", "profile compare",
    "profile export", "profile import", "profile rollback", "profile delete", "engine list", "engine build", "engine import",
    "engine check", "engine bench", "engine cache show", "engine cache clear", "keys new", "keys show", "keys trust",
    "keys revoke", "keys certificate", "keys lsl-loopback", "keys token new", "keys token list", "keys token revoke",
}  # fmt: skip


def test_this_computer_gives_enough() -> None:
    check_limits()


def test_too_few_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "open_files", lambda: OpenFiles(24, 524288))
    with pytest.raises(LimitError, match=r"24 files and sockets .* need 128; `ulimit -n 1024` in the shell"):
        check_limits()
    monkeypatch.setattr(limits, "open_files", lambda: None)
    check_limits()


def test_too_few_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "threads_to_be_had", lambda n: n - 1)
    with pytest.raises(
        LimitError, match=rf"can start {N_THREADS - 1} threads, need {N_THREADS}; .*`ulimit -u`"
    ):
        check_limits()


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (OpenFiles(256, None), "`ulimit -n 1024` in the shell that it is started from"),
        (OpenFiles(1024, 4096), "`ulimit -n 4096` in the shell that it is started from"),
        (OpenFiles(4096, None), "`ulimit -n 8192` in the shell that it is started from"),
        (
            OpenFiles(40, 40),
            "`ulimit -n 1024` in a new shell .* cannot go above 40; where that is refused too",
        ),
    ],
)
def test_what_to_do_about_open_files(files: OpenFiles, said: str) -> None:
    with pytest.raises(LimitError, match=said):
        raise LimitError(how_to_raise(files))


def _commands(group: Any, before: str = "") -> dict[str, Any]:
    """All commands below a group, by what is typed."""
    found: dict[str, Any] = {}
    for name, one in group.commands.items():
        found |= _commands(one, f"{before}{name} ") if hasattr(one, "commands") else {before + name: one}
    return found


def test_commands_that_open_no_stream_and_no_socket_do_not_look() -> None:
    """A new command is one or the other."""
    commands = _commands(get_command(app))
    assert {name for name, one in commands.items() if not isinstance(one, OpensStreams)} == OPEN_NOTHING


def _limited(*command: str) -> subprocess.CompletedProcess[str]:
    pytest.importorskip("resource", reason="Windows has no such limit")
    return subprocess.run(
        [sys.executable, "-c", LIMITED, *command],
        env={**os.environ, "COLUMNS": "1000"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("command", [("run", "--help"), ("engine", "list")])
def test_help_and_what_opens_nothing_work_all_the_same(command: tuple[str, ...]) -> None:
    done = _limited(*command)
    assert (done.returncode, done.stderr) == (0, "")
    assert command[0] in done.stdout


@pytest.mark.parametrize("command", ["run", "demo", "streams"])
def test_a_command_says_it_in_one_line_and_nothing_else(command: str) -> None:
    """Not that there is no network, no stream, or no recipe; liblsl, not yet loaded, says nothing either."""
    done = _limited(command)
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(
        f"error: system: this program may have {N_FILES - 1} files and sockets open at a time"
    )
