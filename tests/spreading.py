"""How tests are spread over processes (pytest-xdist): by modules, of which one group runs one after another.

The marker ``xdist_group`` is not used: pytest-xdist 3.8 writes groups into names of tests, which pytest 9.2 ignores.
"""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

__all__ = ["REAL_TIME", "ByModule", "in_order", "scope_of"]

ROOT = Path(__file__).resolve().parents[1]
REAL_TIME = "real time"
"""Group of the modules with a test that opens streams or sockets, or that waits for or measures real time."""
MARKERS = ("mark.net", "mark.clock")


class ByModule(LoadScopeScheduling):  # type: ignore[misc]  # pytest-xdist publishes no types
    """Gives each process a module at a time, so that costly set-up of a module is made once."""

    def _split_scope(self, nodeid: str) -> str:  # this is what pytest-xdist's schedulers differ in
        return scope_of(nodeid.partition("::")[0])


@cache
def scope_of(module: str, root: Path = ROOT) -> str:
    """What has to run in one process, by a module's path: `REAL_TIME`, or the module alone.

    Read from the text, because the process that spreads tests imports none of them.
    """
    text = (root / module).read_text()
    return REAL_TIME if any(marker in text for marker in MARKERS) else module


def in_order(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """Tests in the order in which they start: first what takes long, so that no process ends with it alone."""
    items = list(items)
    slow = {_module(item) for item in items if item.get_closest_marker("slow")}

    def rank(item: pytest.Item) -> int:
        if scope_of(_module(item)) == REAL_TIME:
            return 0
        return 1 if _module(item) in slow else 2

    return sorted(items, key=rank)


def _module(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]
