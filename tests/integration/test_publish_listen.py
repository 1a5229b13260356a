"""`listen` as a user runs it: in a process of its own, into a pipe or on a terminal."""

import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from rtbci.publish.outbox import Outbox
from rtbci.publish.zmq_publisher import Publisher
from tests.integration.publish_fixtures import ANY_PORT, HELLO, poll_until_hello, published, window

pytestmark = pytest.mark.sockets
CODE = """
import signal, sys
from rtbci.listen import listen
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background
sys.exit(listen(sys.argv[1], as_json="json" in sys.argv) == 0)
"""


@contextmanager
def listening(address: str, *flags: str, stdout: int = subprocess.PIPE) -> Iterator["subprocess.Popen[str]"]:
    environment = {**os.environ, "COLUMNS": "80", "LINES": "30", "TERM": "xterm", "PYTHONIOENCODING": "utf-8"}
    process = subprocess.Popen(
        [sys.executable, "-c", CODE, address, *flags],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def publish_until_readable(outbox: Outbox, fd: int) -> None:
    for _ in range(1000):
        outbox.poll()
        outbox.prediction(window())
        if select.select([fd], [], [], 0.01)[0]:
            return
    raise AssertionError("the listener wrote nothing")


def test_json_lines_are_the_messages_with_their_topic() -> None:
    with published() as (outbox, publisher), listening(publisher.address, "json") as process:
        assert process.stdout is not None
        publish_until_readable(outbox, process.stdout.fileno())
        outbox.event("marker", 5.0, "cue")
        message = json.loads(process.stdout.readline())
        while message["topic"] != "event":
            assert message["topic"] in ("prediction", "hello")
            assert message["session"] == outbox.session
            message = json.loads(process.stdout.readline())
        assert (message["kind"], message["value"]) == ("marker", "cue")


def test_what_is_waited_for_is_said_once_where_nobody_publishes() -> None:
    with socket.socket() as taken:  # bound and not listening: nobody publishes there
        taken.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with listening(address, "json") as process:
            assert process.stderr is not None
            assert process.stderr.readline() == (
                f"nothing from {address} yet: waiting for `rtbci run` to publish there; one that is encrypted needs "
                "--server-key\n"
            )
            time.sleep(1.0)
            process.send_signal(signal.SIGINT)
            assert process.communicate(timeout=10) == ("", "")


def test_ctrl_c_ends_it_quietly() -> None:
    with published() as (outbox, publisher), listening(publisher.address, "json") as process:
        assert process.stdout is not None
        publish_until_readable(outbox, process.stdout.fileno())
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)
        assert (process.returncode, errors) == (0, "")


def test_a_reader_that_goes_away_ends_it_quietly() -> None:
    with published() as (outbox, publisher), listening(publisher.address, "json") as process:
        assert process.stdout is not None
        publish_until_readable(outbox, process.stdout.fileno())
        process.stdout.close()
        for _ in range(1000):
            outbox.prediction(window())
            if process.poll() is not None:
                break
            time.sleep(0.01)
        assert process.stderr is not None
        assert (process.returncode, process.stderr.read()) == (0, "")


def test_into_a_pipe_each_prediction_is_one_plain_line() -> None:
    with published() as (outbox, publisher), listening(publisher.address) as process:
        assert process.stdout is not None
        publish_until_readable(outbox, process.stdout.fileno())
        line = process.stdout.readline()
        assert re.fullmatch(r"100\.000 - \(below_threshold\) left=0\.250 right=0\.750 age=\S+ms\n", line)


def test_on_a_terminal_it_shows_a_table_within_80_columns() -> None:
    terminal, its_end = pty.openpty()
    try:
        with published() as (outbox, publisher), listening(publisher.address, stdout=its_end):
            screen = ""
            t_limit = time.monotonic() + 10
            # A prediction may be drawn before the hello, which answers who has come, is there.
            while (
                not ("below_threshold" in screen and "engine nano" in screen) and time.monotonic() < t_limit
            ):
                outbox.poll()
                outbox.prediction(window())
                if select.select([terminal], [], [], 0.05)[0]:
                    screen += os.read(terminal, 65_536).decode("utf-8", "replace")
    finally:
        os.close(terminal)
        os.close(its_end)
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen).replace("\r", "\n")
    assert re.search(r"engine nano · profile population *$", plain, re.MULTILINE)
    assert "left %" in plain
    assert re.search(r"100\.00 -\s+█.* 25 █.* 75 below_threshold", plain)
    assert "lost 0  malformed 0" in plain
    assert max(map(len, plain.splitlines())) <= 80


def test_the_board_shows_decisions_silence_and_losses() -> None:
    from rich.console import Console

    from rtbci.client import Client
    from rtbci.listen_board import Board
    from tools.write_schema import samples

    t_now = 0.0
    console = Console(width=80, height=40, force_terminal=False, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    with Client("tcp://127.0.0.1:9") as client:
        board = Board(client, console, refresh_s=0.2, clock=lambda: t_now)
        try:
            console.print(board.render())
            client.n_lost["prediction"] = 4
            for message in samples().values():
                board.show(message)
            t_now = 10.0
            console.print(board.render())
        finally:
            board.close()
            console.file.close()
    text = console.export_text()
    assert "waiting for tcp://127.0.0.1:9" in text
    assert "running  eego  500.0 of 500 Hz" in text
    assert "gaps 1  skipped 3  overflow 0" in text
    assert re.search(r"5312\.41 right .* 18 .* 82 ", text)
    assert re.search(r"5312\.41 - +gap", text)
    assert "bad channels: FC5" in text
    assert "5312.41 decision right" in text
    assert "nothing received for 10 s" in text
    assert re.search(r"recorded in ….*/sessions/20260131T093000Z-motor_imagery-p07\s*$", text, re.MULTILINE)
    assert "lost 4  malformed 0" in text


@pytest.mark.parametrize(
    ("recording", "said"), [("", "not recorded"), ("/s/one", "recorded in /s/one"), (None, "")]
)
def test_everything_fits_a_terminal_of_24_lines(recording: str | None, said: str) -> None:
    import msgspec
    from rich.console import Console

    from rtbci.client import Client
    from rtbci.listen_board import Board
    from tools.write_schema import samples

    with open(os.devnull, "w") as nowhere, Client("tcp://127.0.0.1:9") as client:
        console = Console(width=80, height=24, force_terminal=False, record=True, file=nowhere)
        board = Board(client, console, refresh_s=1e9, clock=lambda: 0.0)
        found = samples()
        client.hello = found["hello"]  # type: ignore[assignment]
        for topic in ("status", *["prediction"] * 20, *["event"] * 5):
            changes = {"recording": recording} if topic == "status" else {}
            board.show(msgspec.structs.replace(found[topic], **changes))
        board._clock = lambda: 10.0
        console.print(board.render())
        lines = console.export_text().rstrip("\n").splitlines()
        board.close()
    shown = lines[[line.startswith("rtbci ") for line in lines].index(True) :]
    assert any("nothing received for 10 s" in line for line in shown)
    assert any(line.strip() == said for line in shown) or not said
    assert len(shown) <= 24


def test_an_idle_class_arrives_and_is_shown() -> None:
    import msgspec
    from rich.console import Console

    from rtbci.client import Client
    from rtbci.listen_board import Board
    from rtbci.publish.messages import Prediction

    hello = msgspec.structs.replace(HELLO, classes=("left", "idle", "right"))
    console = Console(width=80, height=40, force_terminal=False, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    with (
        Publisher(ANY_PORT) as publisher,
        Outbox(hello, [publisher]) as outbox,
        Client(publisher.address) as client,
    ):
        poll_until_hello(outbox, client)
        outbox.prediction(window()._replace(probs=(0.125, 0.75, 0.125), why="idle"))
        message = client.receive()
        board = Board(client, console, refresh_s=0.2, clock=lambda: 0.0)
        board.show(message)
        console.print(board.render())
        board.close()
        console.file.close()
    assert isinstance(message, Prediction)
    assert (message.label, message.decision, message.why) == ("idle", None, "idle")
    text = console.export_text()
    assert "record" not in text  # nobody told
    assert "idle %" in text
    assert re.search(r"100\.00 - .* 12 .* 75 .* 12 idle ", text)
