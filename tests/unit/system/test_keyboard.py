import os
import sys
from types import SimpleNamespace

import pytest

from rtbci.system.keyboard import LOOK_S, single_keys

posix_only = pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals are POSIX")


@posix_only
def test_keys_of_a_terminal() -> None:
    master, slave = os.openpty()
    os.write(master, b"typed before\n")
    with open(slave, encoding="ascii") as terminal, single_keys(terminal) as read:
        assert read(0.0) == ""
        os.write(master, b" \x1b[D")
        text = ""
        while len(text) < 4:
            text += read(1.0) or ""
        assert text == " \x1b[D"
    os.close(master)


class Console:
    """What `msvcrt` gives of a console: keys that wait, and keys that come while somebody waits."""

    def __init__(self) -> None:
        self.waiting: list[str] = []
        self.later: list[str] = []
        self.slept_s: list[float] = []

    def kbhit(self) -> bool:
        return bool(self.waiting)

    def getwch(self) -> str:
        return self.waiting.pop(0)

    def sleep(self, wait_s: float) -> None:
        self.slept_s.append(wait_s)
        self.waiting += self.later
        self.later = []


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch) -> Console:
    console = Console()
    fake = SimpleNamespace(kbhit=console.kbhit, getwch=console.getwch)
    monkeypatch.setitem(sys.modules, "msvcrt", fake)
    monkeypatch.setattr("rtbci.system.keyboard.is_windows", lambda: True)
    monkeypatch.setattr("rtbci.system.keyboard.time.sleep", console.sleep)
    return console


def test_windows_arrows_are_told_as_everywhere(console: Console) -> None:
    console.waiting = list("typed before")
    with single_keys(sys.stdin) as read:
        console.waiting = ["l", "\xe0", "K", "\x00", "M", "\xe0", "\x86", " "]  # left, right, F12
        assert read(0.0) == "l\x1b[D\x1b[C "
        assert read(0.0) == ""


def test_windows_waits_no_longer_than_needed(console: Console) -> None:
    with single_keys(sys.stdin) as read:
        console.later = ["\r"]
        assert read(1.0) == "\r"
        assert console.slept_s == [LOOK_S]
        assert read(1.0) == ""
        assert sum(console.slept_s[1:]) == pytest.approx(1.0)
