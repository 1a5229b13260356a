import hashlib
import subprocess
import venv
from pathlib import Path
from typing import Any

import pytest

from tools import dev


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """Commands that would have been run, in an environment that is empty."""
    commands: list[list[str]] = []

    def run(command: Any, **_options: object) -> "subprocess.CompletedProcess[bytes]":
        commands.append(list(command))
        return subprocess.CompletedProcess(command, 3 if "pyright" in command else 0)

    def create(_path: Path, with_pip: bool) -> None:
        assert with_pip
        dev.PYTHON.parent.mkdir(parents=True)
        dev.PYTHON.touch()

    monkeypatch.setattr(dev, "VENV", tmp_path / "venv")
    monkeypatch.setattr(dev, "PYTHON", tmp_path / "venv" / "bin" / "python")
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(venv, "create", create)
    return commands


def call(monkeypatch: pytest.MonkeyPatch, *args: str) -> int:
    monkeypatch.setattr("sys.argv", ["dev.py", *args])
    return dev.main()


@pytest.mark.parametrize(("args", "status"), [((), 0), (("--help",), 0), (("-h",), 0), (("deploy",), 2)])
def test_help(
    args: tuple[str, ...],
    status: int,
    ran: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert call(monkeypatch, *args) == status
    assert "tools/dev.py demo" in capsys.readouterr().out
    assert ran == []


def test_it_installs_once_and_again_when_the_project_changes(
    ran: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call(monkeypatch, "test", "-q") == 0
    assert ran[0][-2:] == ["--editable", f"{dev.ROOT}[test]"]
    assert ran[1][2] == "compileall"
    assert ran[1][-2:] == [str(dev.ROOT / "rtbci"), str(dev.ROOT / "tools")]
    assert ran[2][1:] == ["-m", "pytest", *dev.in_processes(), "-q"]
    assert call(monkeypatch, "test") == 0
    assert len(ran) == 4
    done = dev.VENV / ".installed-test"
    assert done.read_text() == hashlib.sha256((dev.ROOT / "pyproject.toml").read_bytes()).hexdigest()
    done.write_text("of another pyproject.toml")
    call(monkeypatch, "test")
    assert len(ran) == 7


def test_lint_runs_everything_and_tells_the_worst(
    ran: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call(monkeypatch, "lint") == 3
    assert sorted(command[2] for command in ran[2:]) == ["mypy", "pyright", "ruff", "ruff"]


def test_rtbci_and_demo(ran: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    assert call(monkeypatch, "rtbci", "streams") == 0
    assert ran[-1][1:] == ["streams"]
    assert call(monkeypatch, "demo", "--seconds", "5") == 0
    assert ran[-1][1:] == ["demo", "--seconds", "5"]
    assert ran[0][-1] == str(dev.ROOT)


def test_an_old_python(ran: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.version_info", (3, 10, 0))
    assert call(monkeypatch, "test") == 2
    assert ran == []


@pytest.mark.parametrize(("n_cores", "n_processes"), [(1, 0), (2, 4), (4, 6), (64, 6)])
def test_processes_of_the_tests(n_cores: int, n_processes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _pid: set(range(n_cores)), raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    assert dev.in_processes() == ["-n", str(n_processes), "--max-worker-restart", "0"]


def test_what_is_compiled_is_kept_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    environments: list[dict[str, str]] = []

    def run(command: Any, env: dict[str, str], **_options: object) -> "subprocess.CompletedProcess[bytes]":
        environments.append(env)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)
    assert dev.run("rtbci", "--version") == 0
    assert [(env["PATH"] != "", "PYTHONDONTWRITEBYTECODE" in env) for env in environments] == [(True, False)]
