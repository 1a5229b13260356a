"""The clients of every language, really run: against `rtbci publish`, garbage, and a publisher that goes and comes back."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zmq

from rtbci.publish.codec import encode
from rtbci.publish.message_file import read_messages, summary_of
from tests.integration.client_programs import (
    BUILDERS,
    ENDED,
    N_MISSING,
    STREAMS,
    saying,
    short_stream,
)
from tests.integration.live_runs import ANY_PORT, PATIENCE_S, wait_for
from tools.write_schema import samples

pytestmark = pytest.mark.net

SAMPLES = samples()
GOOD = encode(SAMPLES["prediction"])
FIELDS: dict[str, Any] = json.loads(GOOD)
MALFORMED: list[list[bytes]] = [
    [b"prediction"],
    [b"prediction", GOOD, GOOD],
    [b"prediction", b""],
    [b"prediction", b"\xff\xfe\x00"],
    [b"prediction", b"null"],
    [b"prediction", b"[1,2]"],
    [b"prediction", GOOD[:-20]],
    [b"prediction", b"[" * 20_000],
    [b"prediction", b'{"v":1,"seq":1e999,"session":"s"}'],
    [b"prediction", json.dumps(FIELDS | {"v": 2}).encode()],
    [b"prediction", json.dumps(FIELDS | {"seq": "many"}).encode()],
    [b"prediction", json.dumps({"v": 1}).encode()],
    [b"prediction", msgspec.msgpack.encode(FIELDS)],
    [b"predictions-of-another-kind", b"{}"],
]


@contextmanager
def rtbci(*args: str) -> Iterator[list[str]]:
    """The command in a process of its own; what it says."""
    with saying([sys.executable, "-u", "-m", "rtbci.cli", *args]) as said:
        yield said


def said_line(said: list[str], *parts: str) -> None:
    """Wait until one line has all parts."""

    def there() -> bool:
        assert ENDED not in said, "\n".join(said)
        return any(all(part in line for part in parts) for line in said)

    wait_for(there, f"{parts} in what was said")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where `rtbci publish` plays a short stream again and again."""
    path = short_stream(tmp_path_factory.mktemp("stream") / "short.jsonl")
    with rtbci("publish", "--from", str(path), "--loop", "--speed", "4", "--pub", ANY_PORT) as said:
        said_line(said, "publish: tcp://")
        yield next(line.split()[1] for line in said if line.startswith("publish: "))


@pytest.fixture(scope="module", params=BUILDERS)
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return BUILDERS[request.param](tmp_path_factory.mktemp(request.param))


def test_it_shows_predictions_decisions_events_and_what_was_lost(program: list[str], address: str) -> None:
    with saying([*program, address]) as said:
        said_line(said, "event decision right_hand")
        said_line(said, "(below_threshold)", "left_hand=0.", "right_hand=0.", "lost 0")
        said_line(said, "(below_threshold)", f"lost {N_MISSING}")
        assert any(line.startswith("right_hand  ") for line in said)


@contextmanager
def raw_publisher(address: str) -> Iterator["zmq.Socket[bytes]"]:
    context = zmq.Context()
    publisher = context.socket(zmq.PUB)
    try:
        publisher.setsockopt(zmq.LINGER, 0)
        publisher.bind(address)
        yield publisher
    finally:
        publisher.close()
        context.term()


def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"tcp://127.0.0.1:{server.getsockname()[1]}"


def test_it_outlives_garbage_and_a_publisher_that_comes_back(program: list[str]) -> None:
    address = free_address()
    with saying([*program, address]) as said:
        for session in ("first", "second"):
            n_before = len(said)

            def lost_is_shown(n_before: int = n_before) -> bool:
                return any("lost 3" in line for line in said[n_before:]) or ENDED in said

            with raw_publisher(address) as publisher:
                t_end = time.monotonic() + PATIENCE_S
                while not lost_is_shown() and time.monotonic() < t_end:
                    for frames in MALFORMED:
                        publisher.send_multipart(frames)
                    for seq in (5, 9):
                        message = FIELDS | {"session": session, "seq": seq}
                        publisher.send_multipart([b"prediction", json.dumps(message).encode()])
                    time.sleep(0.05)
            assert ENDED not in said, "\n".join(said)
            assert lost_is_shown(), said
            assert all(line.startswith("right   ") for line in said[n_before:]), said
            assert "left=0.18 right=0.82" in said[n_before]


def test_recorded_streams_are_of_the_schema_and_show_what_they_promise() -> None:
    for name, wanted in {
        "motor_imagery": {"decision", "stream_found", "running", "warming_up", "stopped"},
        "gap_recovery": {"gap", "stream_lost", "stream_recovered", "recovering", "lost"},
        "profile_swap": {"profile_swapped", "decision"},
        "stopped": {"marker", "stopped"},
    }.items():
        summary = summary_of(STREAMS / f"{name}.jsonl")
        assert len(summary.hellos) == 1
        assert not summary.is_torn
        messages = [one.message for one in read_messages(STREAMS / f"{name}.jsonl")]
        assert wanted <= {getattr(one, "kind", getattr(one, "state", "")) for one in messages}


def test_listen_records_what_publish_sends_and_survives_kill_9(address: str, tmp_path: Path) -> None:
    path = tmp_path / "heard.jsonl"
    with rtbci("listen", address, "--record", str(path)) as said:
        said_line(said, "event decision right_hand")
        wait_for(lambda: len(path.read_bytes().splitlines()) > 30, "thirty lines")
    # `saying` ends the program with SIGKILL.
    summary = summary_of(path)
    assert summary.n_messages >= 30
    sent = {one.message.topic for one in read_messages(short_stream(tmp_path / "short.jsonl"))}
    assert {one.message.topic for one in read_messages(path)} == sent
    with rtbci("listen", address, "--record", str(path)) as said:
        wait_for(lambda: ENDED in said, "the refusal")
    assert "is there already, need a new file" in " ".join(said)


def test_publish_refuses_what_is_no_recording_and_ends_with_the_file(tmp_path: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text("hello\n")
    with rtbci("publish", "--from", str(bad), "--pub", ANY_PORT) as said:
        wait_for(lambda: ENDED in said, "the refusal")
    assert "error:" in said[0]
    assert "bad.jsonl: line 1 is no message" in said[0]
    short = short_stream(tmp_path / "short.jsonl")
    with rtbci("publish", "--from", str(short), "--speed", "max", "--pub", ANY_PORT) as said:
        wait_for(lambda: ENDED in said, "the end")
    assert said[-2] == "end of the file: 12 messages sent"


def test_osc_receivers_get_everything(address: str) -> None:
    pytest.importorskip("pythonosc", reason="python-osc is not installed: pip install 'rtbci[osc]'")
    from pythonosc.dispatcher import Dispatcher
    from pythonosc.osc_server import ThreadingOSCUDPServer

    heard: dict[str, tuple[Any, ...]] = {}
    dispatcher = Dispatcher()
    dispatcher.set_default_handler(lambda where, *values: heard.__setitem__(where, values))
    with ThreadingOSCUDPServer(("127.0.0.1", 0), dispatcher) as server:
        thread = threading.Thread(target=server.serve_forever, name="osc", daemon=True)
        thread.start()
        with rtbci(
            "osc", address, "--to", f"127.0.0.1:{server.server_address[1]}", "--prefix", "/bci"
        ) as said:
            wait_for(
                lambda: {"/bci/lost", "/bci/decision", "/bci/hello", "/bci/probs"} <= set(heard), str(said)
            )
        server.shutdown()
        thread.join()
    assert heard["/bci/decision"] == ("right_hand", 1)
    assert heard["/bci/lost"] == ("prediction", N_MISSING)
    assert heard["/bci/hello"][0] == "motor_imagery"
    assert heard["/bci/hello"][2:] == ("left_hand", "right_hand")
    assert sum(heard["/bci/probs"]) == pytest.approx(1.0, abs=1e-5)
    assert heard["/bci/prob/right_hand"] == heard["/bci/probs"][1:]
    assert heard["/bci/prediction"][2] in ("", "below_threshold")
    assert heard["/bci/event"] == ("decision", "right_hand")


def test_the_programs_end_with_ctrl_c(program: list[str], address: str) -> None:
    with subprocess.Popen(
        [*program, address],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE_S)
    assert errors == ""
    assert process.returncode in (0, -signal.SIGINT)
