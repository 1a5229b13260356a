import json
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtbci.errors import MessageError
from rtbci.publish.codec import MAX_PAYLOAD_BYTES, decode, encode
from rtbci.publish.messages import MESSAGE_TYPES, Event, Latency, Prediction, Quality, Trace
from tools.write_schema import samples

SAMPLES = samples()
PREDICTION = SAMPLES["prediction"]
NON_FINITE = [math.nan, math.inf, -math.inf]


def fields_of(name: str) -> dict[str, object]:
    fields = json.loads(encode(SAMPLES[name]))
    assert isinstance(fields, dict)
    return fields


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("format", ["json", "msgpack"])
def test_decoding_gives_the_message_that_was_encoded(name: str, format: str) -> None:
    message = SAMPLES[name]
    assert decode(message.topic, encode(message, format)) == message  # type: ignore[arg-type]
    assert decode(message.topic.encode(), encode(message, format)) == message  # type: ignore[arg-type]


@pytest.mark.parametrize("name", SAMPLES)
def test_json_and_messagepack_have_the_same_fields(name: str) -> None:
    assert msgspec.msgpack.decode(encode(SAMPLES[name], "msgpack")) == fields_of(name)


@pytest.mark.parametrize("value", NON_FINITE)
@pytest.mark.parametrize("field", ["t_sent", "age_ms"])
def test_prediction_with_a_number_that_is_not_finite_cannot_be_made(field: str, value: float) -> None:
    with pytest.raises(MessageError, match=rf"Prediction: {field} is (nan|inf|-inf), need"):
        encode(msgspec.structs.replace(PREDICTION, **{field: value}))


@pytest.mark.parametrize("value", NON_FINITE)
def test_probs_windows_and_parts_that_are_not_finite_are_refused(value: float) -> None:
    with pytest.raises(MessageError, match=r"probs are .* need numbers of 0 to 1"):
        msgspec.structs.replace(PREDICTION, probs=(value, 0.5))
    with pytest.raises(MessageError, match=r"t_window\[1\] is"):
        msgspec.structs.replace(PREDICTION, t_window=(1.0, value))
    with pytest.raises(MessageError, match="Trace: probe is"):
        Trace(wait=0.0, filter=0.0, encode=0.0, probe=value, send=0.0)
    with pytest.raises(MessageError, match="Quality: score is"):
        Quality(score=value)
    with pytest.raises(MessageError, match="Latency: p99 is"):
        Latency(p50=1.0, p95=1.0, p99=value)
    with pytest.raises(MessageError, match=r"Event: data\.margin is"):
        msgspec.structs.replace(SAMPLES["event"], data={"margin": value})


@pytest.mark.parametrize("value", NON_FINITE)
def test_numbers_that_are_not_finite_are_refused_when_received(value: float) -> None:
    payload = msgspec.msgpack.encode({**fields_of("prediction"), "age_ms": value})
    with pytest.raises(MessageError, match="age_ms is"):
        decode("prediction", payload)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"probs": (0.5, 0.25, 0.25)}, "3 probs for 2 classes, need one for each"),
        ({"probs": (0.5, 0.4)}, "that sum to 1"),
        ({"probs": (-0.1, 1.1)}, "need numbers of 0 to 1"),
        ({"label": "up"}, "label is 'up', need null or one of"),
        ({"decision": "up"}, "decision is 'up', need null or one of"),
        ({"decision": None}, "need exactly one null"),
        ({"why": "gap"}, "need exactly one null"),
        ({"probs": None}, "need both or neither"),
        ({"probs": None, "label": None}, "need both or neither"),
        ({"probs": None, "label": None, "decision": None, "why": "idle"}, "only when the window could not"),
    ],
)
def test_prediction_that_contradicts_itself_is_refused(change: dict[str, object], match: str) -> None:
    with pytest.raises(MessageError, match=match):
        msgspec.structs.replace(PREDICTION, **change)


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("encode_any", [msgspec.json.encode, msgspec.msgpack.encode])
def test_unknown_fields_are_ignored(name: str, encode_any: type) -> None:
    payload = encode_any({"later": {"x": [1, 2]}, **fields_of(name)})
    assert decode(SAMPLES[name].topic, payload) == SAMPLES[name]


@pytest.mark.parametrize("encode_any", [msgspec.json.encode, msgspec.msgpack.encode])
def test_another_version_is_refused_and_named(encode_any: type) -> None:
    payload = encode_any({**fields_of("status"), "v": 2})
    with pytest.raises(
        MessageError, match="status has schema version 2, this reads 1; update the older side"
    ):
        decode("status", payload)


@pytest.mark.parametrize("field", ["v", "session", "seq", "t_sent"])
@pytest.mark.parametrize("name", SAMPLES)
def test_every_message_needs_version_session_number_and_time(name: str, field: str) -> None:
    fields = fields_of(name)
    del fields[field]
    with pytest.raises(MessageError, match=f"missing required field `{field}`"):
        decode(SAMPLES[name].topic, msgspec.json.encode(fields))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"seq": -1}, "`int` >= 0"),
        ({"seq": "7"}, "Expected `int`, got `str`"),
        ({"t_sent": None}, "Expected `float`, got `null`"),
        ({"why": "bored"}, "Invalid enum value 'bored'"),
        ({"t_window": [1.0]}, "length 2"),
    ],
)
def test_wrong_fields_are_refused_by_name(change: dict[str, object], match: str) -> None:
    payload = msgspec.json.encode({**fields_of("prediction"), **change})
    with pytest.raises(MessageError, match=match):
        decode("prediction", payload)


def test_unknown_topic_is_refused() -> None:
    with pytest.raises(
        MessageError, match="topic is 'weather', need one of prediction, status, event, hello"
    ):
        decode(b"weather", b"{}")


def test_payload_that_is_too_long_is_neither_sent_nor_read() -> None:
    long = "x" * MAX_PAYLOAD_BYTES
    with pytest.raises(MessageError, match=f"need at most {MAX_PAYLOAD_BYTES}"):
        encode(msgspec.structs.replace(SAMPLES["event"], value=long))
    with pytest.raises(MessageError, match=f"need at most {MAX_PAYLOAD_BYTES}"):
        decode("event", msgspec.json.encode({**fields_of("event"), "value": long}))


def test_text_that_is_not_unicode_is_refused() -> None:
    with pytest.raises(MessageError, match="a text of the event is not Unicode"):
        encode(msgspec.structs.replace(SAMPLES["event"], value="\ud800"))


def test_deep_nesting_is_refused() -> None:
    for payload in (b'{"x":' + b"[" * 60_000, b"\x81\xa1x" + b"\x91" * 60_000):
        with pytest.raises(MessageError, match="is no event"):
            decode("event", payload)


@given(topic=st.sampled_from([*MESSAGE_TYPES, "", "x"]), payload=st.binary(max_size=300))
def test_random_bytes_raise_a_message_error_and_nothing_else(topic: str, payload: bytes) -> None:
    with pytest.raises(MessageError, match="decode: "):
        decode(topic, payload)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(
    name=st.sampled_from(sorted(SAMPLES)),
    encode_any=st.sampled_from([msgspec.json.encode, msgspec.msgpack.encode]),
    value=json_values,
    data=st.data(),
)
def test_any_value_in_any_field_is_read_or_refused(
    name: str, encode_any: type, value: object, data: st.DataObject
) -> None:
    fields = fields_of(name)
    fields[data.draw(st.sampled_from(sorted(fields)))] = value
    try:
        message = decode(SAMPLES[name].topic, encode_any(fields))
    except MessageError:
        return
    assert decode(message.topic, encode(message)) == message


@given(
    cut=st.integers(0, 2000),
    flip=st.integers(0, 255),
    name=st.sampled_from(sorted(SAMPLES)),
    packed=st.booleans(),
)
def test_damaged_messages_are_read_or_refused(cut: int, flip: int, name: str, packed: bool) -> None:
    payload = bytearray(encode(SAMPLES[name], "msgpack" if packed else "json"))
    payload[cut % len(payload)] ^= flip
    for damaged in (bytes(payload), bytes(payload[: cut % len(payload)])):
        try:
            message = decode(SAMPLES[name].topic, damaged)
        except MessageError:
            continue
        assert isinstance(message, MESSAGE_TYPES[SAMPLES[name].topic])


def test_events_without_value_and_data_can_be_read() -> None:
    fields = fields_of("event")
    del fields["value"], fields["data"]
    event = decode("event", msgspec.json.encode(fields))
    assert isinstance(event, Event)
    assert (event.value, event.data) == ("", {})


def test_messages_cannot_be_changed_after_the_check() -> None:
    prediction = PREDICTION
    assert isinstance(prediction, Prediction)
    with pytest.raises(AttributeError, match="immutable"):
        prediction.age_ms = math.nan  # type: ignore[misc]
