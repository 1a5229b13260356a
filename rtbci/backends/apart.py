"""Asks `rtbci.backends.measured_apart`, in a process of its own, and reads its answer."""

import subprocess
import sys
from pathlib import Path

import msgspec

__all__ = ["NO_ANSWER", "measure_apart"]

NO_ANSWER = (OSError, subprocess.SubprocessError, msgspec.MsgspecError, IndexError)
"""What asking and decoding raise: it cannot be started, was ended, took too long or said something else."""


def measure_apart(what: str, path: Path, n_threads: int, *backends: str, timeout_s: float) -> bytes:
    """Have something measured, and wait for it; returns the answer's JSON. Raises one of `NO_ANSWER`.

    Parameters
    ----------
    what, path, n_threads, backends
        As `rtbci.backends.measured_apart` takes them.
    timeout_s : float
        Seconds after which the process is ended.
    """
    module = "rtbci.backends.measured_apart"
    done = subprocess.run(
        [sys.executable, "-m", module, what, str(path), str(n_threads), *backends],
        capture_output=True,
        timeout=timeout_s,
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return done.stdout.splitlines()[-1]
