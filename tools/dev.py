"""Set up and run, from a fresh clone, with nothing but Python 3.11 or newer.

    python3 tools/dev.py demo        # the main job, without hardware
    python3 tools/dev.py test        # the tests, in a process for each core and two more; -n 0 for one alone
    python3 tools/dev.py lint        # format, lint and types
    python3 tools/dev.py rtbci ...   # any rtbci command

Makes a virtual environment in ``.venv`` (or where ``RTBCI_VENV`` says) and installs the project into it,
again only when pyproject.toml has changed since.
"""

import hashlib
import os
import subprocess
import sys
import venv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = Path(os.environ.get("RTBCI_VENV", ROOT / ".venv"))
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
EXTRAS = {"demo": "", "rtbci": "", "test": "test", "lint": "lint"}
MAX_CORES = 4  # tests that wait for real time run one after another, so more would wait for these
LINT = (
    ["ruff", "format", "--check", "."],
    ["ruff", "check", "."],
    ["mypy"],
    ["pyright", "--pythonpath", str(PYTHON)],
)


def main() -> int:
    """Install what the command needs, run it, return its exit status."""
    command, *rest = sys.argv[1:] or ["--help"]
    if command not in EXTRAS:
        print(__doc__)
        return 0 if command in ("-h", "--help") else 2
    if sys.version_info < (3, 11):  # noqa: UP036  an older Python gets a clear line, not a SyntaxError later
        print(f"dev.py: this is Python {sys.version.split()[0]}, need 3.11 or newer")
        return 2
    install(EXTRAS[command])
    if command == "demo":
        return run(str(BIN / "rtbci"), "demo", *rest)
    if command == "rtbci":
        return run(str(BIN / "rtbci"), *rest)
    if command == "test":
        return run(str(PYTHON), "-m", "pytest", *in_processes(), *rest)
    return lint()


def install(extra: str) -> None:
    """Make the environment and install the project with `extra`, unless that has been done."""
    done = VENV / f".installed-{extra or 'run'}"
    wanted = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    if done.is_file() and done.read_text() == wanted:
        return
    if not PYTHON.is_file():
        print(f"making {VENV}", flush=True)
        venv.create(VENV, with_pip=True)
    target = f"{ROOT}[{extra}]" if extra else str(ROOT)
    print(f"installing {target} (a few minutes the first time)", flush=True)
    # pip compiles on one core, which takes as long as the rest; and not rtbci itself, where it is editable.
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    subprocess.run([*pip, "--editable", target], check=True)
    sources = [*VENV.glob("[Ll]ib/**/site-packages"), ROOT / "rtbci", ROOT / "tools"]
    # Its status tells of templates among them that are no Python.
    subprocess.run(
        [str(PYTHON), "-m", "compileall", "-qq", "-j", "0", *map(str, sources)], env=_keeping(), check=False
    )
    done.write_text(wanted)


def lint() -> int:
    """Run all of `LINT` at once, each on a core; what they say comes in their order, and the worst status is returned."""

    def checked(tool: list[str]) -> "subprocess.CompletedProcess[bytes]":
        command = [str(PYTHON), "-m", *tool]
        return subprocess.run(
            command, cwd=ROOT, env=_keeping(), check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    worst = 0
    with ThreadPoolExecutor(len(LINT)) as pool:
        for tool, done in zip(LINT, pool.map(checked, LINT), strict=True):
            print("$", *tool, flush=True)
            print((done.stdout or b"").decode(errors="replace"), end="", flush=True)
            worst = max(worst, done.returncode)
    return worst


def in_processes() -> list[str]:
    """Options of pytest that spread the tests over the cores; where one is given again, the last one counts."""
    affinity = getattr(
        os, "sched_getaffinity", None
    )  # what this process may use, which may be less than there is
    n_cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    # Two more than cores: those with the tests of real time and of streams leave a core to the others most of the time,
    # which make way for them (tests/conftest.py).
    n_processes = min(n_cores, MAX_CORES) + 2 if n_cores > 1 else 0
    if n_processes:  # else each of them would start as many threads as there are cores
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            os.environ.setdefault(name, "1")
    # A process that has ended is not replaced: pytest-xdist would wait for ever for the tests that it had left.
    return ["-n", str(n_processes), "--max-worker-restart", "0"]


def run(*command: str) -> int:
    """Run a command in the repository's root."""
    print("$", " ".join(command), flush=True)
    return subprocess.run(command, cwd=ROOT, env=_keeping(), check=False).returncode


def _keeping() -> dict[str, str]:
    """An environment in which compiled modules are kept, as containers often forbid: else each process compiles all of them."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        sys.exit(f"dev.py: `{' '.join(error.cmd)}` failed with status {error.returncode}")
    except KeyboardInterrupt:
        sys.exit(130)
