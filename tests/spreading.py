"""How tests are spread over processes (pytest-xdist): by modules, of which three groups run one after another.

The marker ``xdist_group`` is not used: pytest-xdist 3.8 writes groups into names of tests, which pytest 9.2 ignores.
"""

import ast
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

__all__ = ["REAL_TIME", "SOCKETS", "STREAMS", "ByModule", "in_order", "scope_of"]

ROOT = Path(__file__).resolve().parents[1]
REAL_TIME = "real time"
"""Group of the tests that wait for or measure real time: whoever makes them late makes them fail."""
STREAMS = "streams"
"""Group of the others that open LSL streams."""
SOCKETS = "sockets"
"""Group of the others that open sockets."""
GROUPS = {"mark.clock": REAL_TIME, "mark.net": STREAMS, "mark.sockets": SOCKETS}
"""By markers; a test with several is of the first one's."""
ALL = ""


class ByModule(LoadScopeScheduling):  # type: ignore[misc]  # pytest-xdist publishes no types
    """Gives each process a module at a time, so that costly set-up of a module is made once."""

    def _split_scope(self, nodeid: str) -> str:  # this is what pytest-xdist's schedulers differ in
        return scope_of(nodeid)


def scope_of(nodeid: str, root: Path = ROOT) -> str:
    """What has to run in one process, by a test's id: its group, or its module without the tests that are in one."""
    module, _, name = nodeid.partition("::")
    grouped = _grouped(module, root)
    return grouped.get(ALL) or grouped.get(name.partition("[")[0]) or module


@cache
def _grouped(module: str, root: Path) -> Mapping[str, str]:
    """Groups of a module's tests by their names, or that of `ALL`.

    Read from the text, because the process that spreads tests imports none of them. Where a marker is anywhere but at
    a test, it may be of any test.
    """
    tree = ast.parse((root / module).read_text(encoding="utf-8"))
    tests = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test")]
    marks = {one.name: [mark for node in one.decorator_list for mark in _groups(node)] for one in tests}
    everywhere = _groups(tree)
    if sum(map(len, marks.values())) != len(everywhere):
        return {ALL: _first(everywhere)}
    return {name: _first(found) for name, found in marks.items() if found}


def _groups(node: ast.AST) -> list[str]:
    """Group of each marker that is used in a piece of code; texts do not count."""
    names = [ast.unparse(one) for one in ast.walk(node) if isinstance(one, ast.Attribute)]
    return [group for name in names for end, group in GROUPS.items() if name.endswith(end)]


def _first(groups: Sequence[str]) -> str:
    return min(groups, key=list(GROUPS.values()).index)


def in_order(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """Tests in the order in which they start: first what takes long, so that no process ends with it alone.

    Real time and streams wait most of the time, each in a process; sockets come last, when the processors have little else to do.
    """
    items = list(items)
    slow = {_module(item) for item in items if item.get_closest_marker("slow")}

    def rank(item: pytest.Item) -> int:
        of_group = {REAL_TIME: 0, STREAMS: 1, SOCKETS: 4}
        return of_group.get(scope_of(item.nodeid), 2 if _module(item) in slow else 3)

    return sorted(items, key=rank)


def _module(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]
