"""What the first and the second signal do."""

import signal
import subprocess
import sys

import pytest

from rtbci.commands.stopping import Stop


class Clock:
    def __init__(self) -> None:
        self.t_s = 1000.0

    def __call__(self) -> float:
        return self.t_s

    def advance(self, by_s: float) -> None:
        self.t_s += by_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_second_sigint_interrupts_and_a_second_sigterm_does_not(clock: Clock) -> None:
    stop = Stop(clock)
    stop.ask(signal.SIGINT)
    assert stop.is_set()
    stop.ask(signal.SIGTERM)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            stop.ask(signal.SIGINT)


def test_a_patient_stop_is_interrupted_late_and_once(clock: Clock) -> None:
    stop = Stop(clock)
    stop.be_patient(5.0)
    stop.ask(signal.SIGTERM)
    clock.advance(4.9)
    stop.ask(signal.SIGINT)
    clock.advance(0.2)
    with pytest.raises(KeyboardInterrupt):
        stop.ask(signal.SIGINT)
    stop.ask(signal.SIGINT)


def test_nothing_interrupts_what_is_held(clock: Clock) -> None:
    stop = Stop(clock)
    stop.ask(signal.SIGINT)
    stop.hold()
    clock.advance(100.0)
    stop.ask(signal.SIGINT)
    assert stop.is_set()


IN_A_RUN = """
import signal
import sys

from rtbci.commands.stopping import stop_on_signals

number = signal.Signals(int(sys.argv[1]))
before = signal.getsignal(number)
with stop_on_signals() as stop:
    signal.raise_signal(number)
    assert stop.wait(1.0)
    stop.hold()
    signal.raise_signal(number)
assert signal.getsignal(number) is before
print("put back")
"""
IN_A_COMMAND = """
import signal

from rtbci import cli

try:
    with cli._ending_in_order():
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            print("cleaned")
finally:
    print("put back" if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL else "kept")
"""


def done(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run by a process of its own: one that has loaded what hundreds of tests use is no place to raise signals in."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_handlers_are_put_back(number: signal.Signals) -> None:
    found = done(IN_A_RUN, str(int(number)))
    assert (found.returncode, found.stdout.split("\n")[0]) == (0, "put back"), found.stderr


def test_sigterm_ends_a_command_so_that_it_takes_away_what_is_half_written() -> None:
    found = done(IN_A_COMMAND)
    assert (found.returncode, found.stdout.split()) == (128 + signal.SIGTERM, ["cleaned", "put", "back"]), (
        found.stderr
    )
