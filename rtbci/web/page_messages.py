"""What a page that shows things in frames says to its server: JSON, one object a message, with its kind under ``type``."""

from typing import Annotated, Any

import msgspec

from rtbci.errors import MessageError

__all__ = [
    "MAX_BYTES",
    "Clicks",
    "Flashed",
    "Frames",
    "FromPage",
    "Pause",
    "Pong",
    "Shown",
    "Start",
    "Visible",
    "encode",
    "read_from_page",
]

MAX_BYTES = 65_536
"""Of one message from the page."""

Milliseconds = Annotated[float, msgspec.Meta(ge=0, le=1e12)]


class _FromPage(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type"):
    """Base of what the page says; its times are of its own clock (``performance.now``), in milliseconds."""


class Pong(_FromPage, frozen=True, tag="pong"):
    """Answer to the ping with this number."""

    id: int
    page_ms: Milliseconds


class Shown(_FromPage, frozen=True, tag="shown"):
    """The order with this number was drawn in the frame that began at `frame_ms`.

    `i_frame`: number of that frame since a flicker began, where one is shown.
    """

    id: int
    frame_ms: Milliseconds
    i_frame: Annotated[int, msgspec.Meta(ge=0)] | None = None


class Frames(_FromPage, frozen=True, tag="frames"):
    """Times between the frames of the last second."""

    dt_ms: Annotated[list[Milliseconds], msgspec.Meta(max_length=2000)]


class Start(_FromPage, frozen=True, tag="start"):
    """The user has pressed the start key."""


class Visible(_FromPage, frozen=True, tag="visible"):
    """Whether the page can be seen; another tab or window may cover it."""

    visible: bool


class Clicks(_FromPage, frozen=True, tag="clicks"):
    """Click-along: key presses, less the frame of the flash that each belongs to."""

    ms: Annotated[list[Annotated[float, msgspec.Meta(ge=-1e4, le=1e4)]], msgspec.Meta(max_length=200)]


class Flashed(_FromPage, frozen=True, tag="flashed"):
    """Flash `i_flash` of the sequence with this number was drawn in the frame that began at `frame_ms`.

    `n_late`: frames later than it was due; `sure` is False where the frame may have been shown later than it says.
    """

    id: int
    i_flash: Annotated[int, msgspec.Meta(ge=0, le=100_000)]
    frame_ms: Milliseconds
    n_late: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
    sure: bool


class Pause(_FromPage, frozen=True, tag="pause"):
    """The user wants a pause at once."""


FromPage = Pong | Shown | Frames | Start | Visible | Clicks | Flashed | Pause

_decoder = msgspec.json.Decoder(FromPage)
_encoder = msgspec.json.Encoder()


def read_from_page(raw: str | bytes) -> FromPage:
    """Check and decode a message.

    Raises
    ------
    MessageError
        When it is too long or none of the schema.
    """
    if len(raw) > MAX_BYTES:
        raise MessageError(
            f"page: message of {len(raw)} bytes, need at most {MAX_BYTES}; load the page again"
        )
    try:
        message: FromPage = _decoder.decode(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise MessageError(
            f"page: message {raw[:80]!r} ({error}), need one of this rtbci; load the page again"
        ) from error
    return message


def encode(type: str, **fields: Any) -> str:
    """Return a message to the page as text."""
    return _encoder.encode({"type": type, **fields}).decode()
