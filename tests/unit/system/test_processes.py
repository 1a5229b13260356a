import os
import signal
import subprocess
import sys
from typing import Any

import psutil
import pytest

from rtbci.system import processes
from rtbci.system.processes import apart, ask_to_stop, askable, end_all, give_way, stop_signals

FAMILY = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])
print(child.pid, flush=True)
time.sleep(100)
"""
posix_only = pytest.mark.skipif(os.name != "posix", reason="simulates Windows elsewhere")


@pytest.mark.parametrize(
    "as_windows", [pytest.param(False, id="as it is"), pytest.param(True, id="windows", marks=posix_only)]
)
def test_what_a_process_has_started_ends_with_it(as_windows: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    command = [sys.executable, "-c", FAMILY]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **apart()) as popen:
        assert popen.stdout is not None
        child = psutil.Process(int(popen.stdout.readline()))
        if as_windows:
            monkeypatch.setattr(processes, "is_windows", lambda: True)
            monkeypatch.delattr(os, "killpg")
        end_all(popen, at_once=True)
        assert popen.wait(10) != 0
        end_all(popen)  # has ended: nothing to do
    psutil.wait_procs([child], 10)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


@posix_only
def test_windows_knows_other_flags_and_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "is_windows", lambda: True)
    monkeypatch.setattr(signal, "CTRL_BREAK_EVENT", 1, raising=False)
    sent: list[int] = []

    class Popen:
        def send_signal(self, number: int) -> None:
            sent.append(number)
            raise OSError("no console")

    popen: Any = Popen()
    ask_to_stop(popen)
    assert (sent, apart(), askable()) == ([1], {"creationflags": 0x200}, {"creationflags": 0x200})


@posix_only
def test_windows_has_classes_of_priority(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []
    monkeypatch.setattr(processes, "is_windows", lambda: True)
    monkeypatch.delattr(os, "nice")
    monkeypatch.setattr(psutil.Process, "nice", lambda _self, value: given.append(value))
    give_way(10)
    assert given == [0x4000]


CTRL_BREAK = """
import signal
if not hasattr(signal, "SIGBREAK"):
    signal.SIGBREAK = signal.SIGUSR1
from rtbci.commands.stopping import stop_on_signals
with stop_on_signals() as stop:
    signal.raise_signal(signal.SIGBREAK)
    print(stop.is_set())
"""


def test_ctrl_break_stops_in_order_where_there_is_one() -> None:
    """In a process of its own: a signal is none of the business of the others' tests."""
    assert {signal.SIGINT, signal.SIGTERM} <= set(stop_signals())
    done = subprocess.run([sys.executable, "-c", CTRL_BREAK], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True"]


@posix_only
@pytest.mark.parametrize(("before", "stops"), [("SIG_DFL", True), ("SIG_IGN", False)])
def test_a_terminal_that_goes_away_stops_what_was_not_started_to_go_on_without(
    before: str, stops: bool
) -> None:
    """SIG_IGN is what ``nohup`` does."""
    script = CTRL_BREAK.replace("SIGBREAK", "SIGHUP").replace(
        "import signal\n", f"import signal\nsignal.signal(signal.SIGHUP, signal.{before})\n", 1
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(stops)]
