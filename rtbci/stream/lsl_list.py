"""What streams there are on the network, and whether they flow."""

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pylsl
from pylsl.util import LostError
from pylsl.util import TimeoutError as LslTimeoutError

from rtbci.clock import Clock, now, sleep_until
from rtbci.stream.lsl_info import is_regular, stream_info
from rtbci.stream.lsl_resolve import choices
from rtbci.stream.source import StreamInfo

__all__ = ["StreamSummary", "list_streams"]

ANSWER_S = 1.0
MAX_SAMPLES = 20_000


@dataclass(frozen=True, slots=True)
class StreamSummary:
    """One stream of the network as seen for a moment.

    Parameters
    ----------
    info : StreamInfo
        Its description; `rate_hz` is 0 for streams without a steady rate.
    measured_hz : float or None
        Samples per second by their stamps; None when fewer than two came.
    age_s : float or None
        Seconds from the newest sample's stamp to the end of the look; None when no sample came.
    answers : bool
        Whether it answered to a connection; when False the labels are unknown.
    option : str
        What chooses it among the signals that were seen (``--stream ...``); empty where it is no signal.
    """

    info: StreamInfo
    measured_hz: float | None
    age_s: float | None
    answers: bool
    option: str = ""

    @property
    def units(self) -> tuple[str, ...]:
        """The different units of its channels, in order."""
        return tuple(dict.fromkeys(channel.unit for channel in self.info.channels if channel.unit))


def list_streams(wait_s: float = 1.0, measure_s: float = 1.0, clock: Clock = now) -> list[StreamSummary]:
    """Look what LSL streams there are, and listen to all of them for a moment.

    Parameters
    ----------
    wait_s : float, default 1
        How long to wait for answers, seconds; below 0.5 s some may be missed.
    measure_s : float, default 1
        How long to listen for the rate and the age, seconds.

    Returns
    -------
    list of StreamSummary
        By type and name.
    """
    found = pylsl.resolve_streams(wait_s)
    inlets = [pylsl.StreamInlet(info, max_buflen=60, recover=False) for info in found]
    for inlet in inlets:
        # With no time to wait these only begin, all at once and in the background.
        with suppress(LslTimeoutError, LostError):
            inlet.open_stream(0.0)
        with suppress(LslTimeoutError, LostError):
            inlet.time_correction(0.0)
    sleep_until(clock() + measure_s, clock)
    signals = [info for info in found if is_regular(info)]
    options = dict(zip((info.uid() for info in signals), choices(signals), strict=True))
    summaries = [
        replace(_summary(info, inlet, clock), option=options.get(info.uid(), ""))
        for info, inlet in zip(found, inlets, strict=True)
    ]
    return sorted(
        summaries, key=lambda summary: (summary.info.type, summary.info.name, summary.info.source_id)
    )


def _summary(info: Any, inlet: Any, clock: Clock) -> StreamSummary:
    try:
        t_lsl = np.asarray(inlet.pull_chunk(0.0, MAX_SAMPLES, as_numpy=True)[1])
        t_now = clock()
        offset_s = inlet.time_correction(ANSWER_S)
        described = stream_info(inlet.info(ANSWER_S))
    except (LslTimeoutError, LostError):
        return StreamSummary(stream_info(info), None, None, answers=False)
    span_s = float(t_lsl[-1] - t_lsl[0]) if len(t_lsl) > 1 else 0.0
    return StreamSummary(
        info=described,
        measured_hz=(len(t_lsl) - 1) / span_s if span_s > 0 else None,
        age_s=float(t_now - offset_s - t_lsl[-1]) if len(t_lsl) else None,
        answers=True,
    )
