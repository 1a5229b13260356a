"""Messages to bytes and back: JSON or MessagePack with the same fields, and the JSON Schema of both."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from rtbci.errors import MessageError
from rtbci.publish.control_messages import Reply, Request
from rtbci.publish.messages import MESSAGE_TYPES, VERSION, Event, Hello, Message, Prediction, Status

__all__ = ["MAX_PAYLOAD_BYTES", "Format", "decode", "encode", "schema"]

Format = Literal["json", "msgpack"]

MAX_PAYLOAD_BYTES = 65_536
"""Longest payload that is sent or read; a prediction takes about 600 bytes."""

_ENCODE: Mapping[Format, Callable[[Message], bytes]] = {
    "json": msgspec.json.Encoder().encode,
    "msgpack": msgspec.msgpack.Encoder().encode,
}
_JSON = {topic: msgspec.json.Decoder(kind) for topic, kind in MESSAGE_TYPES.items()}
_MSGPACK = {topic: msgspec.msgpack.Decoder(kind) for topic, kind in MESSAGE_TYPES.items()}


class _AnyVersion(msgspec.Struct):
    v: int


def encode(message: Message, format: Format = "json") -> bytes:
    """Return the payload of a message.

    Parameters
    ----------
    message : Prediction, Status, Event or Hello
        Its topic is ``message.topic``.
    format : {"json", "msgpack"}
        Same fields in both.

    Raises
    ------
    MessageError
        When a text is not Unicode (lone surrogates), or the payload is longer than `MAX_PAYLOAD_BYTES`.
        Numbers that are not finite never come this far: the message cannot be made.
    """
    try:
        payload = _ENCODE[format](message)
    except UnicodeEncodeError as error:
        raise MessageError(f"encode: a text of the {message.topic} is not Unicode: {error}") from error
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise MessageError(
            f"encode: the {message.topic} takes {len(payload)} bytes, need at most {MAX_PAYLOAD_BYTES}"
        )
    return payload


def decode(topic: str | bytes, payload: bytes) -> Message:
    """Return the message in a payload, JSON or MessagePack alike.

    Fields that the schema does not know are ignored: later minor versions may add some.

    Parameters
    ----------
    topic : str or bytes
        First frame.
    payload : bytes
        Second frame.

    Raises
    ------
    MessageError
        When the topic is unknown, the payload too long, not a message of that topic, or of another version.
    """
    name = topic.decode("ascii", "replace") if isinstance(topic, bytes) else topic
    if name not in MESSAGE_TYPES:
        raise MessageError(f"decode: topic is {name[:40]!r}, need one of {', '.join(MESSAGE_TYPES)}")
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise MessageError(
            f"decode: payload of {name} has {len(payload)} bytes, need at most {MAX_PAYLOAD_BYTES}"
        )
    # A JSON object starts with "{", which in MessagePack is the number 123: no message can be both.
    is_json = payload.lstrip()[:1] == b"{"
    decoder = (_JSON if is_json else _MSGPACK)[name]
    try:
        return decoder.decode(payload)
    except (msgspec.MsgspecError, ValueError, RecursionError, OverflowError) as error:
        raise MessageError(_explain(name, payload, is_json, error)) from error


def _explain(topic: str, payload: bytes, is_json: bool, error: Exception) -> str:
    decode_any = msgspec.json.decode if is_json else msgspec.msgpack.decode
    try:
        version = decode_any(payload, type=_AnyVersion).v
    except (msgspec.MsgspecError, ValueError, RecursionError, OverflowError):
        version = VERSION
    if version != VERSION:
        return f"decode: {topic} has schema version {version}, this reads {VERSION}; update the older side"
    return f"decode: payload of {len(payload)} bytes is no {topic}: {error}"


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of all messages; MessagePack has the same fields.

    Returns
    -------
    dict
        ``anyOf`` the four messages; one definition each under ``$defs``, those of the control socket too.
    """
    _, definitions = msgspec.json.schema_components(
        [Prediction, Status, Event, Hello, Request, Reply], ref_template="#/$defs/{name}"
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Messages of rtbci, schema version {VERSION}",
        "anyOf": [{"$ref": f"#/$defs/{kind.__name__}"} for kind in MESSAGE_TYPES.values()],
        "$defs": definitions,
    }
