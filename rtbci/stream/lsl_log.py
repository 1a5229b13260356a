"""Keep liblsl's own log lines out of the terminal, unless its user has configured it."""

import os
from collections.abc import Sequence
from pathlib import Path

import pylsl

__all__ = ["quiet_liblsl"]

CONFIG_FILES = ("lsl_api.cfg", "~/lsl_api/lsl_api.cfg", "/etc/lsl_api/lsl_api.cfg")
"""Where liblsl looks for its configuration, besides ``LSLAPICFG``."""
WARNINGS_ONLY = "[log]\nlevel = -1\n"


def quiet_liblsl(config_files: Sequence[str] = CONFIG_FILES) -> bool:
    """Let liblsl say warnings and errors only; call before anything else of liblsl.

    A configuration of the user's own (multicast, known peers, log level) is left as it is.

    Returns
    -------
    bool
        Whether it was done.
    """
    if os.environ.get("LSLAPICFG") or any(Path(path).expanduser().is_file() for path in config_files):
        return False
    try:
        pylsl.set_config_content(WARNINGS_ONLY)
    except (AttributeError, NotImplementedError, RuntimeError):
        return False  # a liblsl older than 1.17 has no such function: it only talks more
    return True
