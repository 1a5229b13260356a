"""Ten minutes of a faulty session, in simulated time: every message is of the schema, numbered without gaps."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from rtbci.chaos.simulate import OPEN_S
from rtbci.chaos.source import FaultyStreams
from rtbci.config import RunConfig
from rtbci.errors import RtbciError
from rtbci.publish.codec import encode
from rtbci.publish.control import Handler
from rtbci.publish.control_messages import Failure, Reply, read_request
from rtbci.publish.messages import MESSAGE_TYPES, Event, Message, Prediction, Status
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.live import LiveRun
from rtbci.runtime.news import News
from rtbci.stream.simulated_time import T_START_LSL, SimulatedClock, SimulatedStop, SteppedAcquisition
from rtbci.stream.source import StreamInfo
from rtbci.stream.synthetic import SyntheticSource
from tests.chaos_samples import scenario
from tests.tiny import Kept, write_paradigm, write_tiny_profile
from tools.write_schema import SCHEMA_FILE

DURATION_S = 600.0
FAULTS: list[dict[str, Any]] = [
    {"kind": "dropout", "per_minute": 4.0, "length_s": 0.004, "max_length_s": 0.8},
    {"kind": "nan", "start_s": 60.0, "length_s": 0.5, "n_channels": 1},
    {"kind": "duplicate", "start_s": 90.0, "length_s": 2.0},
    {"kind": "clock_jump", "start_s": 120.0, "offset_s": 3600.0},
    {"kind": "burst", "start_s": 150.0, "length_s": 8.0},
    {"kind": "flat", "start_s": 200.0, "length_s": 10.0},
    {"kind": "saturation", "start_s": 230.0, "length_s": 5.0, "level": 1e5},
    {"kind": "vanish", "start_s": 260.0, "length_s": 9.0},
    {"kind": "vanish", "start_s": 320.0, "length_s": 6.0, "labels": "permuted"},
]
KINDS = {"stream_found", "stream_lost", "stream_recovered", "gap", "not_finite", "duplicates", "decision"} | {
    "marker",
    "profile_swapped",
    "recording_started",
    "recording_lost",
}


class Script:
    """Stands for the control socket: requests at their times, and the replies."""

    def __init__(self, profile: Path) -> None:
        self.clock = SimulatedClock()
        self.replies: list[Reply] = []
        self.requests: list[tuple[float, dict[str, Any]]] = [
            (20.0, {"cmd": "mark", "value": "left"}),
            (25.0, {"cmd": "status"}),
            (30.0, {"cmd": "pause"}),
            (35.0, {"cmd": "resume"}),
            (40.0, {"cmd": "swap_profile", "profile": str(profile)}),
            (50.0, {"cmd": "swap_profile", "profile": str(profile / "none")}),
            (DURATION_S - 5.0, {"cmd": "stop"}),
        ]

    def answer(self, handler: Handler) -> int:
        t_s = self.clock() - T_START_LSL
        while self.requests and self.requests[0][0] <= t_s:
            self._carry_out(handler, self.requests.pop(0)[1])
        return 0

    def _carry_out(self, handler: Handler, fields: dict[str, Any]) -> None:
        def reply(result: Mapping[str, Any] | RtbciError) -> None:
            if isinstance(result, RtbciError):
                failure = Failure(kind=type(result).__name__, message=str(result))
                self.replies.append(Reply(v=1, id=fields["cmd"], ok=False, error=failure))
            else:
                plain = msgspec.to_builtins(dict(result))
                self.replies.append(Reply(v=1, id=fields["cmd"], ok=True, result=plain))

        try:
            result = handler(read_request(json.dumps(fields).encode()))
        except RtbciError as error:
            reply(error)
            return
        if callable(result):
            result(reply)
        else:
            reply(result)

    def close(self) -> None:
        pass


class Session(msgspec.Struct):
    messages: list[Message]
    replies: list[Reply]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    folder = tmp_path_factory.mktemp("session")
    paradigm = write_paradigm(folder / "tiny", hop_s=0.25)
    control = Script(write_tiny_profile(folder / "ada", paradigm))
    clock, kept = control.clock, Kept()
    plan = scenario(*FAULTS, duration_s=DURATION_S)
    news = iter([[News("recording_started", "a", {})], [News("recording_lost", "a", {"n_samples": 3})]])
    config = RunConfig.model_validate({"paradigm": str(paradigm), "duration_s": DURATION_S})
    source = SyntheticSource(seed=1, chunk=25, clock=clock, sleep_until=clock.sleep_until)
    with (
        FaultyStreams(source, plan, clock=clock) as streams,
        Decoder(str(paradigm)) as decoder,
    ):

        def connect(lost: StreamInfo | None) -> Any:
            return streams.receiver(lost, OPEN_S)

        run = LiveRun(
            config,
            decoder,
            connect,
            [kept],
            control,
            clock=clock,
            news=lambda: next(news, []),
            acquire=SteppedAcquisition,
        )
        run.run(SimulatedStop(clock))
    return Session(kept.messages, control.replies)


def validators() -> Iterator[tuple[str, jsonschema.Draft202012Validator]]:
    whole = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    for name in (*(kind.__name__ for kind in MESSAGE_TYPES.values()), "Reply"):
        only = {**whole, "anyOf": [{"$ref": f"#/$defs/{name}"}]}
        yield name, jsonschema.Draft202012Validator(only)


def test_every_message_is_of_the_schema(session: Session) -> None:
    check = dict(validators())
    for message in (*session.messages, *session.replies):
        payload = msgspec.json.encode(message) if isinstance(message, Reply) else encode(message)
        errors = [*check[type(message).__name__].iter_errors(json.loads(payload))]
        assert errors == [], payload


def test_the_session_had_everything(session: Session) -> None:
    messages = session.messages
    assert messages[-1].t_sent - messages[0].t_sent > DURATION_S - 10.0
    assert {one.kind for one in messages if isinstance(one, Event)} >= KINDS
    assert {"running", "lost", "recovering", "stopped"} <= {
        one.state for one in messages if isinstance(one, Status)
    }
    whys = {one.why for one in messages if isinstance(one, Prediction)}
    assert {None, "gap", "warming_up", "poor_signal"} <= whys
    assert [(reply.id, reply.ok) for reply in session.replies] == [
        ("mark", True),
        ("status", True),
        ("pause", True),
        ("resume", True),
        ("swap_profile", True),
        ("swap_profile", False),
        ("stop", True),
    ]


def test_every_topic_is_numbered_without_gaps(session: Session) -> None:
    n_seen: Counter[str] = Counter()
    for message in session.messages:
        assert message.seq == n_seen[message.topic]
        n_seen[message.topic] += 1
    assert set(n_seen) == set(MESSAGE_TYPES)
    assert len({message.session for message in session.messages}) == 1
