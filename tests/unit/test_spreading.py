"""Which tests go to one process."""

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


def test_modules_with_streams_sockets_or_real_time_are_one_group(tmp_path: Path) -> None:
    for name, line in (("net", "@pytest.mark.net"), ("clock", "pytestmark = pytest.mark.clock"), ("no", "")):
        (tmp_path / f"{name}.py").write_text(f"{line}\ndef test() -> None: ...\n")
    found = [scope_of(f"{name}.py", tmp_path) for name in ("net", "clock", "no")]
    assert found == [REAL_TIME, REAL_TIME, "no.py"]


def test_real_time_starts_first_then_modules_with_slow_tests() -> None:
    slow, quick = "tests/unit/test_cli.py", "tests/unit/test_clock.py"
    real_time = "tests/integration/test_publish.py"
    items = [
        item(quick, "a"),
        item(slow, "b"),
        item(slow, "c", "slow"),
        item(real_time, "d"),
        item(quick, "e"),
    ]
    assert [one.nodeid[-1] for one in in_order(items)] == ["d", "b", "c", "a", "e"]


def test_every_module_with_lsl_or_sockets_says_so() -> None:
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        text = path.read_text()
        opens = any(call in text for call in ("StreamOutlet(", "SignalOutlet(", "IndexOutlet(", "ANY_PORT"))
        module = path.relative_to(ROOT).as_posix()
        assert not opens or scope_of(module) == REAL_TIME, module
