"""Requests to the control socket and the replies to them, JSON both ways."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from rtbci.errors import MessageError
from rtbci.publish.message_parts import Version

__all__ = [
    "COMMANDS",
    "MARK_SOURCE",
    "MAX_REQUEST_BYTES",
    "Failure",
    "Mark",
    "Pause",
    "Reply",
    "Request",
    "Resume",
    "StatusRequest",
    "Stop",
    "SwapProfile",
    "read_id",
    "read_request",
]

MAX_REQUEST_BYTES = 16_384
"""Longest request that is read."""

MAX_MARK_LETTERS = 512
"""Longest text of a marker."""

MARK_SOURCE = "control"
"""What the event of a marker says in ``data.source`` when a client has sent it."""

RequestId = Annotated[int | str | None, Meta(description="Chosen by the client, repeated in the reply.")]
ClientId = Annotated[
    Annotated[str, Meta(min_length=1, max_length=64)] | None,
    Meta(
        description="Chosen by the client, unlike all others; a request with the same `client` and `id` is carried out once."
    ),
]


class _Request(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="cmd"):
    v: Version = 1
    id: RequestId = None
    client: ClientId = None


class StatusRequest(_Request, frozen=True, kw_only=True, tag="status"):
    """Ask for the newest `Status`."""


class SwapProfile(_Request, frozen=True, kw_only=True, tag="swap_profile"):
    """Decode with another profile from the next hop on."""

    profile: Annotated[
        str,
        Meta(
            min_length=1,
            description="User, `user@generation`, path of a profile, `population` or `previous`.",
        ),
    ]


class Pause(_Request, frozen=True, kw_only=True, tag="pause"):
    """Send no predictions until `resume`; the stream is still drained."""


class Resume(_Request, frozen=True, kw_only=True, tag="resume"):
    """Send predictions again."""


class Mark(_Request, frozen=True, kw_only=True, tag="mark"):
    """Put a marker into the session."""

    value: Annotated[str, Meta(min_length=1, max_length=MAX_MARK_LETTERS, description="Text of the marker.")]
    t_lsl: Annotated[
        float | None,
        Meta(description="When it was [s, LSL clock of the decoder's computer]; null: when it is taken up."),
    ] = None


class Stop(_Request, frozen=True, kw_only=True, tag="stop"):
    """End the decoder as Ctrl-C does."""


COMMANDS = ("status", "swap_profile", "pause", "resume", "mark", "stop")

Request = StatusRequest | SwapProfile | Pause | Resume | Mark | Stop


class Failure(Struct, frozen=True, kw_only=True):
    """Why a request was refused."""

    kind: Annotated[str, Meta(description="Name of the error's class in `rtbci.errors`.")]
    message: Annotated[str, Meta(description="What was given, what is needed, what to do.")]


class Reply(Struct, frozen=True, kw_only=True):
    """Answer to one request."""

    v: Version
    id: RequestId
    ok: Annotated[bool, Meta(description="Whether the request was carried out.")]
    result: Annotated[dict[str, Any] | None, Meta(description="What it gave; null when refused.")] = None
    error: Annotated[Failure | None, Meta(description="Why it was refused; null when carried out.")] = None


class _AnyRequest(Struct):
    id: int | str | None = None


_REQUESTS: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
_ANY = msgspec.json.Decoder(_AnyRequest)
_ERRORS = (msgspec.MsgspecError, ValueError, RecursionError, OverflowError)


def read_request(payload: bytes) -> Request:
    """Return the request in a payload.

    Raises
    ------
    MessageError
        When it is too long, not JSON, or has unknown, missing or wrong fields.
    """
    if len(payload) > MAX_REQUEST_BYTES:
        raise MessageError(f"control: request has {len(payload)} bytes, need at most {MAX_REQUEST_BYTES}")
    try:
        return _REQUESTS.decode(payload)
    except _ERRORS as error:
        raise MessageError(
            f"control: request is refused: {error}; need cmd to be one of {', '.join(COMMANDS)} "
            f"and that command's fields"
        ) from error


def read_id(payload: bytes) -> int | str | None:
    """Return the id of a request that may be wrong in every other way, or None."""
    if len(payload) > MAX_REQUEST_BYTES:
        return None
    try:
        return _ANY.decode(payload).id
    except _ERRORS:
        return None
