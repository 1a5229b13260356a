"""One direction of flow: packages import what stands above them in ARCHITECTURE.md, and what it names besides."""

import ast
import re
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
TAKES = re.compile(r"`(\w+)` takes (`[\w.]+`(?: and `[\w.]+`)*)")


def order() -> list[str]:
    """Packages as the table has them."""
    table = TEXT.split("## Packages", 1)[1].split("## ", 1)[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    return [name for row in rows for name in re.findall(r"`(\w+)/`", row) if name != "examples"]


def allowed() -> set[tuple[str, str]]:
    """Which package takes which module from below."""
    return {
        (package, module)
        for package, named in TAKES.findall(TEXT)
        for module in re.findall(r"`([\w.]+)`", named)
    }


def imported(path: Path) -> set[str]:
    """What a module imports of rtbci, at any place in it, without the package's name."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module, *(f"{node.module}.{one.name}" for one in node.names)}
        elif isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
    return {name.removeprefix("rtbci.") for name in found if name.startswith("rtbci.")}


@cache
def downward() -> set[tuple[str, str]]:
    """Each package with the modules that it imports from one that stands below it."""
    places = {name: i for i, name in enumerate(order())}
    found: set[tuple[str, str]] = set()
    for package, place in places.items():
        for path in (ROOT / "rtbci" / package).rglob("*.py"):
            names = {name for name in imported(path) if places.get(name.split(".")[0], -1) > place}
            found |= {(package, ".".join(name.split(".")[:2])) for name in names}
    return {(package, name) for package, name in found if "." in name}


def modules() -> dict[str, set[str]]:
    """What each module of the package imports of it, at any place in it."""
    paths = (path for path in (ROOT / "rtbci").rglob("*.py") if path.name != "__init__.py")
    found = {".".join(path.relative_to(ROOT / "rtbci").with_suffix("").parts): path for path in paths}
    return {name: imported(path) & found.keys() for name, path in found.items()}


def test_no_module_imports_itself_by_way_of_others() -> None:
    TopologicalSorter(modules()).prepare()  # CycleError names the circle


def test_the_table_has_every_package() -> None:
    there = {path.parent.name for path in (ROOT / "rtbci").glob("*/__init__.py")} - {"commands"}
    assert there <= set(order())
    assert len(order()) == len(set(order()))


def test_packages_import_what_stands_above_them() -> None:
    may = allowed()
    wrong = {(who, what) for who, what in downward() if not {(who, what), (who, what.split(".")[0])} & may}
    assert not wrong


def test_what_is_named_besides_is_there() -> None:
    have = downward()
    stale = {
        (who, what)
        for who, what in allowed()
        if not any(who == one and (name + ".").startswith(what + ".") for one, name in have)
    }
    assert not stale
