import os
import socket
import subprocess
import sys
from base64 import b64encode
from typing import Any

import pytest

from rtbci.system import handing
from rtbci.system.handing import IN_WORDS, hand_over, handing_of, take_over

CHILD = """
import sys
from rtbci.system.handing import take_over
listening = take_over(int(sys.argv[1]))
connection, _ = listening.accept()
connection.sendall(sys.stdin.buffer.readline())
connection.close()
"""


@pytest.mark.sockets
def test_a_process_listens_where_its_parent_did() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        how = handing_of(listening)
        command = [sys.executable, "-c", CHILD, str(how.number)]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **how.options
        ) as popen:
            hand_over(listening, popen)
            assert popen.stdin is not None
            popen.stdin.write("what comes after the socket\n")
            popen.stdin.flush()
            with socket.create_connection(listening.getsockname(), 30) as browser:
                assert browser.recv(100).split() == b"what comes after the socket".split()


@pytest.mark.skipif(os.name != "posix", reason="simulates Windows elsewhere")
def test_windows_is_told_the_socket_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handing, "is_windows", lambda: True)
    monkeypatch.setattr(socket, "fromshare", lambda data: data, raising=False)
    read, write = os.pipe()

    class Listening:
        def share(self, pid: int) -> bytes:
            return b"\n\x00for %d" % pid

    class Popen:
        pid = 4711
        stdin = os.fdopen(write, "w", encoding="utf-8")

    listening: Any = Listening()
    popen: Any = Popen()
    assert handing_of(listening) == (IN_WORDS, {})
    hand_over(listening, popen)
    popen.stdin.write("what comes after")
    popen.stdin.close()
    number = os.dup(0)
    try:
        os.dup2(read, 0)
        words: Any = take_over(IN_WORDS)
        assert (words, os.read(0, 100)) == (b"\n\x00for 4711", b"what comes after")
        with pytest.raises(EOFError, match="ended before the socket came"):
            take_over(IN_WORDS)
    finally:
        os.dup2(number, 0)
        for one in (number, read):
            os.close(one)
    assert b64encode(words).decode() not in str(handing_of(listening))


@pytest.mark.skipif(os.name != "posix", reason="simulates Windows elsewhere")
def test_a_process_that_has_ended_already_breaks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handing, "is_windows", lambda: True)

    class Listening:
        def share(self, pid: int) -> bytes:
            return b"words"

    class Gone(Listening):
        def share(self, pid: int) -> bytes:
            raise OSError(87, "no such process")

    for listening in (Listening(), Gone()):
        read, write = os.pipe()
        os.close(read)

        class Popen:
            pid = 4711
            stdin = os.fdopen(write, "w", encoding="utf-8")

        popen: Any = Popen()
        sharing: Any = listening
        hand_over(sharing, popen)
        assert popen.stdin.closed
