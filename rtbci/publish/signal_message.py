"""Topic `signal`: what the electrodes measure, for the eye; sent only while somebody subscribes to it.

Always MessagePack, whatever the format of the other topics: most of it are arrays. It is not recorded and not part of the
JSON Schema of the other messages.
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta, Struct

from rtbci.errors import MessageError
from rtbci.publish.message_parts import SentTime, Seq, SessionId, Version

__all__ = ["MAX_SIGNAL_BYTES", "SIGNAL_TOPIC", "Signal", "bins_of", "decode_signal", "encode_signal"]

SIGNAL_TOPIC = "signal"
MAX_SIGNAL_BYTES = 65_536

Float32 = npt.NDArray[np.float32]


class Signal(Struct, frozen=True, kw_only=True):
    """Some bins of signal, one right behind the other: 4 samples of 1000 Hz are a bin, and so on."""

    topic: ClassVar[str] = SIGNAL_TOPIC

    v: Version
    session: SessionId
    seq: Seq
    t_sent: SentTime
    stream: Annotated[str, Meta(description="Name of the stream.")]
    labels: Annotated[tuple[str, ...], Meta(description="Canonical labels of the channels, in order.")]
    is_read: Annotated[tuple[bool, ...], Meta(description="Which of them the decoder reads.")]
    bad: Annotated[
        Mapping[str, str],
        Meta(description="Channels that cannot be EEG just now, and why where that is told."),
    ]
    rate_hz: Annotated[float, Meta(gt=0, description="Nominal rate of the stream [Hz].")]
    n_per_bin: Annotated[int, Meta(ge=1, description="Samples in a bin.")]
    n_bins: Annotated[int, Meta(ge=1, description="Bins in this message.")]
    t_first: Annotated[float, Meta(description="Stamp of the first bin's first sample [s, local LSL clock].")]
    t_last: Annotated[float, Meta(description="Stamp of the last bin's last sample [s, local LSL clock].")]
    follows: Annotated[
        bool,
        Meta(description="False: signal is missing before it, by a gap or because nobody was listening."),
    ]
    mean: Annotated[
        bytes, Meta(description="Means of the bins, float32 (n_bins, n_channels), little endian [µV].")
    ]
    low: Annotated[
        bytes, Meta(description="Smallest sample of each bin, as `mean`; empty with 1 per bin.")
    ] = b""
    high: Annotated[
        bytes, Meta(description="Largest sample of each bin, as `mean`; empty with 1 per bin.")
    ] = b""


_ENCODE = msgspec.msgpack.Encoder().encode
_DECODER = msgspec.msgpack.Decoder(Signal)


def encode_signal(message: Signal) -> bytes:
    """Return the payload of a message."""
    return _ENCODE(message)


def decode_signal(payload: bytes) -> Signal:
    """Return the message in a payload.

    Raises
    ------
    MessageError
        When it is too long, no such message, or its arrays are not as long as it says.
    """
    if len(payload) > MAX_SIGNAL_BYTES:
        raise MessageError(f"decode: signal has {len(payload)} bytes, need at most {MAX_SIGNAL_BYTES}")
    try:
        message = _DECODER.decode(payload)
    except (msgspec.MsgspecError, ValueError, RecursionError, OverflowError) as error:
        raise MessageError(f"decode: payload of {len(payload)} bytes is no signal: {error}") from error
    n_bytes = 4 * message.n_bins * len(message.labels)
    sizes = {len(message.mean), *(len(part) for part in (message.low, message.high) if message.n_per_bin > 1)}
    if sizes != {n_bytes} or len(message.is_read) != len(message.labels) or not message.labels:
        raise MessageError(
            f"decode: signal has arrays of {sorted(sizes)} bytes, need {n_bytes} for {message.n_bins} bins of "
            f"{len(message.labels)} channels"
        )
    return message


def bins_of(message: Signal) -> tuple[Float32, Float32, Float32]:
    """Mean, smallest and largest sample of each bin, each of shape (n_bins, n_channels), in µV; views, read-only."""
    shape = (message.n_bins, len(message.labels))
    mean = np.frombuffer(message.mean, "<f4").reshape(shape)
    if message.n_per_bin == 1:
        return mean, mean, mean
    low, high = (np.frombuffer(part, "<f4").reshape(shape) for part in (message.low, message.high))
    return mean, low, high
