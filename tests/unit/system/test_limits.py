"""What the system lets a program have is what it gives."""

import _thread
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from rtbci.system import limits
from rtbci.system.limits import OpenFiles, open_files, threads_to_be_had

SETS = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (50, 60))
from rtbci.system.limits import open_files
print(open_files())
"""


def test_open_files_are_those_of_ulimit() -> None:
    pytest.importorskip("resource", reason="Windows has no such limit")
    said = subprocess.run([sys.executable, "-c", SETS], capture_output=True, text=True, check=True).stdout
    assert said == "OpenFiles(now=50, most=60)\n"


def test_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource", reason="Windows has no such limit")
    endless = resource.RLIM_INFINITY
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, endless))
    assert open_files() == OpenFiles(256, None)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (endless, endless))
    assert open_files() is None
    monkeypatch.setattr(limits, "resource", None)
    assert open_files() is None


def test_threads_are_started_and_end(monkeypatch: pytest.MonkeyPatch) -> None:
    start, ended = _thread.start_new_thread, []
    all_ended = threading.Event()

    def counted(function: Callable[..., object], args: tuple[Any, ...]) -> int:
        def run() -> None:
            function(*args)
            ended.append(0)
            if len(ended) == 5:
                all_ended.set()

        return start(run, ())

    monkeypatch.setattr(_thread, "start_new_thread", counted)
    assert threads_to_be_had(5) == 5
    assert all_ended.wait(60.0)


def test_how_many_threads_there_could_be(monkeypatch: pytest.MonkeyPatch) -> None:
    left = [0, 0, 0]

    def start(*_: object) -> int:
        if not left:
            raise RuntimeError("can't start new thread")
        return left.pop()

    monkeypatch.setattr(_thread, "start_new_thread", start)
    assert threads_to_be_had(5) == 3
