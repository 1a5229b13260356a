"""How tests are spread over processes (pytest-xdist): by modules, of which one group runs one after another.

The marker ``xdist_group`` is not used: pytest-xdist 3.8 writes groups into names of tests, which pytest 9.2 ignores.
"""

import ast
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

__all__ = ["REAL_TIME", "ByModule", "in_order", "scope_of"]

ROOT = Path(__file__).resolve().parents[1]
REAL_TIME = "real time"
"""Group of the tests that open streams or sockets, or that wait for or measure real time."""
MARKERS = ("mark.net", "mark.clock")
ALL = ""


class ByModule(LoadScopeScheduling):  # type: ignore[misc]  # pytest-xdist publishes no types
    """Gives each process a module at a time, so that costly set-up of a module is made once."""

    def _split_scope(self, nodeid: str) -> str:  # this is what pytest-xdist's schedulers differ in
        return scope_of(nodeid)


def scope_of(nodeid: str, root: Path = ROOT) -> str:
    """What has to run in one process, by a test's id: `REAL_TIME`, or its module without the tests that are in that."""
    module, _, name = nodeid.partition("::")
    marked = _real_time(module, root)
    return REAL_TIME if ALL in marked or name.partition("[")[0] in marked else module


@cache
def _real_time(module: str, root: Path) -> frozenset[str]:
    """Names of a module's tests that are marked, or `ALL`.

    Read from the text, because the process that spreads tests imports none of them. Where a marker is anywhere but at
    a test, it may be of any test.
    """
    tree = ast.parse((root / module).read_text(encoding="utf-8"))
    tests = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test")]
    counts = {one.name: sum(_count(decorator) for decorator in one.decorator_list) for one in tests}
    names = [name for name, n in counts.items() if n]
    return frozenset(names if sum(counts.values()) == _count(tree) else [ALL])


def _count(node: ast.AST) -> int:
    """How often a marker is used in a piece of code; texts do not count."""
    return sum(ast.unparse(one).endswith(MARKERS) for one in ast.walk(node) if isinstance(one, ast.Attribute))


def in_order(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """Tests in the order in which they start: first what takes long, so that no process ends with it alone."""
    items = list(items)
    slow = {_module(item) for item in items if item.get_closest_marker("slow")}

    def rank(item: pytest.Item) -> int:
        if scope_of(item.nodeid) == REAL_TIME:
            return 0
        return 1 if _module(item) in slow else 2

    return sorted(items, key=rank)


def _module(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]
