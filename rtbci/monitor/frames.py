"""What the page's own socket carries: JSON for words and rows, plain arrays for what is drawn."""

import struct
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from rtbci.publish.messages import Message, Prediction
from rtbci.publish.signal_message import Signal, bins_of

__all__ = ["row_of", "said", "signal_frame", "spectrum_frame", "text_of"]

SIGNAL, SPECTRUM = 1, 2
FOLLOWS, FILTERED, IS_RANGE = 1, 2, 4
_HEAD = struct.Struct("<BBHIdd")
"""Kind, flags, channels, rows, begin, step: 24 bytes, so that float32 behind it is aligned."""
_JSON = msgspec.json.Encoder().encode

Float32 = npt.NDArray[np.float32]


def said(topic: str, message: Mapping[str, Any]) -> str:
    """A text frame."""
    return _JSON({"topic": topic, "message": message}).decode()


def text_of(message: Message) -> str:
    """The text frame of a message of the schema, all of its fields."""
    return f'{{"topic":"{message.topic}","message":{_JSON(message).decode()}}}'


def row_of(prediction: Prediction) -> tuple[Any, ...]:
    """What the page draws of a prediction, numbers rounded to what can be seen.

    Returns
    -------
    tuple
        End of the window [s], age [ms], its five parts [ms], probabilities or None, decision, why (for people), quality, continuous
        output or None.
    """
    trace = prediction.trace_ms
    parts = (trace.wait, trace.filter, trace.encode, trace.probe, trace.send)
    probs = prediction.probs
    return (
        round(prediction.t_window[1], 4),
        round(prediction.age_ms, 3),
        tuple(round(part, 3) for part in parts),
        None if probs is None else tuple(round(p, 4) for p in probs),
        prediction.decision,
        prediction.reason or None,
        round(prediction.quality.score, 3),
        None if prediction.value is None else round(prediction.value, 4),
    )


def signal_frame(signal: Signal, filtered: Float32 | None = None) -> bytes:
    """Bins of signal: one array, or the smallest and then the largest of each bin.

    Parameters
    ----------
    signal : Signal
    filtered : ndarray of float32, shape (n_bins, n_channels), optional
        To be shown in place of what came.
    """
    mean, low, high = bins_of(signal)
    flags = FOLLOWS if signal.follows else 0
    if filtered is not None:
        arrays: tuple[Float32, ...] = (filtered,)
        flags |= FILTERED
    elif signal.n_per_bin > 1:
        arrays = (low, high)
        flags |= IS_RANGE
    else:
        arrays = (mean,)
    head = _HEAD.pack(
        SIGNAL, flags, len(signal.labels), signal.n_bins, signal.t_first, signal.n_per_bin / signal.rate_hz
    )
    return head + b"".join(one.astype("<f4", copy=False).tobytes() for one in arrays)


def spectrum_frame(density: npt.NDArray[np.float64], step_hz: float, t_lsl: float) -> bytes:
    """Power densities in µV²/Hz, one row for each frequency from 0 on."""
    n_frequencies, n_channels = density.shape
    head = _HEAD.pack(SPECTRUM, 0, n_channels, n_frequencies, t_lsl, step_hz)
    return head + density.astype("<f4").tobytes()
