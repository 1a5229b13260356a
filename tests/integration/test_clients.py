"""The clients of every language, really run: against `rtbci publish`, garbage, and a publisher that goes and comes back."""

import json
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
import zmq

from rtbci.keys.curve import KeyPair, new_key, z85_of
from rtbci.keys.trusted import trust
from rtbci.publish.codec import encode
from rtbci.publish.message_file import read_messages, summary_of
from tests.integration.client_programs import (
    BUILDERS,
    CLIENTS,
    ENDED,
    N_MISSING,
    STREAMS,
    Program,
    godot,
    short_stream,
    started,
)
from tests.integration.live_runs import ANY_PORT, PATIENCE_S, wait_for
from tools.write_schema import samples

pytestmark = pytest.mark.sockets

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
def rtbci(*args: str) -> Iterator[Program]:
    """The command in a process of its own."""
    with started([sys.executable, "-u", "-m", "rtbci.cli", *args]) as program:
        yield program


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where `rtbci publish` plays a short stream again and again."""
    path = short_stream(tmp_path_factory.mktemp("stream") / "short.jsonl")
    with rtbci("publish", "--from", str(path), "--loop", "--speed", "6", "--pub", ANY_PORT) as publisher:
        publisher.wait_line("publish: tcp://")
        yield next(line.split()[1] for line in publisher.said if line.startswith("publish: "))


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, "Future[list[str]]"]]:
    """All programs, made beside the first tests: compilers take longer than what is tested."""
    with ThreadPoolExecutor(len(BUILDERS)) as pool:
        yield {name: pool.submit(build, tmp_path_factory.mktemp(name)) for name, build in BUILDERS.items()}


@pytest.fixture(scope="module", params=BUILDERS)
def command(request: pytest.FixtureRequest, commands: dict[str, "Future[list[str]]"]) -> list[str]:
    return commands[request.param].result()


def test_it_shows_predictions_decisions_events_losses_and_ends_with_ctrl_c(
    command: list[str], address: str
) -> None:
    with started([*command, address]) as program:
        program.wait_line("event decision right_hand")
        program.wait_line("(below_threshold)", "left_hand=0.", "right_hand=0.", "lost 0")
        program.wait_line("(below_threshold)", f"lost {N_MISSING}")
        assert any(line.startswith("right_hand  ") for line in program.said)
        program.popen.send_signal(signal.SIGINT)
        assert program.wait_end() in (0, -signal.SIGINT)
        assert not any("rror" in line or "Traceback" in line for line in program.said)


class Secured(NamedTuple):
    """A publisher with keys, and a listener's whom it trusts."""

    address: str
    server: KeyPair
    own: KeyPair


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("secured")
    keys = folder / "rtbci" / "keys"
    server, own = new_key(root=keys), new_key("listener", keys)
    trust("listener", own.public.hex(), "listener", keys)
    path = short_stream(folder / "short.jsonl")
    play = ("publish", "--from", str(path), "--loop", "--speed", "6", "--pub", ANY_PORT, "--key", "default")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(folder))  # of `rtbci osc` as well
        with rtbci(*play) as publisher:
            publisher.wait_line(f"key:     {server.public.hex()}")
            yield Secured(
                next(line.split()[1] for line in publisher.said if line.startswith("publish: ")), server, own
            )


def test_it_listens_to_a_run_with_keys(
    command: list[str], secured: Secured, monkeypatch: pytest.MonkeyPatch
) -> None:
    if command[0] == "mono":
        with started([*command, secured.address]) as program:
            assert program.wait_end() != 0
        assert "wants encryption or is no ZeroMQ socket, need rtbci without keys" in "\n".join(program.said)
        return
    monkeypatch.setenv("RTBCI_SERVER_KEY", z85_of(secured.server.public))
    monkeypatch.setenv("RTBCI_PUBLIC_KEY", z85_of(secured.own.public))
    monkeypatch.setenv("RTBCI_SECRET_KEY", z85_of(secured.own.secret))
    with started([*command, secured.address]) as program:
        program.wait_line("event decision right_hand")
        assert not any(z85_of(secured.own.secret) in line for line in program.said)


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


def test_it_outlives_garbage_and_a_publisher_that_comes_back(command: list[str]) -> None:
    address = free_address()
    with started([*command, address]) as program:
        for session in ("first", "second"):
            n_before = len(program.said)

            def lost_is_shown(n_before: int = n_before) -> bool:
                return any("lost 3" in line for line in program.said[n_before:]) or ENDED in program.said

            with raw_publisher(address) as publisher:
                t_end = time.monotonic() + PATIENCE_S
                while not lost_is_shown() and time.monotonic() < t_end:
                    for frames in MALFORMED:
                        publisher.send_multipart(frames)
                    for seq in (5, 9):
                        message = FIELDS | {"session": session, "seq": seq}
                        publisher.send_multipart([b"prediction", json.dumps(message).encode()])
                    time.sleep(0.05)
            said = program.said[n_before:]
            assert lost_is_shown(), said
            assert ENDED not in said, said
            assert all(line.startswith("right   ") for line in said), said
            assert "left=0.18 right=0.82" in said[0]


@pytest.mark.slow
def test_it_waits_for_a_run_that_begins_late_and_for_the_next_one(command: list[str]) -> None:
    address = free_address()
    with started([*command, address]) as program:
        for more, session in (("", "first"), ("more ", "second")):
            program.wait_line(f"nothing {more}from {address} in 5 s")
            n_before = len(program.said)
            with raw_publisher(address) as publisher:

                def is_heard(n_before: int = n_before) -> bool:
                    return any(line.startswith("right   ") for line in program.said[n_before:])

                t_end = time.monotonic() + PATIENCE_S
                while not is_heard() and ENDED not in program.said and time.monotonic() < t_end:
                    message = json.dumps(FIELDS | {"session": session, "later": {"a field": [1]}})
                    publisher.send_multipart([b"prediction", message.encode()])
                    time.sleep(0.05)
            assert is_heard(), program.said
        assert sum("nothing" in line for line in program.said) == 2


def test_the_ten_lines_of_the_python_page_work(address: str, tmp_path: Path) -> None:
    page = (CLIENTS.parent / "docs" / "clients" / "python.md").read_text(encoding="utf-8")
    [code, *_] = re.findall(r"<!-- try python -->\n```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "listen.py").write_text(code.replace("tcp://127.0.0.1:5571", address))
    with started([sys.executable, "-u", str(tmp_path / "listen.py")]) as program:
        program.wait_line("right_hand (0.", "lost 0")
        program.wait_line("below_threshold (0.", f"lost {N_MISSING}")


@pytest.mark.slow
def test_the_python_page_shows_how_to_outlive_silence(tmp_path: Path) -> None:
    page = (CLIENTS.parent / "docs" / "clients" / "python.md").read_text(encoding="utf-8")
    [_, code, *_] = re.findall(r"<!-- try python -->\n```python\n(.*?)```", page, re.DOTALL)
    late = free_address()
    (tmp_path / "forever.py").write_text(code.replace('"tcp://127.0.0.1:5571"', f'"{late}", timeout_s=1.0'))
    with started([sys.executable, "-u", str(tmp_path / "forever.py")]) as program:
        program.wait_line(f"nothing received from {late} in 1 s")
        short = short_stream(tmp_path / "short.jsonl")
        with rtbci("publish", "--from", str(short), "--loop", "--speed", "6", "--pub", late):
            program.wait_line("right_hand lost 0")
        program.wait_line(f"nothing more received from {late} in 1 s")


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
    with rtbci("listen", address, "--record", str(path)) as listener:
        listener.wait_line("event decision right_hand")
        wait_for(lambda: len(path.read_bytes().splitlines()) > 20, "twenty lines")
        listener.popen.kill()
    assert summary_of(path).n_messages >= 20
    sent = {one.message.topic for one in read_messages(short_stream(tmp_path / "short.jsonl"))}
    assert {one.message.topic for one in read_messages(path)} == sent


def test_publish_ends_with_the_file(tmp_path: Path) -> None:
    short = short_stream(tmp_path / "short.jsonl")
    with rtbci("publish", "--from", str(short), "--speed", "max", "--pub", ANY_PORT) as publisher:
        assert publisher.wait_end() == 0
    assert publisher.said[-2] == "end of the file: 12 messages sent"


def test_osc_receivers_get_everything_of_a_run_with_keys(secured: Secured) -> None:
    pytest.importorskip("pythonosc", reason="python-osc is not installed: pip install '.[osc]'")
    from pythonosc.dispatcher import Dispatcher
    from pythonosc.osc_server import ThreadingOSCUDPServer

    heard: dict[str, tuple[Any, ...]] = {}
    dispatcher = Dispatcher()
    dispatcher.set_default_handler(lambda where, *values: heard.__setitem__(where, values))
    with ThreadingOSCUDPServer(("127.0.0.1", 0), dispatcher) as server:
        thread = threading.Thread(target=server.serve_forever, name="osc", daemon=True)
        thread.start()
        where = f"127.0.0.1:{server.server_address[1]}"
        keys = ("--server-key", secured.server.public.hex(), "--key", "listener")
        with rtbci("osc", secured.address, "--to", where, "--prefix", "/bci", *keys):
            wanted = {"/bci/lost", "/bci/decision", "/bci/hello", "/bci/probs", "/bci/event"}
            wait_for(lambda: wanted <= set(heard), "all addresses")
            # Of one prediction: the next one may have come in part.
            wait_for(
                lambda: heard.get("/bci/prob/right_hand") == heard["/bci/probs"][1:], "a whole prediction"
            )
        server.shutdown()
        thread.join()
    assert heard["/bci/decision"] == ("right_hand", 1)
    assert heard["/bci/lost"] == ("prediction", N_MISSING)
    assert heard["/bci/hello"][0] == "motor_imagery"
    assert heard["/bci/hello"][2:] == ("left_hand", "right_hand")
    assert sum(heard["/bci/probs"]) == pytest.approx(1.0, abs=1e-5)
    assert heard["/bci/prediction"][2] in ("", "below_threshold")
    assert heard["/bci/event"] == ("decision", "right_hand")


def test_godot_receives_decisions_by_osc(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = godot(tmp_path)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("RTBCI_PORT", str(port))
    with started(command) as game, rtbci("osc", address, "--to", f"127.0.0.1:{port}"):
        game.wait_line("right_hand")
        game.wait_line("[0.", ", 0.")
