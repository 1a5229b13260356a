"""ONNX Runtime is loaded in one place, where it is told to tell nobody anything."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rtbci.backends.onnxruntime_api import NO_TELEMETRY, load_onnxruntime

ROOT = Path(__file__).resolve().parents[3]
LOADS = """
import sys
from rtbci.backends.registry import open_session
from rtbci.recipes import read_engine
open_session(read_engine(sys.argv[1]).onnx_path)
"""


def imports_of(path: Path) -> set[str]:
    """Modules that a file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(str(node.module))
    return found


def test_nothing_else_loads_it() -> None:
    files = [path for folder in ("rtbci", "tools", "examples") for path in (ROOT / folder).rglob("*.py")]
    assert len(files) > 500
    assert [path.name for path in files if "onnxruntime" in imports_of(path)] == ["onnxruntime_api.py"]


def test_nothing_is_kept_for_anybody_to_send(tmp_path: Path) -> None:
    """Of builds with telemetry: an identifier of this computer, and a database, below the user's cache."""
    engine = next(path.parent for path in sorted(ROOT.glob("engines/*/recipe.toml")))
    # Without what stands for a computer that builds and tests, where such builds keep still.
    env = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "SYSTEMROOT") if name in os.environ}
    env |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    subprocess.run(
        [sys.executable, "-c", LOADS, str(engine)], env=env, cwd=ROOT, check=True, capture_output=True
    )
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_whoever_says_it_themselves_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NO_TELEMETRY, "0")
    load_onnxruntime()
    assert os.environ[NO_TELEMETRY] == "0"
    monkeypatch.delenv(NO_TELEMETRY)
    load_onnxruntime()
    assert os.environ[NO_TELEMETRY] == "1"
