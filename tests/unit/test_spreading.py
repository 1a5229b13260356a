"""Which tests go to one process."""

import ast
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("xdist", reason="pytest-xdist is not installed")

from tests.spreading import REAL_TIME, ROOT, SOCKETS, STREAMS, in_order, scope_of


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
        (TWO.format(mark="net"), STREAMS, "m.py"),
        (TWO.format(mark="clock"), REAL_TIME, "m.py"),
        (TWO.format(mark="sockets"), SOCKETS, "m.py"),
        (TWO.format(mark="net\n@pytest.mark.clock"), REAL_TIME, "m.py"),
        (IN_A_PARAMETER, STREAMS, "m.py"),
        ("pytestmark = pytest.mark.clock" + TWO.format(mark="slow"), REAL_TIME, REAL_TIME),
        ("pytestmark = [pytest.mark.slow, pytest.mark.net]" + TWO.format(mark="slow"), STREAMS, STREAMS),
        ("pytestmark = pytest.mark.sockets" + TWO.format(mark="net"), STREAMS, STREAMS),
        (OF_A_CLASS, REAL_TIME, REAL_TIME),
        ("real = pytest.mark.net\n@real\ndef test_a() -> None: ...", STREAMS, STREAMS),
    ],
)
def test_real_time_streams_and_sockets_are_a_group_each(tmp_path: Path, text: str, a: str, b: str) -> None:
    (tmp_path / "m.py").write_text(text)
    assert [scope_of(f"m.py::{name}", tmp_path) for name in ("test_a[1]", "test_b")] == [a, b]


def test_what_waits_starts_first_then_modules_with_slow_tests_and_sockets_end() -> None:
    slow, quick = "tests/unit/test_cli.py", "tests/unit/test_clock.py"
    items = [
        item("tests/integration/test_publish.py", "test_g"),
        item(quick, "a"),
        item(slow, "b"),
        item(slow, "c", "slow"),
        item("tests/integration/test_calibrate.py", "test_d"),
        item("tests/integration/test_cue_page.py", "test_e"),
        item(quick, "f"),
    ]
    assert [one.nodeid[-1] for one in in_order(items)] == ["e", "d", "b", "c", "a", "f", "g"]


OPEN_STREAMS = ("StreamOutlet(", "SignalOutlet(", "IndexOutlet(", "rtbci_run(")
OPENS = (*OPEN_STREAMS, "ANY_PORT")


def test_every_test_with_lsl_or_sockets_says_so() -> None:
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        if path == Path(__file__):
            continue
        module, text = path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
        if not any(call.rstrip("(") in text for call in OPENS):  # to parse all of them takes long
            continue
        parts = [one for one in ast.parse(text).body if isinstance(one, ast.FunctionDef | ast.ClassDef)]
        scopes = {one.name: scope_of(f"{module}::{one.name}") for one in parts if one.name.startswith("test")}
        for calls, may in ((OPEN_STREAMS, {REAL_TIME, STREAMS}), (OPENS, {REAL_TIME, STREAMS, SOCKETS})):
            opening = [one.name for one in parts if any(call in ast.unparse(one) for call in calls)]
            assert {scopes.get(name, REAL_TIME) for name in opening} <= may, module
            assert not opening or may & set(scopes.values()), module
