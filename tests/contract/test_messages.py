"""The schema that clients are promised: files current, samples valid, nothing of version 1 taken away."""

import json
from typing import get_args

import jsonschema
import msgspec
import pytest

from rtbci.publish.codec import encode, schema
from rtbci.publish.control_messages import COMMANDS, Reply, Request, read_request
from rtbci.publish.messages import MESSAGE_TYPES
from tools.write_schema import PAGE, SCHEMA_FILE, control_samples, page_text, samples, schema_text

SAMPLES = samples()
CONTROL_SAMPLES = control_samples()
FIELDS_OF_VERSION_1 = {
    "prediction": "classes probs label decision why t_window age_ms trace_ms quality profile engine refractory value",
    "status": "state paused stream rate_hz latency_ms cpu_percent uptime_s n_predictions n_gaps n_skipped "
    "n_overflow profile drift bad_channels clock_offset_s baseline recording",
    "event": "kind t_lsl value data",
    "hello": "rtbci paradigm classes rates_hz window_s hop_s delay_s engine profile decision value",
}


def validator(definition: str) -> jsonschema.Draft202012Validator:
    whole = json.loads(SCHEMA_FILE.read_text())
    return jsonschema.Draft202012Validator({**whole, "anyOf": [{"$ref": f"#/$defs/{definition}"}]})


def test_schema_file_is_current() -> None:
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_text(), "run python tools/write_schema.py"


def test_page_is_current() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == page_text(page), "run python tools/write_schema.py"


def test_page_has_an_example_of_every_message() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name in (*SAMPLES, *CONTROL_SAMPLES):
        assert f"<!-- begin {name} -->\n```json" in page


def test_schema_is_valid_itself() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())


def test_every_topic_has_a_sample() -> None:
    assert {message.topic for message in SAMPLES.values()} == set(MESSAGE_TYPES)


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_validate_as_sent(name: str) -> None:
    message = SAMPLES[name]
    for fields in (json.loads(encode(message)), msgspec.msgpack.decode(encode(message, "msgpack"))):
        validator(type(message).__name__).validate(fields)


@pytest.mark.parametrize("name", SAMPLES)
def test_schema_refuses_samples_without_any_one_field(name: str) -> None:
    message = SAMPLES[name]
    check = validator(type(message).__name__)
    for field, default in zip(message.__struct_fields__, msgspec.structs.fields(message), strict=True):
        fields = json.loads(encode(message))
        fields.pop(field, None)  # some are left out where they say nothing
        assert check.is_valid(fields) != default.required, field


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("prediction", {"probs": [1.5, -0.5]}),
        ("prediction", {"why": "bored"}),
        ("prediction", {"v": 2}),
        ("prediction", {"t_sent": None}),
        ("status", {"state": "asleep"}),
        ("event", {"data": {"a": [1]}}),
        ("hello", {"hop_s": "62 ms"}),
    ],
)
def test_schema_refuses_wrong_values(name: str, change: dict[str, object]) -> None:
    fields = {**json.loads(encode(SAMPLES[name])), **change}
    assert not validator(type(SAMPLES[name]).__name__).is_valid(fields)


@pytest.mark.parametrize("topic", FIELDS_OF_VERSION_1)
def test_version_1_has_these_fields(topic: str) -> None:
    # A field may be added to this list; whoever removes one raises the version (docs/messages.md).
    expected = {"v", "session", "seq", "t_sent", *FIELDS_OF_VERSION_1[topic].split()}
    assert set(MESSAGE_TYPES[topic].__struct_fields__) == expected


@pytest.mark.parametrize("name", CONTROL_SAMPLES)
def test_control_samples_validate(name: str) -> None:
    message = CONTROL_SAMPLES[name]
    validator(type(message).__name__).validate(json.loads(msgspec.json.encode(message)))


@pytest.mark.parametrize("cmd", COMMANDS)
def test_every_control_command_is_read_and_validates(cmd: str) -> None:
    fields = {"cmd": cmd, "id": "a"} | {"mark": {"value": "x"}, "swap_profile": {"profile": "p07"}}.get(
        cmd, {}
    )
    request: Request = read_request(json.dumps(fields).encode())
    assert request.id == "a"
    validator(type(request).__name__).validate(fields)


def test_the_schema_file_has_valid_examples_of_everything_that_travels() -> None:
    definitions = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))["$defs"]
    travelling = {kind.__name__ for kind in (*MESSAGE_TYPES.values(), *get_args(Request), Reply)}
    for name in travelling:
        assert definitions[name]["examples"], name
        for example in definitions[name]["examples"]:
            validator(name).validate(example)
