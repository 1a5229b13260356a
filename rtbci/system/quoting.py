"""Words of a command line, as a person pastes them."""

import re
import shlex

from rtbci.system.windows import is_windows

__all__ = ["quoted"]

PLAIN = re.compile(r"[\w@+=:,./\\-]+", re.ASCII)


def quoted(word: str) -> str:
    """A word as the system's shell takes it; in quotes only where it needs them.

    Notes
    -----
    The shells of Windows agree on double quotes alone: to `cmd`, a single one is a letter, and ``>`` in it redirects.
    """
    if not is_windows():
        return shlex.quote(word)
    return word if PLAIN.fullmatch(word) else f'"{word}"'
