"""The control socket and its client over real sockets, with a decoder loop of the test's own."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import zmq

from rtbci.errors import (
    ConfigError,
    MessageError,
    PortInUseError,
    ProfileError,
    RtbciError,
    StreamNotFoundError,
)
from rtbci.publish.control import MAX_WAITING, Control
from rtbci.publish.control_client import ControlClient
from rtbci.publish.control_entry import BURST
from rtbci.publish.control_messages import (
    MAX_REQUEST_BYTES,
    Mark,
    Pause,
    Request,
    Resume,
    StatusRequest,
    Stop,
    SwapProfile,
)
from tests.integration.publish_fixtures import ANY_PORT

pytestmark = pytest.mark.sockets


class FakeDecoder:
    """Carries requests out as a runtime would."""

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def __call__(self, request: Request) -> dict[str, Any]:
        self.requests.append(request)
        if isinstance(request, SwapProfile) and request.profile != "p07":
            raise ProfileError(f"profile {request.profile}: no such profile, need p07")
        if isinstance(request, Mark) and request.value == "crash":
            raise ZeroDivisionError("a bug")
        return {"n_requests": len(self.requests)}


@contextmanager
def decoding(handler: Callable[[Request], dict[str, Any]]) -> Iterator[Control]:
    """Answer requests in a thread, as the decoder's loop does, until the block ends."""
    done = threading.Event()
    with Control(ANY_PORT) as control:

        def loop() -> None:
            while not done.wait(0.005):
                control.answer(handler)

        thread = threading.Thread(target=loop)
        thread.start()
        try:
            yield control
        finally:
            done.set()
            thread.join()


@contextmanager
def dealer(address: str) -> Iterator["zmq.Socket[bytes]"]:
    context = zmq.Context()
    socket = context.socket(zmq.DEALER)
    socket.setsockopt(zmq.RCVTIMEO, 5000)
    socket.connect(address)
    try:
        yield socket
    finally:
        context.destroy(linger=0)


def test_every_command_reaches_the_decoder_and_is_answered() -> None:
    decoder = FakeDecoder()
    with decoding(decoder) as control, ControlClient(control.address) as client:
        assert client.request("status") == {"n_requests": 1}
        client.request("swap_profile", profile="p07")
        client.request("pause")
        client.request("resume")
        client.request("mark", value="level-2")
        client.request("stop")
    kinds = [StatusRequest, SwapProfile, Pause, Resume, Mark, Stop]
    assert [type(request) for request in decoder.requests] == kinds
    assert control.n_refused == 0


@pytest.mark.parametrize("is_fit", [True, False])
def test_what_takes_its_time_is_answered_later_and_holds_nobody_up(is_fit: bool) -> None:
    waiting: list[Callable[[dict[str, Any] | RtbciError], None]] = []

    def handler(request: Request) -> Any:
        return waiting.append if isinstance(request, SwapProfile) else {"n_waiting": len(waiting)}

    with decoding(handler) as control, dealer(control.address) as socket:
        socket.send(b'{"cmd": "swap_profile", "id": 1, "profile": "ada"}')
        socket.send(b'{"cmd": "status", "id": 2}')
        first = json.loads(socket.recv())
        assert (first["id"], first["result"]) == (2, {"n_waiting": 1})
        waiting[0]({"user": "ada"} if is_fit else ProfileError("profile 'ada': is broken"))
        second = json.loads(socket.recv())
    assert (second["id"], second["ok"]) == (1, is_fit)
    if is_fit:
        assert second["result"] == {"user": "ada"}
    else:
        assert second["error"] == {"kind": "ProfileError", "message": "profile 'ada': is broken"}


def test_a_refusal_comes_back_as_the_decoders_error() -> None:
    with decoding(FakeDecoder()) as control, ControlClient(control.address) as client:
        with pytest.raises(ProfileError, match="profile p99: no such profile, need p07"):
            client.request("swap_profile", profile="p99")
        assert client.request("status") == {"n_requests": 2}


@pytest.mark.parametrize(
    ("cmd", "fields", "match"),
    [
        ("fly", {}, "Invalid value 'fly'.* need cmd to be one of status, swap_profile"),
        ("mark", {}, "missing required field `value`"),
        ("mark", {"value": "x" * 600}, "length <= 512"),
        ("mark", {"value": 3}, "Expected `str`, got `int`"),
        ("pause", {"value": "x"}, "unknown field `value`"),
        ("pause", {"v": 2}, "Invalid enum value 2"),
        ("mark", {"value": "x" * MAX_REQUEST_BYTES}, f"need at most {MAX_REQUEST_BYTES}"),
    ],
)
def test_wrong_requests_are_refused_with_the_reason_and_counted(
    cmd: str, fields: dict[str, Any], match: str
) -> None:
    decoder = FakeDecoder()
    with decoding(decoder) as control, ControlClient(control.address) as client:
        with pytest.raises(MessageError, match=match):
            client.request(cmd, **fields)
        assert control.n_refused == 1
        assert client.request("status") == {"n_requests": 1}


def test_malformed_frames_are_answered_counted_and_survived() -> None:
    garbage = [b"", b"{", b"\xff" * 100, b"[]", b"null", b'{"cmd":' + b"[" * 10_000, b"{}"]
    with decoding(FakeDecoder()) as control, dealer(control.address) as socket:
        for payload in garbage:
            socket.send(payload)
            reply = json.loads(socket.recv())
            assert (reply["ok"], reply["error"]["kind"], reply["id"]) == (False, "MessageError", None)
        socket.send_multipart([b"a", b"b", b"c"])  # nobody to answer to
        socket.send(b'{"cmd": "fly", "id": "x7"}')
        assert json.loads(socket.recv())["id"] == "x7"
        assert control.n_refused == len(garbage) + 2
        socket.send(b'{"cmd": "status", "id": 3}')
        assert json.loads(socket.recv())["result"] == {"n_requests": 1}


def test_a_flood_of_garbage_leaves_the_socket_working() -> None:
    with (
        decoding(FakeDecoder()) as control,
        dealer(control.address) as rogue,
        ControlClient(control.address) as client,
    ):
        rogue.setsockopt(zmq.SNDHWM, 0)
        for i in range(2_000):
            rogue.send(b"\x00" * (i % 50))
        assert client.request("status") == {"n_requests": 1}
        for _ in range(500):
            if control.n_refused == 2_000:
                break
            time.sleep(0.01)
        assert control.n_refused == 2_000


def test_req_sockets_are_answered_too() -> None:
    context = zmq.Context()
    socket = context.socket(zmq.REQ)
    socket.setsockopt(zmq.RCVTIMEO, 5000)
    try:
        with decoding(FakeDecoder()) as control:
            socket.connect(control.address)
            for i in range(3):
                socket.send(json.dumps({"cmd": "status", "id": i}).encode())
                assert json.loads(socket.recv())["id"] == i
    finally:
        context.destroy(linger=0)


def test_commands_wait_until_the_decoder_takes_them() -> None:
    with Control(ANY_PORT) as control, dealer(control.address) as socket:
        assert list(control.commands()) == []
        for i in range(3):
            socket.send(json.dumps({"cmd": "mark", "id": i, "value": str(i)}).encode())
        commands = _wait_for_commands(control, 3)
        assert [command.request.id for command in commands] == [0, 1, 2]
        for command in reversed(commands):
            control.reply(command, {})
        assert [json.loads(socket.recv())["id"] for _ in commands] == [2, 1, 0]


def test_a_decoder_that_does_not_answer_is_reported_and_the_command_dropped() -> None:
    with Control(ANY_PORT, answer_within_s=0.05) as control, ControlClient(control.address) as client:
        with pytest.raises(RtbciError, match=r"did not take up the request in 0.05 s, .* nothing was done"):
            client.request("pause")
        assert list(control.commands()) == []


def test_too_many_waiting_requests_are_refused() -> None:
    with Control(ANY_PORT) as control, dealer(control.address) as socket:
        for i in range(MAX_WAITING + 5):
            socket.send(json.dumps({"cmd": "pause", "id": i}).encode())
        for i in range(5):
            reply = json.loads(socket.recv())
            assert reply["id"] == MAX_WAITING + i
            assert "requests wait already" in reply["error"]["message"]
        assert len(_wait_for_commands(control, MAX_WAITING)) == MAX_WAITING


def _send(socket: "zmq.Socket[bytes]", **fields: object) -> None:
    socket.send(json.dumps(fields).encode())


def test_a_repeated_request_is_carried_out_once_and_answered_as_before() -> None:
    decoder = FakeDecoder()
    with decoding(decoder) as control, dealer(control.address) as first, dealer(control.address) as second:
        replies = []
        for socket in (first, first, second):  # also on another connection, after the first one broke
            _send(socket, cmd="mark", value="hit", client="game", id=7)
            replies.append(json.loads(socket.recv()))
        assert replies == [{"v": 1, "id": 7, "ok": True, "result": {"n_requests": 1}, "error": None}] * 3
        for fields in (
            {"client": "other", "id": 7},
            {"client": "game", "id": 8},
            {"client": "game"},
            {"id": 7},
        ):
            _send(first, cmd="mark", value="hit", **fields)
            first.recv()
        assert len(decoder.requests) == 5
        _send(first, cmd="stop", client="game", id=7)
        assert "has used the id 7 for another request" in json.loads(first.recv())["error"]["message"]
        assert len(decoder.requests) == 5


def test_a_request_that_is_repeated_while_it_waits_is_carried_out_once_and_answered_twice() -> None:
    with Control(ANY_PORT) as control, dealer(control.address) as first, dealer(control.address) as second:
        for socket in (first, second, second):
            _send(socket, cmd="mark", value="hit", client="game", id=7)
        (command,) = _wait_for_commands(control, 1)
        time.sleep(0.1)
        assert not list(control.commands())
        control.reply(command, {"t_lsl": 1.0})
        assert first.recv() == second.recv()


def test_what_was_not_carried_out_may_be_asked_again() -> None:
    decoder = FakeDecoder()
    with Control(ANY_PORT, answer_within_s=0.05) as control, dealer(control.address) as socket:
        _send(socket, cmd="pause", client="game", id=7)
        assert "nothing was done" in json.loads(socket.recv())["error"]["message"]
        control.answer(decoder)
        assert not decoder.requests
        _send(socket, cmd="pause", client="game", id=7)
        for _ in range(500):
            if control.answer(decoder):
                break
            time.sleep(0.0001)
        assert json.loads(socket.recv())["ok"]


def test_what_takes_longer_than_the_limit_is_not_said_to_have_been_left_undone() -> None:
    waiting: list[Callable[[dict[str, Any] | RtbciError], None]] = []
    with Control(ANY_PORT, answer_within_s=0.1) as control, dealer(control.address) as socket:
        _send(socket, cmd="swap_profile", profile="ada", id=1)
        for _ in range(500):
            if control.answer(lambda request: waiting.append):
                break
            time.sleep(0.0001)
        time.sleep(0.3)
        waiting[0]({"user": "ada"})
        assert json.loads(socket.recv())["result"] == {"user": "ada"}


def test_a_client_that_asks_too_often_is_refused_and_others_are_not() -> None:
    with decoding(FakeDecoder()) as control, dealer(control.address) as rogue:
        for i in range(BURST + 50):
            _send(rogue, cmd="status", id=i)
        replies = [json.loads(rogue.recv()) for _ in range(BURST + 50)]
        refused = [one for one in replies if not one["ok"]]
        assert {one["error"]["kind"] for one in refused} == {"RateLimitError"}
        assert "more than 20 requests a second, need fewer" in refused[-1]["error"]["message"]
        assert control.refusals.counts["rate"] == control.n_refused == len(refused)
        with ControlClient(control.address) as client:
            assert client.request("status")


def test_few_requests_are_carried_out_in_one_hop() -> None:
    decoder = FakeDecoder()
    with Control(ANY_PORT) as control, dealer(control.address) as socket:
        for i in range(20):
            _send(socket, cmd="pause", id=i)
        for _ in range(500):
            if len(control._waiting) == 20:
                break
            time.sleep(0.01)
        assert [control.answer(decoder) for _ in range(4)] == [8, 8, 4, 0]


def test_the_client_repeats_a_request_by_its_id() -> None:
    decoder = FakeDecoder()
    with decoding(decoder) as control, ControlClient(control.address) as client:
        with pytest.raises(MessageError, match="t_lsl is nan, need a finite number, or none"):
            client.request("mark", value="hit", t_lsl=float("nan"))
        results = [client.request("mark", value="hit", request_id="hit-1") for _ in range(3)]
        assert results == [{"n_requests": 1}] * 3
        client.request("mark", value="hit")
        assert len(decoder.requests) == 2


def test_a_bug_in_the_decoder_is_told_to_the_client_and_raised() -> None:
    with Control(ANY_PORT) as control, dealer(control.address) as socket:
        socket.send(b'{"cmd": "mark", "value": "crash", "id": 1}')
        with pytest.raises(ZeroDivisionError, match="a bug"):
            _repeat(lambda: control.answer(FakeDecoder()))
        assert (
            "the decoder failed: ZeroDivisionError('a bug')" in json.loads(socket.recv())["error"]["message"]
        )


def test_the_reply_to_stop_leaves_before_the_socket_closes() -> None:
    with Control(ANY_PORT) as control, dealer(control.address) as socket:
        socket.send(b'{"cmd": "stop", "id": 1}')
        for command in _wait_for_commands(control, 1):
            control.reply(command, {"stopped": True})
        control.close()
        assert json.loads(socket.recv())["result"] == {"stopped": True}


def test_a_failure_of_the_thread_is_raised_by_the_next_call() -> None:
    def broken_clock() -> float:
        raise ZeroDivisionError("no time")

    with Control(ANY_PORT, clock=broken_clock) as control, dealer(control.address) as socket:
        socket.send(b'{"cmd": "pause"}')
        with pytest.raises(RtbciError, match="the thread has failed: ZeroDivisionError"):
            _repeat(lambda: list(control.commands()))


def test_the_thread_has_a_name_and_ends() -> None:
    with Control(ANY_PORT) as control:
        assert "rtbci-control" in [thread.name for thread in threading.enumerate()]
    control.close()
    assert "rtbci-control" not in [thread.name for thread in threading.enumerate()]


def test_port_in_use_and_off_loopback_say_what_to_do() -> None:
    with (
        Control(ANY_PORT) as control,
        pytest.raises(PortInUseError, match="choose another port with --control"),
    ):
        Control(control.address)
    with pytest.raises(ConfigError, match=r"Control: tcp://\*:0 can be reached from the network"):
        Control("tcp://*:0")


def test_no_decoder_says_what_to_look_at() -> None:
    with (
        ControlClient("tcp://127.0.0.1:9", timeout_s=0.05) as client,
        pytest.raises(
            StreamNotFoundError, match=r"no reply from tcp://127.0.0.1:9 in 0.05 s; is `rtbci run`"
        ),
    ):
        client.request("status")
    with pytest.raises(ConfigError, match="cannot connect to 'nonsense'"):
        ControlClient("nonsense")


def _repeat(call: Callable[[], object]) -> None:
    for _ in range(500):
        call()
        time.sleep(0.01)


def _wait_for_commands(control: Control, n_commands: int) -> list[Any]:
    commands: list[Any] = []
    for _ in range(500):
        commands += control.commands()
        if len(commands) >= n_commands:
            return commands
        time.sleep(0.01)
    raise AssertionError(f"got {len(commands)} commands, need {n_commands}")
