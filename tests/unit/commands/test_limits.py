"""Too few open files or threads are told before anything else is begun."""

import os
import subprocess
import sys

import pytest

from rtbci.commands import limits
from rtbci.commands.limits import N_FILES, N_THREADS, check_limits, how_to_raise
from rtbci.errors import LimitError
from rtbci.system.limits import OpenFiles

LIMITED = f"""
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, ({N_FILES - 1}, {N_FILES - 1}))
from rtbci.cli import main
main()
"""


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


@pytest.mark.parametrize("command", ["run", "demo", "streams"])
def test_a_command_says_it_in_one_line_and_nothing_else(command: str) -> None:
    """Not that there is no network, no stream, or no recipe; liblsl, not yet loaded, says nothing either."""
    pytest.importorskip("resource", reason="Windows has no such limit")
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, command],
        env={**os.environ, "COLUMNS": "1000"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(
        f"error: system: this program may have {N_FILES - 1} files and sockets open at a time"
    )
