"""Limits of the system that a command would run into later, where libraries name a wrong cause or abort: told before."""

from typing import Any

from typer.core import TyperCommand

from rtbci.errors import LimitError
from rtbci.system.limits import OpenFiles, open_files, threads_to_be_had

__all__ = ["OpensStreams", "check_limits", "how_to_raise"]

N_FILES = 128
"""A run with its live page and one stream with markers has 69 open, and one more for each that listens."""
N_THREADS = 24
"""A run has 17, its live page, a process of its own, 8; the one that asks is there."""
WISHED = 1024, 4096


class OpensStreams(TyperCommand):
    """A command that opens LSL streams or sockets: it looks for the limits first, which its help does not need."""

    def invoke(self, ctx: Any) -> Any:
        """Look, then do what the command does; raises as `check_limits`."""
        check_limits()
        return super().invoke(ctx)


def check_limits() -> None:
    """Look whether there are files, sockets and threads enough; half a millisecond.

    liblsl finds no network and no streams without, recipes cannot be read, and libzmq ends the process.

    Raises
    ------
    LimitError
        When there are not.
    """
    files = open_files()
    if files is not None and files.now < N_FILES:
        raise LimitError(
            f"system: this program may have {files.now} files and sockets open at a time, need {N_FILES}; {how_to_raise(files)}"
        )
    n_threads = threads_to_be_had(N_THREADS)
    if n_threads < N_THREADS:
        raise LimitError(
            f"system: this program can start {n_threads} threads, need {N_THREADS}; close other programs of this user, or raise the "
            "limit (`ulimit -u`, that of the container)"
        )


def how_to_raise(files: OpenFiles) -> str:
    """What to do about a limit of open files."""
    n = next((one for one in WISHED if one > files.now), 2 * files.now)
    if files.most is None or files.most >= n:
        return f"`ulimit -n {n}` in the shell that it is started from"
    return (
        f"`ulimit -n {n}` in a new shell that it is then started from, as this one cannot go above {files.most}; where that is "
        "refused too, the system or the container sets it"
    )
