"""Processes that are started beside this one: how they run, and how they end."""

import os
import signal
import subprocess
from contextlib import suppress
from typing import Any

from rtbci.system.windows import is_windows

__all__ = ["apart", "ask_to_stop", "askable", "end_all", "end_own", "give_way", "stop_signals"]

NEW_PROCESS_GROUP = 0x200
BELOW_NORMAL_PRIORITY = 0x4000
"""Of Windows' `CreateProcess` and `SetPriorityClass`."""


def stop_signals() -> tuple[signal.Signals, ...]:
    """Signals that ask a program to stop: Ctrl-C, SIGTERM, where a terminal or connection that has gone sends it SIGHUP, and on
    Windows Ctrl-Break, which is also what `ask_to_stop` and a console window that is closed send.

    Whoever starts a program with ``nohup`` wants it to go on without its terminal: SIGHUP is then none of them.
    """
    known = signal.__dict__
    names = ("SIGINT", "SIGTERM", "SIGBREAK", "SIGHUP")
    asking = tuple(known[name] for name in names if name in known)
    return tuple(one for one in asking if one.name != "SIGHUP" or signal.getsignal(one) != signal.SIG_IGN)


def apart() -> dict[str, Any]:
    """Arguments of `subprocess.Popen` for a process that Ctrl-C in the terminal does not reach, only its parent."""
    return {"creationflags": NEW_PROCESS_GROUP} if is_windows() else {"start_new_session": True}


def askable() -> dict[str, Any]:
    """Arguments of `subprocess.Popen` for a process that `ask_to_stop` reaches, and nobody else with it."""
    return {"creationflags": NEW_PROCESS_GROUP} if is_windows() else {}


def ask_to_stop(popen: "subprocess.Popen[Any]") -> None:
    """Have a program stop in order, as Ctrl-C would; nothing when it has ended or, on Windows, there is no console to say it by."""
    with suppress(OSError):
        popen.send_signal(getattr(signal, "CTRL_BREAK_EVENT") if is_windows() else signal.SIGINT)  # noqa: B009 -- not on POSIX


def give_way(niceness: int) -> None:
    """Have other programs go before this one: by so much (POSIX), or one class lower (Windows)."""
    if not is_windows():
        os.nice(niceness)
        return
    import psutil

    with suppress(psutil.Error):
        psutil.Process().nice(BELOW_NORMAL_PRIORITY)


def end_all(popen: "subprocess.Popen[Any]", *, at_once: bool = False) -> None:
    """End a process that was started `apart`, and all that it has started.

    Parameters
    ----------
    popen : subprocess.Popen
        One that has ended already is left alone.
    at_once : bool
        Without asking. Windows knows nothing else.
    """
    if popen.poll() is not None:
        return
    if is_windows():
        _kill_children(popen.pid)
        popen.kill()
        return
    with suppress(ProcessLookupError):
        os.killpg(popen.pid, signal.SIGKILL if at_once else signal.SIGTERM)


def end_own(status: int = 1) -> None:
    """End this process at once, and, where it was started `apart`, all that it has started."""
    if is_windows():
        _kill_children(os.getpid())
    elif os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(status)


def _kill_children(pid: int) -> None:
    import psutil

    with suppress(psutil.Error):
        for child in psutil.Process(pid).children(recursive=True):
            with suppress(psutil.Error):
                child.kill()
