"""Which tests go to one process."""

import ast
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("xdist", reason="pytest-xdist is not installed")

from tests.spreading import REAL_TIME, ROOT, in_order, scope_of


def item(module: str, name: str, *markers: str) -> Any:
    return SimpleNamespace(
        nodeid=f"{module}::{name}", get_closest_marker=lambda one: one if one in markers else None
    )


TWO = """
@pytest.mark.parametrize("x", [1])
@pytest.mark.{mark}
def test_a(x: int) -> None: ...
def test_b() -> None:
    assert "pytest.mark.net"
"""
IN_A_PARAMETER = """
@pytest.mark.parametrize("x", [1, pytest.param(2, marks=pytest.mark.net)])
def test_a(x: int) -> None: ...
def test_b() -> None: ...
"""
OF_A_CLASS = """
class TestAll:
    @pytest.mark.clock
    def test_a(self) -> None: ...
def test_b() -> None: ...
"""


@pytest.mark.parametrize(
    ("text", "a", "b"),
    [
        ("def test_a() -> None: ...\ndef test_b() -> None: ...", "m.py", "m.py"),
        (TWO.format(mark="net"), REAL_TIME, "m.py"),
        (TWO.format(mark="clock"), REAL_TIME, "m.py"),
        (IN_A_PARAMETER, REAL_TIME, "m.py"),
        ("pytestmark = pytest.mark.clock" + TWO.format(mark="slow"), REAL_TIME, REAL_TIME),
        ("pytestmark = [pytest.mark.slow, pytest.mark.net]" + TWO.format(mark="slow"), REAL_TIME, REAL_TIME),
        (OF_A_CLASS, REAL_TIME, REAL_TIME),
        ("real = pytest.mark.net\n@real\ndef test_a() -> None: ...", REAL_TIME, REAL_TIME),
    ],
)
def test_tests_with_streams_sockets_or_real_time_are_one_group(
    tmp_path: Path, text: str, a: str, b: str
) -> None:
    (tmp_path / "m.py").write_text(text)
    assert [scope_of(f"m.py::{name}", tmp_path) for name in ("test_a[1]", "test_b")] == [a, b]


def test_real_time_starts_first_then_modules_with_slow_tests() -> None:
    slow, quick = "tests/unit/test_cli.py", "tests/unit/test_clock.py"
    real_time = "tests/integration/test_publish.py"
    items = [
        item(quick, "a"),
        item(slow, "b"),
        item(slow, "c", "slow"),
        item(real_time, "test_d"),
        item(quick, "e"),
    ]
    assert [one.nodeid[-1] for one in in_order(items)] == ["d", "b", "c", "a", "e"]


OPENS = ("StreamOutlet(", "SignalOutlet(", "IndexOutlet(", "ANY_PORT", "rtbci_run(")


def test_every_test_with_lsl_or_sockets_says_so() -> None:
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        if path == Path(__file__):
            continue
        module, text = path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
        if not any(call.rstrip("(") in text for call in OPENS):  # to parse all of them takes long
            continue
        parts = [one for one in ast.parse(text).body if isinstance(one, ast.FunctionDef | ast.ClassDef)]
        opening = [one.name for one in parts if any(call in ast.unparse(one) for call in OPENS)]
        scopes = {one.name: scope_of(f"{module}::{one.name}") for one in parts if one.name.startswith("test")}
        assert {scopes.get(name, REAL_TIME) for name in opening} <= {REAL_TIME}, module
        assert not opening or REAL_TIME in scopes.values(), module
