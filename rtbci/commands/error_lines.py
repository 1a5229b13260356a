"""How an error that ends a command is told: in one line, with the status that the command ends with."""

import errno

from rtbci.commands.limits import how_to_raise
from rtbci.commands.options import console_of
from rtbci.commands.output import give_up_output
from rtbci.errors import RtbciError
from rtbci.system.limits import open_files

__all__ = ["tell_error"]


def tell_error(error: Exception) -> int | None:
    """Say what went wrong, in one line on standard error.

    Returns
    -------
    int or None
        Exit status; None, and nothing said, of what only a mistake in rtbci explains.
    """
    # First: whoever met it, be it a file that cannot be read, would say to look at that file.
    if used_up := _used_up(error):
        _say(used_up)
        return 1
    if isinstance(error, RtbciError):
        _say(str(error))
        return error.exit_code
    return _tell_system(error) if isinstance(error, OSError) else None


def _used_up(error: Exception) -> str:
    """What there is none of any more, and what to do; empty: the error is another one."""
    one: BaseException | None = error
    while one is not None:
        if getattr(one, "errno", None) in (errno.EMFILE, errno.ENFILE):  # zmq's errors are no OSError
            return _files_used_up(one)
        one = one.__cause__
    if isinstance(error, MemoryError):
        return _no_more("memory")
    return _no_more("threads") if "can't start new thread" in str(error) else ""


def _files_used_up(error: BaseException) -> str:
    files = open_files()
    if files is None or getattr(error, "errno", None) == errno.ENFILE:  # of the whole system
        return _no_more("open files and sockets")
    return f"system: no more open files and sockets for this program, which may have {files.now}, need more; {how_to_raise(files)}"


def _no_more(what: str) -> str:
    return (
        f"system: no more {what} for this program, need more; close other programs, or raise its limit (ulimit, that of the "
        "container)"
    )


def _tell_system(error: OSError) -> int:
    """Standard output that fails, or what the system refused where nobody nearer to it has said what to do."""
    failure = give_up_output()
    if failure is None:
        where = next((f"{name}" for name in (error.filename2, error.filename) if name is not None), "system")
        _say(
            f"{where}: {error.strerror or error}, need a place that can be read and written, with space left; check path, "
            "permissions and disk (--debug before the command says where in the program)"
        )
        return 5
    if failure.errno == errno.EPIPE:  # that the reader has gone is no error to it: `| head`
        return 1
    _say(f"standard output: {failure.strerror}; free some, or write elsewhere")
    return 5


def _say(text: str) -> None:
    console = console_of()
    console.print("[bold red]error:[/] ", end="")
    console.print(text, markup=False, highlight=False)
