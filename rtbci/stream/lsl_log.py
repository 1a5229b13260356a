"""What liblsl itself says in the terminal: warnings and errors, but not those that rtbci tells in its own words."""

import os
import re
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pylsl

__all__ = ["quiet_liblsl", "said_by_liblsl"]

CONFIG_FILES = ("lsl_api.cfg", "~/lsl_api/lsl_api.cfg", "/etc/lsl_api/lsl_api.cfg")
"""Where liblsl looks for its configuration, besides ``LSLAPICFG``."""
WARNINGS_ONLY = "[log]\nlevel = -1\n"
THREAD_NAME = "rtbci-lsl-log"
TOLD = (
    "Stream transmission broke off",
    "Error while receiving the stream info",
    "The stream read by this inlet has been lost",
)
"""How lines of liblsl begin that say what rtbci tells by itself: a stream or its markers have ended, or do not answer."""
LINE = re.compile(r"\s(WARN|ERR|FATL)\|\s(.*)$")
LEVELS = {"WARN": "warning", "ERR": "error", "FATL": "error"}


def quiet_liblsl(
    config_files: Sequence[str] = CONFIG_FILES, say: Callable[[str], None] | None = None
) -> bool:
    """Let liblsl say warnings and errors only, without those that rtbci tells; call before anything else of liblsl.

    A configuration of the user's own (multicast, known peers, log level) is left as it is, and so is what it logs.

    Parameters
    ----------
    config_files : sequence of str
        Where liblsl looks for one.
    say : callable, optional
        Takes a line, in a thread of its own; writes to standard error by default.

    Returns
    -------
    bool
        Whether it was done.

    Notes
    -----
    liblsl has one log, of one level; a stream that ends is an error to it. So its log goes to a pipe, and a thread that sleeps
    until there is a line passes on what is news. Where there is no path to a pipe (Windows), or no standard error, warnings and
    errors all come.
    """
    if os.environ.get("LSLAPICFG") or any(Path(path).expanduser().is_file() for path in config_files):
        return False
    if sys.stderr is None or not Path("/dev/fd").is_dir():
        return _configure(WARNINGS_ONLY)
    end, other = os.pipe()
    try:
        if not _configure(f"{WARNINGS_ONLY}file = /dev/fd/{other}\n"):
            os.close(end)
            return False
        _load_without_words()
    finally:
        # liblsl has opened it for itself, unless it was loaded before: then the thread ends at once.
        os.close(other)
    args = (end, say or _to_stderr)
    threading.Thread(target=_pass_on, args=args, name=THREAD_NAME, daemon=True).start()
    return True


def said_by_liblsl(line: str) -> str:
    """A line of liblsl's log in rtbci's form; empty where rtbci tells the same, or it is no line of a log.

    Parameters
    ----------
    line : str
        As ``"2026-01-31 09:30:00.000 (   1.2s) [R_cap   ]   data_receiver.cpp:375    ERR| Stream transmission ..."``.
    """
    found = LINE.search(line.rstrip())
    if found is None or found[2].startswith(TOLD):
        return ""
    return f"liblsl: {LEVELS[found[1]]}: {found[2]}"


def _configure(content: str) -> bool:
    try:
        pylsl.set_config_content(content)
    except (AttributeError, NotImplementedError, RuntimeError):
        return False  # a liblsl older than 1.17 has no such function: it only talks more
    return True


def _load_without_words() -> None:
    """Have liblsl read its configuration now: it says on standard error that it logs to a file."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        pylsl.StreamInfo("rtbci", "", 1, source_id="rtbci")
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _pass_on(end: int, say: Callable[[str], None]) -> None:
    with os.fdopen(end, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if said := said_by_liblsl(line):
                say(said)


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
