"""Measurements that need a process of their own; run as a module, prints one line of JSON.

python -m rtbci.backends.measured_apart race PATH N_THREADS BACKEND...
python -m rtbci.backends.measured_apart memory PATH N_THREADS BACKEND PRECISION
"""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import msgspec
import numpy as np

from rtbci.backends.registry import open_session
from rtbci.backends.session import Session
from rtbci.backends.timing import take_turns
from rtbci.errors import RtbciError
from rtbci.recipes import Precision

__all__ = ["main", "memory_mb", "race_ms", "resident_mb"]

RACE_ROUNDS, RACE_ROUND_S = 8, 0.1
N_WARM = 20


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what the command line names and print it."""
    what, path, n_threads, *names = sys.argv[1:] if arguments is None else arguments
    result = (
        race_ms(Path(path), int(n_threads), names)
        if what == "race"
        else memory_mb(Path(path), int(n_threads), names[0], msgspec.convert(names[1], Precision))
    )
    print(msgspec.json.encode(result).decode())


def race_ms(path: Path, n_threads: int, backends: Sequence[str]) -> dict[str, float]:
    """Milliseconds of one call at batch 1 by back end, of the least disturbed round; those that open only."""
    sessions: dict[str, Session] = {}
    for backend in backends:
        try:
            sessions[backend] = open_session(path, backend, n_threads)
        except RtbciError as error:
            print(error, file=sys.stderr)
    calls = {name: partial(session.run, _input(session)) for name, session in sessions.items()}
    return {name: timing.best_ms for name, timing in take_turns(calls, RACE_ROUNDS, RACE_ROUND_S).items()}


def memory_mb(path: Path, n_threads: int, backend: str, precision: Precision = "fp32") -> float | None:
    """Megabytes by which opening an engine and running it make this process larger; None where unknown.

    The library that runs it is part of that.
    """
    before = resident_mb()
    session = open_session(path, backend, n_threads, precision)
    for _ in range(N_WARM):
        session.run(_input(session))
    after = resident_mb()
    return None if before is None or after is None else after - before


def resident_mb() -> float | None:
    """Megabytes of this process that are in memory now; None on systems without /proc."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), None)


def _input(session: Session) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.random.default_rng(0).standard_normal(session.input_shape).astype(np.float32)


if __name__ == "__main__":
    main()
