"""What a computer does beside the run: how busy it is, and who keeps it busy."""

from pathlib import Path

import msgspec
import numpy as np
import psutil

from rtbci.clock import now

__all__ = ["Busy", "Computer", "Load"]

N_NAMED = 3
INTERPRETERS = ("python", "node", "java", "ruby", "perl", "bash", "sh")
LEAST_PERCENT = 2.0
"""Of one core; less is not worth a name."""


class Busy(msgspec.Struct, frozen=True):
    """Another program, and the CPU that it took, in percent of one core."""

    name: str
    cpu_percent: float


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """How busy the computer was.

    Parameters
    ----------
    n_cores : int
    cpu_percent, cpu_max_percent : float
        Of all cores together: mean, and the busiest second. The run is in it.
    others : tuple of Busy
        Other programs, the busiest first.
    """

    n_cores: int
    cpu_percent: float
    cpu_max_percent: float
    others: tuple[Busy, ...]


class Computer:
    """Watches the whole computer between `begin` and `load`."""

    def __init__(self) -> None:
        self._percents: list[float] = []
        self._before: dict[tuple[int, float], float] = {}
        self._ours: set[int] = set()
        self._t_begin = 0.0

    def begin(self, *ours: int) -> None:
        """Begin; processes of these numbers, this one and their children are not others."""
        me = psutil.Process()
        self._ours = {me.pid, *ours, *(child.pid for child in me.children(recursive=True))}
        self._before, self._t_begin, self._percents = _cpu_times(), now(), []
        psutil.cpu_percent(None)  # the next call tells of the time since this one

    def look(self) -> None:
        """Remember how busy it was since the last look."""
        self._percents.append(psutil.cpu_percent(None))

    def load(self) -> Load:
        """What was seen since `begin`."""
        took_s, names = now() - self._t_begin, _names()
        others = [
            Busy(names.get(key, "?"), 100.0 * (cpu_s - self._before.get(key, 0.0)) / took_s)
            for key, cpu_s in _cpu_times().items()
            if key[0] not in self._ours
        ]
        busiest = sorted(
            (one for one in others if one.cpu_percent >= LEAST_PERCENT), key=lambda one: -one.cpu_percent
        )
        percents = self._percents or [0.0]
        return Load(
            n_cores=psutil.cpu_count() or 1,
            cpu_percent=float(np.mean(percents)),
            cpu_max_percent=float(np.max(percents)),
            others=tuple(busiest[:N_NAMED]),
        )


def _cpu_times() -> dict[tuple[int, float], float]:
    """CPU time of every process that we may look at, by its number and start."""
    found = {}
    for one in psutil.process_iter(["cpu_times", "create_time"]):
        times = one.info["cpu_times"]
        if times is not None:
            found[one.pid, one.info["create_time"]] = times.user + times.system
    return found


def _names() -> dict[tuple[int, float], str]:
    return {
        (one.pid, one.info["create_time"]): _name(str(one.info["name"]), one.info["cmdline"] or [])
        for one in psutil.process_iter(["name", "create_time", "cmdline"])
    }


def _name(name: str, command: list[str]) -> str:
    """The program's name; of an interpreter also what it runs: many a program is called python."""
    runs = next((Path(part).name for part in command[1:] if not part.startswith("-")), "")
    return f"{name} {runs[:20]}" if runs and name.startswith(INTERPRETERS) else name
