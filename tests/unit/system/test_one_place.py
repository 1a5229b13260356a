"""What is not on every operating system is asked for in `rtbci/system/` alone."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3] / "rtbci"
MODULES = {
    "curses",
    "fcntl",
    "grp",
    "msvcrt",
    "pty",
    "pwd",
    "resource",
    "termios",
    "tty",
    "winreg",
    "winsound",
}
CALLS = {
    "os": {
        "fork",
        "getpgrp",
        "killpg",
        "kill",
        "nice",
        "setsid",
        "setpgrp",
        "pread",
        "pwrite",
        "fdatasync",
        "name",
    }
    | {
        "sched_setaffinity",
        "sched_setscheduler",
        "posix_fadvise",
        "getloadavg",
        "uname",
        "sysconf",
        "O_DIRECTORY",
    },
    "signal": {
        "SIGHUP",
        "SIGKILL",
        "SIGSTOP",
        "SIGUSR1",
        "SIGALRM",
        "pthread_sigmask",
        "pthread_kill",
        "setitimer",
    },
    "select": {"select", "poll", "epoll"},
    "sys": {"platform"},
}
OPTIONS = {"pass_fds", "start_new_session", "preexec_fn", "process_group", "creationflags", "startupinfo"}
MAY = {("memory.py", "sys.platform"), ("publish/inbound.py", "sys.platform")}
"""Nothing there is missed on other systems than Linux."""


def asked(path: Path) -> set[str]:
    """What a file names that not every system has."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= MODULES & {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= MODULES & {node.module or ""}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.attr in CALLS.get(node.value.id, ()):
                found.add(f"{node.value.id}.{node.attr}")
        elif isinstance(node, ast.keyword) and node.arg in OPTIONS:
            found.add(str(node.arg))
    return found


def test_nothing_else_asks_which_system_it_is() -> None:
    files = {path.relative_to(ROOT).as_posix(): path for path in ROOT.rglob("*.py")}
    assert len(files) > 500
    elsewhere = {
        (name, one) for name, path in files.items() if not name.startswith("system/") for one in asked(path)
    }
    assert elsewhere == MAY


def test_it_would_be_seen(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("import fcntl\nimport os\nos.nice(3)\nf(pass_fds=())\n", encoding="utf-8")
    assert asked(path) == {"fcntl", "os.nice", "pass_fds"}
